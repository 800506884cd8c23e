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
from hachimachi.io.json_features import read_features
from hachimachi.live.record.file import FORMAT, VERSION

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
