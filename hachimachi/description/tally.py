"""Counts of one column that never grow with the data, and a sample of rows for what cannot be counted so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hachimachi.description.blocks import Block, Place

FAR = 20
"""How many of the lowest and of the highest values are kept with their places."""
_ROOM = 4_000_000
"""Numbers kept of all columns together."""


class Tally:
    """What is known of a column so far.

    Args:
        column: Its place among the columns.
        columns: How many there are: they share the room.
    """

    def __init__(self, column: int, columns: int) -> None:
        self.column = column
        self.events = 0
        self.low, self.high = np.inf, -np.inf
        self.fraction: float | None = None
        """One value that is no whole number, where there is any."""
        self.values: NDArray[np.float64] = np.empty(0)
        """All different values, ascending, until they were too many."""
        self.counts: NDArray[np.int64] = np.empty(0, np.int64)
        """How often each of them is there."""
        self.most = min(65_536, max(_ROOM // columns, 256))
        self.many = False
        """Whether there were more different values than that."""
        self.lowest: list[tuple[float, Place]] = []
        """The lowest values, one more than `FAR` where there are as many, ascending."""
        self.highest: list[tuple[float, Place]] = []
        """The highest values, descending."""

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return self.fraction is None

    def add(self, block: Block) -> None:
        """Count a block's values; NaN is none."""
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
    known: list[tuple[float, Place]], values: NDArray[np.float64], rows: NDArray[np.intp], block: Block, sign: int
) -> list[tuple[float, Place]]:
    """Return the lowest (sign 1) or highest (−1) of all, with their places; of equal ones the first."""
    if len(known) > FAR:
        better = sign * values < sign * known[-1][0]
        values, rows = values[better], rows[better]
    order = np.argsort(sign * values, kind="stable")[: FAR + 1]
    found = [(float(values[i]), block.place(int(rows[i]))) for i in order]
    return sorted([*known, *found], key=lambda pair: sign * pair[0])[: FAR + 1]


class Sample:
    """Rows of which each is as likely to be kept as any other: all of them, while there is room."""

    def __init__(self, columns: int) -> None:
        self.most = min(200_000, max(_ROOM // columns, 1000))
        self.seen = 0
        self._rows = np.empty((0, columns))
        self._keys = np.empty(0)
        self._chance = np.random.default_rng(0)

    def add(self, rows: NDArray[np.float64]) -> None:
        """Take some of the rows: those with the lowest of random keys stay."""
        self.seen += len(rows)
        keys = self._chance.random(len(rows))
        full = len(self._keys) >= self.most
        chosen = keys < self._keys.max() if full else np.ones(len(rows), bool)
        self._rows, self._keys = np.concatenate([self._rows, rows[chosen]]), np.append(self._keys, keys[chosen])
        if len(self._keys) > self.most:
            kept = np.sort(np.argpartition(self._keys, self.most)[: self.most])
            self._rows, self._keys = self._rows[kept], self._keys[kept]

    @property
    def rows(self) -> NDArray[np.float64]:
        """The rows kept, in their order."""
        return self._rows
