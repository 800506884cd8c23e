"""The grids on which likelihood is stated: bins of equal width, and categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_BINS = 2**20
"""A table of more bins than this would not fit. No resolution of a continuous feature that needs more is derived."""


@dataclass(frozen=True)
class Lattice:
    """Bins of equal width; value v falls in bin ``floor(v / resolution + 1/2)``.

    Args:
        resolution: Width of a bin.
        low: Number of the first bin.
        high: Number of the last bin.
        open_low: Whether the first bin holds everything below it too.
        open_high: Whether the last bin holds everything above it too.
        log: Whether models look at the values on a log scale.
    """

    resolution: float
    low: int
    high: int
    open_low: bool = True
    open_high: bool = True
    log: bool = False

    @property
    def bins(self) -> int:
        """Number of bins."""
        return self.high - self.low + 1

    def index(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the position of each value's bin, from 0; what lies outside takes the end bin."""
        number = np.floor(values / self.resolution + 0.5)
        return (np.clip(number, self.low, self.high) - self.low).astype(np.int64)

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which values lie beyond a closed end."""
        number = np.floor(values / self.resolution + 0.5)
        return ((number < self.low) & (not self.open_low)) | ((number > self.high) & (not self.open_high))

    def value(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the middle of each bin."""
        return np.asarray(index + self.low, dtype=np.float64) * self.resolution

    def edges(self) -> NDArray[np.float64]:
        """Return where the bins begin and the last one ends, shape (bins + 1,); seconds begin at 0.

        An open end bin reaches on from there.
        """
        edges = (np.arange(self.low, self.high + 2, dtype=np.float64) - 0.5) * self.resolution
        return np.maximum(edges, 0.0) if self.log and self.low == 0 else edges

    def warp(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values as models look at them: as they are, or on a log scale with a foot at half a bin."""
        return np.log(np.maximum(values, self.resolution / 2)) if self.log else values


@dataclass(frozen=True)
class Categories:
    """One bin for each category of the training data, and a last one for a category never seen."""

    values: tuple[float, ...]

    @property
    def bins(self) -> int:
        """Number of bins, the one for unknown categories among them."""
        return len(self.values) + 1

    def index(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the position of each category, the last for unknown ones."""
        known = np.asarray(self.values)
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[place] == values, place, len(known)).astype(np.int64)

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which categories are unknown."""
        return self.index(values) == len(self.values)
