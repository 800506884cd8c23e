"""Drawing from the training histogram of a column of numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property
from itertools import accumulate
from random import Random

import numpy as np
from numpy.typing import NDArray

from hachimachi.models.histogram import Histogram
from hachimachi.models.played_grid import PlayedGrid
from hachimachi.models.sampling import Numbers, logit
from hachimachi.models.scale import SPREAD
from hachimachi.models.stepping import Vector


class HistogramSampler:
    """Draws bins from a :class:`~hachimachi.models.histogram.Histogram`."""

    def __init__(self, histogram: Histogram, grid: PlayedGrid) -> None:
        self.histogram, self.grid, self.novel = histogram, grid, histogram.novel
        self.occupied = histogram.occupied.tolist()
        self.rising = list(accumulate(histogram.log_share.exp().tolist()))

    def draw(self, random: Random, tilt: Numbers | Vector | None = None) -> int:
        """Draw a bin, with logits (distinct,) added to those of the occupied bins."""
        new = random.random()
        if new < self.novel / 2:
            low, high = self.occupied[0], self.occupied[-1]
            return low + int(random.random() * (high - low + 1))
        if new < self.novel:
            return self.grid.index(self.grid.raw(SPREAD * logit(random)))
        if tilt is None:
            place = bisect_right(self.rising, random.random() * self.rising[-1])
        else:
            rising = self._powers(tilt).cumsum()
            place = int(rising.searchsorted(random.random() * rising[-1], "right"))
        return self.occupied[min(place, len(self.occupied) - 1)]

    def table(self, start: int, stop: int, tilt: NDArray[np.floating] | None = None) -> Numbers:
        """Return the probabilities of the bins between two positions, shape (stop − start,)."""
        if tilt is None:
            return self._plain[start:stop]
        table, powers = self._new[start:stop].copy(), self._powers(tilt)
        inside = slice(bisect_left(self.occupied, start), bisect_left(self.occupied, stop))
        table[self._occupied[inside] - start] += powers[inside] * ((1 - self.novel) / float(powers.sum()))
        return table

    def _shares(self, tilt: Numbers | Vector | None) -> Numbers:
        powers = self._powers(tilt)
        return powers / powers.sum()

    def _powers(self, tilt: Numbers | Vector | None) -> Numbers:
        """Return the shares of the occupied bins times a number."""
        logits = self._log_share + (0.0 if tilt is None else tilt)
        logits -= np.maximum.reduce(logits)
        return np.exp(logits, out=logits)

    @cached_property
    def _log_share(self) -> Numbers:
        return self.histogram.log_share.numpy()

    @cached_property
    def _occupied(self) -> NDArray[np.int64]:
        return self.histogram.occupied.numpy()

    @cached_property
    def _new(self) -> Numbers:
        """What is left of the plain table without the occupied bins' shares."""
        table = self._plain.copy()
        table[self._occupied] -= (1 - self.novel) * self._shares(None)
        return np.maximum(table, 0.0, out=table)

    @cached_property
    def _plain(self) -> Numbers:
        index = self.grid.scale.all_bins(self.grid.name)
        return self.histogram.log_prob(index, *self.grid.scale.edges(index)).exp().numpy()
