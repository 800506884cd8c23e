"""Streaming statistics of columns, in bounded memory, and a sample of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.collection import Collection

_CELLS = 1_000_000  # approximate numbers in a block


@dataclass(frozen=True)
class EventBlock:
    """Consecutive rows of a collection, shape (N, columns), as of one or several sequences or a part of one."""

    rows: NDArray[np.float64]
    sequences: NDArray[np.int64]  # index of each sequence, shape (P,)
    starts: NDArray[np.int64]  # row in which each begins, shape (P,)
    first: int  # index of the first row in its sequence
    names: list[str]

    def locate(self, row: int) -> str:
        """Return which event of which sequence a row is: ``event 1,234 of a.csv``, from 1."""
        piece = int(np.searchsorted(self.starts, row, side="right")) - 1
        event = f"event {(0 if piece else self.first) + row - int(self.starts[piece]) + 1:,}"
        return f"{event} of {self.names[piece]}" if self.names[piece] else event


def read_blocks(collection: Collection) -> Iterator[EventBlock]:
    """Yield blocks of all sequences with events, in order, reading each event once."""
    most = max(_CELLS // len(collection.features), 1)
    pieces: list[tuple[int, int, NDArray[np.float64]]] = []  # sequence, first event, rows
    size = 0
    for i, length in enumerate(collection.lengths.tolist()):
        for first in range(0, length, most):
            pieces.append((i, first, collection.rows(i, first, min(first + most, length))))
            size += len(pieces[-1][2])
            if size >= most:
                yield _join(collection, pieces)
                pieces, size = [], 0
    if pieces:
        yield _join(collection, pieces)


def _join(collection: Collection, pieces: list[tuple[int, int, NDArray[np.float64]]]) -> EventBlock:
    indices, firsts, parts = zip(*pieces, strict=True)
    starts = np.cumsum([0, *map(len, parts[:-1])], dtype=np.int64)
    names = [collection.source.names[int(collection.which[i])] for i in indices]
    return EventBlock(np.concatenate(parts), np.array(indices), starts, firsts[0], names)


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
