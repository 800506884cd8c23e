"""What a journal holds, even where a crash cut it off or the disk damaged it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.io.files import WRITERS
from hachimachi.io.json_format import read_features

FORMAT, VERSION = "hachimachi.journal", 1
ENDING = ".journal"
MAGIC = f'{{"format": "{FORMAT}"'.encode()
"""How every journal begins."""
SUFFIXES = {suffix: WRITERS[suffix] for suffix in (".json", ".csv")}
"""The formats that hold any features, each with its module in `hachimachi.io`."""


def beside(path: str | os.PathLike[str]) -> Path:
    """Return the journal of a data set: its path and ``.journal``."""
    return Path(f"{os.fspath(path)}{ENDING}")


def target(journal: str | os.PathLike[str]) -> Path:
    """Return the data set of a journal."""
    return Path(os.fspath(journal).removesuffix(ENDING))


def free(path: Path, *, with_journal: bool = False) -> Path:
    """Return the path if nothing is there, else the first of ``name-2``, ``name-3``… that is free.

    A name is taken, too, where its journal waits; of the path itself only if its journal has to be free as well.
    """
    number, candidate = 1, path
    while os.path.lexists(candidate) or ((with_journal or number > 1) and os.path.lexists(beside(candidate))):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def find_unfinished(where: str | os.PathLike[str]) -> list[Path]:
    """Return the journals that a crash left, sorted: of one data set, or all that lie in a folder.

    One that is being written at this moment is none of them, nor is another program's file.
    """
    path = Path(where)
    found = sorted(path.glob(f"*{ENDING}")) if path.is_dir() else [beside(path)]
    return [journal for journal in found if _is_journal(journal) and not in_use(journal)]


def is_empty(journal: Path) -> bool:
    """Return whether a crash came before even the first line was written."""
    with journal.open("rb") as file:
        first = file.readline(1 << 20)
    return MAGIC.startswith(first[: len(MAGIC)]) and not first.endswith(b"\n")


def in_use(journal: Path) -> bool:
    """Return whether a process writes into a journal; always ``False`` where the system has no `flock`."""
    try:
        fd = os.open(journal, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not is_locked_here(fd)
    finally:
        os.close(fd)


def _is_journal(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError:
        return False
    return MAGIC.startswith(head)


def is_locked_here(fd: int) -> bool:
    """Lock an open file against other processes, until it is closed; return ``False`` if another one has it.

    The system gives the lock up with the process, however that ends.
    """
    try:
        import fcntl
    except ImportError:  # Windows keeps an open file from being removed by itself
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


LARGEST = 1e300
"""Larger numbers are damage."""


@dataclass(frozen=True)
class Recorded:
    """The N events of a journal in the order in which they were written.

    Args:
        features: What their F values are.
        who: Names of who plays.
        temporal: Whether the data set is to carry time.
        at: Seconds since the start, shape (N,).
        player: Numbers of who played, shape (N,).
        rows: Values, shape (N, F), NaN where unknown.
        sequence: Which sequence each belongs to, never decreasing, shape (N,).
        next: The number that the next event gets.
        skipped: How many lines could not be read; the last one, cut off by a crash, is not counted.
        cleared: How many events were dropped by the player's wish.
    """

    features: tuple[Feature, ...]
    who: tuple[str, ...]
    temporal: bool
    at: NDArray[np.float64]
    player: NDArray[np.intp]
    rows: NDArray[np.float64]
    sequence: NDArray[np.intp]
    next: int
    skipped: int
    cleared: int

    def __len__(self) -> int:
        return len(self.at)

    @property
    def last(self) -> float:
        """The latest time, 0 without events."""
        return max(0.0, float(self.at.max(initial=0.0)))


@dataclass
class _Lines:
    """What the lines said so far."""

    features: int
    players: int
    events: list[list[float]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    amended: list[tuple[int, int, float]] = field(default_factory=list)
    next: int = 0
    sequence: int = 0
    skipped: int = 0
    cleared: int = 0

    def take(self, line: bytes) -> None:
        try:
            record = json.loads(line.decode())
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, list) and self._is_event(record):
            self.events.append(record)
            self.numbers.append(self.next)
            self.sequences.append(self.sequence)
        elif not (isinstance(record, dict) and self._mark(record)):
            self.skipped += 1
        self.next += line.startswith(b"[")

    def _is_event(self, record: list[Any]) -> bool:
        if len(record) != 2 + self.features or not _is_number(record[0]):
            return False
        known = all(value is None or _is_number(value) for value in record[2:])
        return known and type(record[1]) is int and 0 <= record[1] < self.players

    def _mark(self, record: dict[str, Any]) -> bool:
        """Obey a line that is no event; return whether it could be understood."""
        match record:
            case {"begin": int(number)}:
                self.next, self.sequence = number, self.sequence + 1
            case {"clear": [int(first), int(number)]}:
                self.next, self.sequence = number, self.sequence + 1
                self._clear(first)
            case {"amend": [int(number), int(column), value]} if 0 <= column < self.features and _is_number(value):
                self.amended.append((number, column, value))
            case _:
                return False
        return True

    def _clear(self, first: int) -> None:
        keep = next((place for place, number in enumerate(self.numbers) if number >= first), len(self.numbers))
        self.cleared += len(self.events) - keep
        for column in (self.events, self.numbers, self.sequences):
            del column[keep:]


def read_journal(path: str | os.PathLike[str]) -> Recorded:
    """Read a journal.

    A last line that was cut off is passed over; other lines that cannot be read are skipped and counted.

    Raises:
        HachimachiError: A file that cannot be read, or whose first line is not a journal's.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be read: {error.strerror or error}") from error
    first, _, rest = data.partition(b"\n")
    features, who, temporal = _header(first, path)
    lines = _Lines(len(features), len(who))
    whole, _, cut = rest.rpartition(b"\n")
    for line in filter(None, whole.split(b"\n")):
        lines.take(line)
    before = lines.skipped
    if cut:
        lines.take(cut)
    lines.skipped = before
    return _arrays(lines, features, who, temporal)


def _arrays(lines: _Lines, features: tuple[Feature, ...], who: tuple[str, ...], temporal: bool) -> Recorded:
    table = np.array(lines.events, dtype=np.float64).reshape(-1, 2 + len(features))  # null becomes NaN
    rows = table[:, 2:]
    places = {number: place for place, number in enumerate(lines.numbers)} if lines.amended else {}
    for number, column, value in lines.amended:
        if number in places:  # not where the event was cleared or cannot be read
            rows[places[number], column] = value
    sequence = np.array(lines.sequences, dtype=np.intp)
    player = table[:, 1].astype(np.intp)
    counts = (lines.next, lines.skipped, lines.cleared)
    return Recorded(features, who, temporal, table[:, 0], player, rows, sequence, *counts)


def _header(line: bytes, path: Path) -> tuple[tuple[Feature, ...], tuple[str, ...], bool]:
    try:
        top = json.loads(line.decode())
        if top["format"] != FORMAT:
            raise ValueError
        version, who, temporal = top["version"], tuple(map(str, top["who"])), bool(top["temporal"])
        features = read_features(top["features"], len(top["features"]))
    except (ValueError, KeyError, TypeError, RecursionError, HachimachiError) as error:
        expected = f'expected a journal, whose first line has "format": "{FORMAT}"'
        raise HachimachiError(f"{path}: row 1: {expected}; move this file away") from error
    if version != VERSION:
        raise HachimachiError(f"{path}: is a journal of version {version}, expected {VERSION}; use a newer hxmx")
    return features, who, temporal


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST  # nor NaN
