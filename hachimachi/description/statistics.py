"""Streaming statistics of columns and sequences, in bounded memory, and a sample of rows."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import EventSequence, check_alike
from hachimachi.io.collection import Collection

_CELLS = 1_000_000  # approximate numbers in a block


@dataclass(frozen=True)
class Piece:
    """Consecutive events of one sequence."""

    events: EventSequence
    first: int  # index of the first one in its sequence
    before: float | None  # time of the event before the first one, ``None`` at the start of a sequence
    last: bool  # whether the sequence ends here

    def rows(self) -> NDArray[np.float64]:
        """Return inter-event time (if temporal), NaN at the start of a sequence, and features."""
        rows = self.events.rows()
        if self.before is not None and self.events.time is not None:
            rows[0, 0] = self.events.time[0] - self.before
        return rows


@dataclass(frozen=True)
class EventBlock:
    """Rows of several pieces, shape (N, columns), and the first row of each."""

    pieces: list[Piece]
    rows: NDArray[np.float64]
    starts: NDArray[np.int64]

    @staticmethod
    def of(pieces: list[Piece]) -> EventBlock:
        """Concatenate pieces."""
        lengths = [len(piece.events) for piece in pieces]
        starts = np.cumsum([0, *lengths[:-1]], dtype=np.int64)
        return EventBlock(pieces, np.concatenate([piece.rows() for piece in pieces]), starts)

    def locate(self, row: int) -> str:
        """Return which event of which sequence a row is: ``event 1,234 of a.csv``, from 1."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        piece = self.pieces[number]
        event = f"event {piece.first + row - int(self.starts[number]) + 1:,}"
        return f"{event} of {piece.events.name}" if piece.events.name else event


def blocks_of(sequences: Iterable[EventSequence]) -> Iterator[EventBlock]:
    """Yield blocks of all sequences, which must be alike, in order, reading each event once."""
    waiting: list[Piece] = []
    cells, first = 0, None
    for piece in _pieces_of(sequences):
        first = piece.events[:0] if first is None else first
        check_alike([first, piece.events])
        waiting.append(piece)
        cells += piece.events.data.size
        if cells >= _CELLS:
            yield EventBlock.of(waiting)
            waiting, cells = [], 0
    if waiting:
        yield EventBlock.of(waiting)


def _pieces_of(sequences: Iterable[EventSequence]) -> Iterator[Piece]:
    if isinstance(sequences, Collection):
        width = len(sequences.features)
        for i, length in enumerate(sequences.lengths.tolist()):
            one = sequences.take([i])
            yield from _cut(length, width, lambda first, end, one=one: one.cut(first, end)[0])
    else:
        for one in sequences:
            yield from _cut(len(one), len(one.features), lambda first, end, one=one: one[first:end])


def _cut(length: int, width: int, events_of: Callable[[int, int], EventSequence]) -> Iterator[Piece]:
    most, before = max(_CELLS // width, 1), None
    for first in range(0, length, most):
        end = min(first + most, length)
        events = events_of(first, end)
        yield Piece(events, first, before, end == length)
        before = None if events.time is None else float(events.time[-1])


FAR = 20  # number of lowest and of highest values that are kept with their locations
_ROOM = 4_000_000  # numbers kept of all columns together

_Located = tuple[float, str]


class ColumnStatistics:
    """Streaming statistics of a column, by its index among ``columns``, which share the memory."""

    def __init__(self, column: int, columns: int) -> None:
        self.column = column
        self.events = 0
        self.low, self.high = np.inf, -np.inf
        self.fraction: float | None = None  # a value that is not whole, if there is any
        self.values: NDArray[np.float64] = np.empty(0)  # all distinct values, ascending, unless `many`
        self.counts: NDArray[np.int64] = np.empty(0, np.int64)  # count of each of them
        self.most = min(65_536, max(_ROOM // columns, 256))
        self.many = False  # whether there are more distinct values than that
        self.lowest: list[_Located] = []  # the `FAR` + 1 lowest values, ascending
        self.highest: list[_Located] = []  # the `FAR` + 1 highest values, descending

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return self.fraction is None

    def add(self, block: EventBlock) -> None:
        """Count a block's values, without NaN."""
        column = block.rows[:, self.column]
        rows = np.flatnonzero(~np.isnan(column))
        values = column[rows]
        if not values.size:
            return
        self.events += values.size
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if self.fraction is None and (uneven := values != np.round(values)).any():
            self.fraction = float(values[uneven][0])
        if not self.many:
            self._count(values)
        self.lowest = _further(self.lowest, values, rows, block, 1)
        self.highest = _further(self.highest, values, rows, block, -1)

    def _count(self, values: NDArray[np.float64]) -> None:
        found, counts = np.unique(values, return_counts=True)
        merged, where = np.unique(np.concatenate([self.values, found]), return_inverse=True)
        self.counts = np.bincount(where, np.concatenate([self.counts, counts])).astype(np.int64)
        self.values = merged
        if len(merged) > self.most:
            self.many = True
            self.values, self.counts = np.empty(0), np.empty(0, np.int64)


def _further(
    known: list[_Located], values: NDArray[np.float64], rows: NDArray[np.intp], block: EventBlock, sign: int
) -> list[_Located]:
    """Return the lowest (sign 1) or highest (−1) values with their locations; of equal ones the first."""
    if len(known) > FAR:
        better = sign * values < sign * known[-1][0]
        values, rows = values[better], rows[better]
    order = np.argsort(sign * values, kind="stable")[: FAR + 1]
    found = [(float(values[i]), block.locate(int(rows[i]))) for i in order]
    return sorted([*known, *found], key=lambda pair: sign * pair[0])[: FAR + 1]


class ReservoirSample:
    """A uniform random sample of rows: all of them, while there is room."""

    def __init__(self, columns: int) -> None:
        self.most = min(200_000, max(_ROOM // columns, 1000))
        self.seen = 0
        self.rows = np.empty((0, columns))  # the rows kept, in their order
        self._keys = np.empty(0)
        self._random = np.random.default_rng(0)

    def add(self, rows: NDArray[np.float64]) -> None:
        """Sample rows: those with the lowest random keys are kept."""
        self.seen += len(rows)
        keys = self._random.random(len(rows))
        full = len(self._keys) >= self.most
        chosen = keys < self._keys.max() if full else np.ones(len(rows), bool)
        self.rows, self._keys = np.concatenate([self.rows, rows[chosen]]), np.append(self._keys, keys[chosen])
        if len(self._keys) > self.most:
            kept = np.sort(np.argpartition(self._keys, self.most)[: self.most])
            self.rows, self._keys = self.rows[kept], self._keys[kept]


_COMPARED = 2000  # number of sequences, the first ones, whose means are compared
_TYPICAL = 100  # events of a sequence that is long enough as an example


class SequenceStatistics:
    """Streaming statistics of sequences."""

    def __init__(self) -> None:
        self.seconds, self.latest, self.whole = 0.0, 0.0, True
        self.shortest, self.longest = "", ""
        self.names: list[str] = []  # names of the compared sequences
        self.means: list[NDArray[np.float64]] = []
        """Mean absolute value of each of their columns, with inter-event time."""
        self._lengths, self._least, self._most = array("q"), 0, 0
        self.example: EventSequence | None = None  # the first sequence of `_TYPICAL` events, or else the longest
        self._sums: list[NDArray[np.float64]] = []  # of the pieces of a sequence that goes on in the next block
        self._start = 0.0

    @property
    def count(self) -> int:
        """Number of sequences with events."""
        return len(self._lengths)

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Events of the shortest, the median and the longest."""
        lengths = np.asarray(self._lengths)
        return int(lengths.min()), int(np.median(lengths)), int(lengths.max())

    def add(self, block: EventBlock) -> None:
        """Count the sequences of a block, of which the first and last may be partial."""
        with np.errstate(over="ignore"):  # what is not finite is not compared
            sums = np.add.reduceat(np.abs(np.nan_to_num(block.rows)), block.starts, axis=0)
        for piece, total in zip(block.pieces, sums, strict=True):
            time = piece.events.time
            if time is not None:
                self._start = float(time[0]) if piece.first == 0 else self._start
                self.latest = max(self.latest, float(time[-1]))
                self.whole = self.whole and bool(np.all(time == np.round(time)))
            self._sums.append(total)
            if self.example is None or len(self.example) < min(len(piece.events), _TYPICAL):
                self.example = piece.events
            if piece.last:
                self._end(piece)
                self._sums = []

    def _end(self, piece: Piece) -> None:
        name, length, time = piece.events.name, piece.first + len(piece.events), piece.events.time
        if not self._lengths or length < self._least:
            self._least, self.shortest = length, name
        if length > self._most:
            self._most, self.longest = length, name
        self._lengths.append(length)
        seconds = 0.0 if time is None else float(time[-1]) - self._start
        self.seconds += seconds
        if length > 1 and len(self.names) < _COMPARED:
            with np.errstate(over="ignore"):
                mean = np.sum(self._sums, axis=0) / length
            if time is not None:
                mean[0] = seconds / (length - 1)
            self.names.append(name)
            self.means.append(mean)
