"""What happened to a performer's files on the way in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.midi_remarks import NOTICES
from hachimachi.text import count, listed

_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|b'[^']*'|[-+]?\d[\d,.e+-]*")
Account = dict[str, Counter[str]]
"""What happened → how often in which file or sequence."""


class Duplicate(NamedTuple):
    """Two sequences that tell the same.

    Args:
        name: The later one, or the shorter.
        of: The other one.
        score: Share of what is in ``name`` that is in ``of`` too, 0 to 1; 1 for the same events at the same times.
        transposed: Semitones from ``of`` to ``name``; 0 where there are no pitches.
        places: Of ``name`` and of ``of`` among the sequences looked at, from 0, for several may have one name.
    """

    name: str
    of: str
    score: float
    transposed: int = 0
    places: tuple[int, int] = (0, 0)


@dataclass
class Report:
    """An account of what was mended or left out, so that nothing is lost in silence.

    Every event of the files is either among what was read or counted in ``dropped``, or its file stands in ``refused``.

    Args:
        understood: How something was read that can be written in several ways, such as decimal commas → how often in
            which file. No fault.
        remarks: What was mended, or is odd → how often in which file.
        refused: File, or sequence, that was left out → why, in one line.
        constants: Column that was left out because it has one value throughout → that value.
        dropped: Why events were left out → how many of which sequence.
        cut: Sequence that was cut → into how many.
        passed: Suffix of files below a folder that are no data → how many there are.
        files: How many files gave events.
        sequences: How many sequences there are.
        events: How many events are in them.
        seconds: How long they last together, from the first event of each to its last; 0 without time.
        duplicates: Sequences that tell the same as others; they are kept.
        strict: Whether any of `faults` is an error to `read` and `write`.
    """

    understood: Account = field(default_factory=dict)
    remarks: Account = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    dropped: Account = field(default_factory=dict)
    cut: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    files: int = 0
    sequences: int = 0
    events: int = 0
    seconds: float = 0.0
    duplicates: list[Duplicate] = field(default_factory=list)
    strict: bool = False

    def count(self, remark: str, file: str, times: int = 1) -> None:
        """Count what was mended or is odd in a file; 0 times leaves no trace."""
        _count(self.remarks, remark, file, times)

    def understand(self, how: str, file: str, times: int = 1) -> None:
        """Count how something was read that can be written in several ways; 0 times leaves no trace."""
        _count(self.understood, how, file, times)

    def drop(self, reason: str, sequence: str, events: int) -> None:
        """Count events of a sequence that are left out; 0 of them leave no trace."""
        _count(self.dropped, reason, sequence, events)

    def refuse(self, name: str, reason: str) -> None:
        """Say why a file, or a sequence, is left out."""
        self.refused[name] = reason

    def measure(self, sequences: Sequence[EventSequence]) -> None:
        """Note how much there is now."""
        self.sequences, self.events = len(sequences), sum(map(len, sequences))
        self.seconds = sum(sequence.seconds for sequence in sequences)

    def reasons(self) -> dict[str, list[str]]:
        """Return what was left out by reason: those that differ in numbers or names only are one, with … for these."""
        grouped: dict[str, dict[str, str]] = {}
        for name, reason in self.refused.items():
            grouped.setdefault(_PARTICULARS.sub("…", reason), {})[name] = reason
        told = {}
        for reason, of_files in grouped.items():
            alike = len(set(of_files.values())) == 1
            told[next(iter(of_files.values())) if alike else reason] = list(of_files)
        return told

    @property
    def faults(self) -> list[str]:
        """What was not as it should be and what nobody asked for: a line for each reason, empty where all is well."""
        odd = {remark: files for remark, files in self.remarks.items() if remark not in NOTICES}
        mended = [f"{files.total():,} {remark} ({_where(files)})" for remark, files in odd.items()]
        refused = [f"left out {listed(names, most=1)}: {reason}" for reason, names in self.reasons().items()]
        return refused + mended

    def check(self, most: int = 3) -> None:
        """Refuse to go on with any of `faults`, if the report is strict.

        Raises:
            HachimachiError: What was not as it should be, ``most`` reasons of it.
        """
        if self.strict and self.faults:
            rest = len(self.faults) - most
            more = f"; and for {count(rest, 'more reason')}, see --report" if rest > 0 else ""
            raise HachimachiError(f"strict: {'; '.join(self.faults[:most])}{more}")

    def add(self, other: Report) -> None:
        """Take over the account of another part of the files."""
        for name in ("understood", "remarks", "dropped"):
            account, others = getattr(self, name), getattr(other, name)
            for reason, counts in others.items():
                account.setdefault(reason, Counter()).update(counts)
        for name in ("refused", "constants", "cut", "passed"):
            getattr(self, name).update(getattr(other, name))
        self.files += other.files
        self.duplicates += other.duplicates

    def lines(self, most: int = 10) -> list[str]:
        """Say it: a line for each way of reading, remark and reason to drop, then ``most`` refused files at most."""
        noted = [*self.understood.items(), *self.remarks.items()]
        remarks = [f"{files.total():,} {remark} ({_where(files)})" for remark, files in noted]
        dropped = [f"{files.total():,} events left out: {why} ({_where(files)})" for why, files in self.dropped.items()]
        refused = [f"left out: {name}: {reason}" for name, reason in list(self.refused.items())[:most]]
        rest = len(self.refused) - most
        return remarks + dropped + refused + ([f"left out: {rest:,} more files"] if rest > 0 else [])


def _count(account: Account, reason: str, name: str, times: int) -> None:
    if times:
        account.setdefault(reason, Counter())[name] += times


def _where(files: Counter[str]) -> str:
    return next(iter(files)) if len(files) == 1 else f"in {len(files):,} files"
