"""What was mended or left out while reading files, and its CSV and JSON forms."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hachimachi.errors import HachimachiError, count, listed
from hachimachi.events import EventSequence
from hachimachi.io.atomic import check_file, replacing

RESTARTED = "notes struck again before their end: each ends where the next begins"
UNENDED = "notes without an end: each ends with its track"
EMPTY = "notes of no length: kept"

MISSING = "tracks that the header announces are not there"
SURPLUS = "tracks that the header does not announce: read"
WRONG_LENGTH = "lengths of chunks that are wrong: read to where the track ends"
CUT_SHORT = "bytes missing at the end of the file: read up to there"
BROKEN = "bytes after a place where a track is damaged: not read"
WRONG_DATA = "messages with a data byte above 127: left out, or where it is an amount held at 127"
OVERLONG = "times or lengths of more than 4 bytes: read by their last three"
AFTER_END = "bytes after the end of a track: not read"
STRAY = "bytes that belong to no track: not read"
ZERO_TEMPO = "tempos of 0: not heeded"

ELSEWHERE = "tempo changes outside the first track: they hold for all tracks"
SILENCE = "seconds of silence after the last note: not part of the piece"
SILENT_BEATS = SILENCE.replace("seconds", "beats")
FRAMES = "files that count frames (SMPTE) instead of quarter notes: read"
SEQUENTIAL = "tracks of files of format 2: each is a sequence of its own"
REPEATED = "control changes to the value that was there: kept"
PEDAL_UNHEEDED = "messages of the sustain pedal: not heeded; hxmx format --sustain heeds them"
PEDAL_COLUMN = "messages of the sustain pedal: its place at each note is the column pedal"
PEDAL_RINGS = "messages of the sustain pedal: heeded"
SUSTAINED = "notes that ring on under the sustain pedal: each ends where it lets them go"

# of these, what only explains how a file was read
NOTICES = {EMPTY, SURPLUS, ELSEWHERE, SILENCE, SILENT_BEATS, FRAMES, SEQUENTIAL, REPEATED}
NOTICES |= {PEDAL_UNHEEDED, PEDAL_COLUMN, PEDAL_RINGS, SUSTAINED}

# how a remark is put where it is of one: a note that goes on when its key is struck again: it ends there
_ONE = (
    (r"^((?:tempo |control )?\w+?)s\b", r"\1"),
    (r"^(\w+ or \w+)s\b", r"\1"),
    (r"\b(they|that|announces) are\b", r"\1 is"),
)
_ONE += ((r"\b(they|that) go\b", r"\1 goes"), (r"\b(they|that) (begin|belong|ring|count|end|hold|sound)\b", r"\1 \2s"))
_ONE += ((r"\bthey\b", "it"), (r"\btheir\b", "its"))
_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|b'[^']*'|[-+]?\d[\d,.e+-]*")
Account = dict[str, Counter[str]]  # what happened → how often in which file or sequence


class Duplicate(NamedTuple):
    """Two near-identical sequences."""

    name: str  # the later one, or the shorter
    of: str  # the other one
    score: float  # share of ``name`` that is in ``of`` too, 0 to 1; 1 for the same events at the same times
    transposed: int = 0  # semitones from ``of`` to ``name``; 0 without pitches
    indices: tuple[int, int] = (0, 0)  # of ``name`` and of ``of`` among the sequences compared


@dataclass
class Report:
    """What was mended or left out: every event was read, or counted in ``dropped``, or its file is in ``refused``."""

    # interpretation of ambiguous notation, such as decimal commas → how often in which file. No fault.
    understood: Account = field(default_factory=dict)
    remarks: Account = field(default_factory=dict)  # what was mended, or is odd → how often in which file
    refused: dict[str, str] = field(default_factory=dict)  # file or sequence left out → why, in one line
    constants: dict[str, float] = field(default_factory=dict)  # column left out → the one value that it has
    dropped: Account = field(default_factory=dict)  # why events were left out → how many of which sequence
    cut: Counter[str] = field(default_factory=Counter)  # sequence that was cut → into how many
    passed: Counter[str] = field(default_factory=Counter)  # suffix of files below a folder that are no data → how many
    files: int = 0  # files that gave events
    sequences: int = 0
    events: int = 0
    seconds: float = 0.0  # total duration, from the first event of each sequence to its last; 0 without time
    duplicates: list[Duplicate] = field(default_factory=list)  # near-identical sequences; they are kept
    strict: bool = False  # whether any of `faults` is an error in `read` and `write`

    def count(self, remark: str, file: str, times: int = 1) -> None:
        """Count what was mended or is odd in a file; 0 times is not recorded."""
        _count(self.remarks, remark, file, times)

    def understand(self, interpretation: str, file: str, times: int = 1) -> None:
        """Count an interpretation of ambiguous notation; 0 times is not recorded."""
        _count(self.understood, interpretation, file, times)

    def drop(self, reason: str, sequence: str, events: int) -> None:
        """Count events of a sequence that are left out."""
        _count(self.dropped, reason, sequence, events)

    def measure(self, sequences: Sequence[EventSequence]) -> None:
        """Set the totals to those of some sequences."""
        self.sequences, self.events = len(sequences), sum(map(len, sequences))
        self.seconds = sum(sequence.seconds for sequence in sequences)

    def reasons(self) -> dict[str, list[str]]:
        """Return names left out by reason; reasons that differ only in numbers or names are merged, with … there."""
        grouped: dict[str, dict[str, str]] = {}
        for name, reason in self.refused.items():
            grouped.setdefault(_PARTICULARS.sub("…", reason), {})[name] = reason
        merged = ((reason, list(files), list(dict.fromkeys(files.values()))) for reason, files in grouped.items())
        return {same[0] if len(same) == 1 else reason: names for reason, names, same in merged}

    @property
    def faults(self) -> list[str]:
        """A line for each reason why anything was mended or refused; empty where all is well."""
        refused = [f"left out {listed(names, most=1)}: {reason}" for reason, names in self.reasons().items()]
        return refused + _lines({what: files for what, files in self.remarks.items() if what not in NOTICES})

    def check(self, most: int = 3) -> None:
        """Raise HachimachiError for the first ``most`` of `faults` if the report is strict."""
        if self.strict and self.faults:
            rest = len(self.faults) - most
            more = f"; and for {count(rest, 'more reason')}, see --report" if rest > 0 else ""
            raise HachimachiError(f"strict: {'; '.join(self.faults[:most])}{more}")

    def add(self, other: Report) -> None:
        """Add the report of other files."""
        for name in ("understood", "remarks", "dropped"):
            account, others = getattr(self, name), getattr(other, name)
            for reason, counts in others.items():
                account.setdefault(reason, Counter()).update(counts)
        for name in ("refused", "constants", "cut", "passed"):
            getattr(self, name).update(getattr(other, name))
        self.files += other.files
        self.duplicates += other.duplicates

    def lines(self, most: int = 10) -> list[str]:
        """Return a line for each interpretation, remark and reason to drop, then up to ``most`` refused files."""
        dropped = {f"events left out: {why}": files for why, files in self.dropped.items()}
        refused = [f"left out: {name}: {reason}" for name, reason in list(self.refused.items())[:most]]
        rest = len(self.refused) - most
        more = [f"left out: {rest:,} more files"] if rest > 0 else []
        return _lines(self.understood | self.remarks | dropped) + refused + more


def _count(account: Account, reason: str, name: str, times: int) -> None:
    if times:
        account.setdefault(reason, Counter())[name] += times


def _lines(account: Account) -> list[str]:
    return [
        f"{_counted(files.total(), what)} ({next(iter(files)) if len(files) == 1 else f'in {len(files):,} files'})"
        for what, files in account.items()
    ]


def _counted(number: int, remark: str) -> str:
    for plural, singular in _ONE if number == 1 else ():
        remark = re.sub(plural, singular, remark)
    return f"{number:,} {remark}"


SUFFIXES = (".csv", ".json")
TOTALS = ("files", "sequences", "events", "seconds")
HEADER = ("what", "name", "count", "why")
"""Columns of the CSV form. ``count`` is a number of notes, events, parts or files, or a score from 0 to 1."""


def check_report_path(path: str | os.PathLike[str]) -> None:
    """Raise HachimachiError for a path that ends in neither .csv nor .json, or cannot be written."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise HachimachiError(f"{path}: a report ends in {' or '.join(SUFFIXES)}")
    check_file(path)


def write_report(path: str | os.PathLike[str], report: Report) -> None:
    """Write a whole report, as CSV (a row for each thing that happened) or JSON."""
    check_report_path(path)
    file = io.StringIO()
    if Path(path).suffix.lower() == ".csv":
        csv.writer(file, lineterminator="\n").writerows([HEADER, *_rows(report)])
    else:
        content = {what: getattr(report, what) for what in TOTALS} | {
            "left_out": report.refused,
            "read_as": report.understood,
            "mended_or_odd": report.remarks,
            "events_left_out": report.dropped,
            "cut_into_parts": report.cut,
            "near_duplicates": [dict(zip(pair._fields[:4], pair, strict=False)) for pair in report.duplicates],
            "columns_left_out": report.constants,
            "passed_over": report.passed,
        }
        file.write(json.dumps(content, indent=1) + "\n")
    with replacing(path) as temporary:
        temporary.write_text(file.getvalue(), encoding="utf-8", newline="")


def _rows(report: Report) -> Iterator[tuple[str, str, float, str]]:
    yield from (("left out", name, 1, reason) for name, reason in report.refused.items())
    counted = {"read as": report.understood, "mended or odd": report.remarks, "events left out": report.dropped}
    for what, account in counted.items():
        yield from ((what, name, times, why) for why, files in account.items() for name, times in files.items())
    yield from (("cut into parts", name, parts, "gaps above --max-gap") for name, parts in report.cut.items())
    for name, of, score, shift, _ in report.duplicates:
        yield "near duplicate", name, round(score, 4), f"of {of}" + (f", {shift:+d} semitones" if shift else "")
    for column, value in report.constants.items():
        yield "column left out", column, 1, f"{value:g} throughout"
    yield from (("passed over", suffix, files, "no data") for suffix, files in report.passed.items())
    for what in TOTALS:
        yield "total", what, getattr(report, what), "read, after all of this"
