"""Drawing whole and continuous numbers, and times."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from hachimachi.models.constraint import Bins, Constraint
from hachimachi.models.histogram import Histogram
from hachimachi.models.histogram_sampler import HistogramSampler
from hachimachi.models.logistic_sampler import LogisticSampler
from hachimachi.models.played_grid import PlayedGrid
from hachimachi.models.sampling import COLD, ColumnSampling, Numbers, draw_bin, draw_index
from hachimachi.models.scale import SPREAD, WIDTHS, Scale

Indices = NDArray[np.int64]

NEGLIGIBLE = 1e-9
"""Mass, after tempering, that bins may hold altogether and be left out of a table."""
LITTLE = 1e-4
"""Mass, after tempering, that bins may hold altogether and be looked at only when it is drawn. A logistic may lack as
much of its own where the table goes on beyond it."""
MOST = 0.5
"""Mass beside which what is negligible, or little, is so."""
SMALL = 256
"""Tables of so few bins are not worth cutting."""
WIDE = 1024
"""Nor are quick ones of so few."""
WARM = 1.5
"""Up to this temperature no more comes of what :meth:`LogisticSampler.quick_table` misses than is negligible."""
ENOUGH = 1e-4
"""Mass beside which it is so."""
TRIES = 4
"""Draws that may be made again, in a fraction of the time of a table, before there is one."""


@dataclass
class Blend:
    """What a column of numbers may follow, each with a weight; the weights sum to 1.

    Args:
        histogram: Weight of the training histogram.
        same: Weight of the former value.
        smooth: Weights of the logistics, shape (K,).
        locations: Where they stand on the scale, shape (K,).
        log_scales: ln of their widths, shape (K,).
        tilt: Logits added to those of the histogram's occupied bins, shape (distinct,).
        former: Position of the former value's bin.
        last: The former value, NaN where only its bin is known.
    """

    histogram: float
    same: float
    smooth: Numbers
    locations: Numbers
    log_scales: Numbers
    tilt: Numbers | None = None
    former: int = -1
    last: float = math.nan


class NumberSampler:
    """Draws from the table of a :class:`Blend`, as a :class:`~hachimachi.models.sampling.ColumnSampling` shapes it.

    A draw picks its bin by the table and its place inside the bin by what gave the bin its mass: a logistic's density,
    evenly for the histogram, the very value that was heard for the former one. So time is not quantised.

    Args:
        name: The column's name.
        scale: Its scale.
        histogram: Its training histogram.
    """

    def __init__(self, name: str, scale: Scale, histogram: Histogram) -> None:
        self.grid = PlayedGrid(name, scale, histogram.played)
        self.histogram, self.logistic = HistogramSampler(histogram, self.grid), LogisticSampler(self.grid)

    def draw(self, blend: Blend, how: ColumnSampling, random: Random) -> float:
        """Draw a value."""
        tempered = how.temperature >= COLD and (how.top_p, how.min_p, how.constraint) == (1, 0, None)
        if tempered and self.grid.every.size > (WIDE if how.temperature <= WARM else SMALL):
            drawn = self._draw_lazily(blend, how, random)
            if drawn is not None:
                return self._place(blend, *drawn, random)
        start, table = self._allowed_table(blend, how)
        index = start + draw_bin(how.weigh(table), random)
        value = self._place(blend, index, float(table[index - start]), random)
        return value if how.constraint is None else self.grid.confine(value, index, how.constraint, random)

    def draw_allowed(self, draw: Callable[[], float], constraint: Constraint, random: Random) -> float | None:
        """Draw as the model foretells until it is allowed: the same as a draw among what is allowed.

        Nothing is returned where that takes too long.
        """
        bins = self.grid.allowed(constraint)
        for _ in range(TRIES):
            value = draw()
            index = self.grid.index(value)
            if index in bins:
                return self.grid.confine(value, index, constraint, random)
        return None

    def same(self, index: int, last: float) -> float:
        """Return the former value where it is known and can be played, else the middle of its bin."""
        low, high = self.grid.ends
        known = low <= last <= high and self.grid.index(last) == index
        return last if known and not self.grid.is_fixed(index) else self.grid.centre(index)

    def _draw_lazily(self, blend: Blend, how: ColumnSampling, random: Random) -> tuple[int, float] | None:
        """Draw a bin, and return its mass too; bins that hold little are looked at only when the draw falls there.

        Nothing is returned where most of the mass lies out of what is played: little is no more little then.

        They first count for as much as they can weigh at most. When they are drawn, they are drawn by what they do
        weigh, or else, for the rest of that, the draw is made again from the whole table.
        """
        little = self._negligible(LITTLE, how.temperature)
        start, table = self._table(blend, self.grid.allowed(None), little, how.temperature <= WARM)
        if table.sum() < MOST:
            return None
        weights = how.weigh(table)
        inside = float(weights.sum())
        hot = max(1 - 1 / how.temperature, 0) * math.log(self.grid.grid.bins)
        beyond = math.exp(min((little + math.log(2 / table.max())) / how.temperature + hot, 700.0))  # 2: on both sides
        if random.random() * (inside + beyond) < inside:
            index = draw_bin(weights, random)
            return start + index, float(table[index])
        first, whole = self._table(blend, self.grid.allowed(None), -math.inf)
        weights = how.weigh(whole)
        outside = weights.copy()
        outside[start - first : start - first + len(table)] = 0
        scale = inside / float((weights - outside).sum())
        index = draw_bin(outside if random.random() * beyond < outside.sum() * scale else weights, random)
        return first + index, float(whole[index])

    def _allowed_table(self, blend: Blend, how: ColumnSampling) -> tuple[int, Numbers]:
        """Return the first bin of a table and the masses of the bins from there on; others have none."""
        bins, quick = self.grid.allowed(how.constraint), how.temperature <= WARM
        if bins.size > (WIDE if quick else SMALL):
            start, table = self._table(blend, bins, self._negligible(NEGLIGIBLE, how.temperature), quick)
            # what is negligible is so beside the whole: not where little of it is left
            if table.sum() >= MOST:
                return start, table
        elif quick:
            start, table = self._table(blend, bins, -math.inf, quick)
            if table.sum() >= ENOUGH:
                return start, table
        start, table = self._table(blend, bins, -math.inf)
        # where all underflows, what is asked is as good as impossible, and all of it alike
        return start, table if table.any() else bins.mask(bins.start, bins.stop).astype(np.float64)

    def _negligible(self, tempered: float, temperature: float) -> float:
        """Return ln of the mass that bins may hold altogether for no more than another mass to be left when tempered.

        Tempering n bins of mass ε to 1 / T makes at most n^(1 − 1/T) ε^(1/T) of them, T > 1 (Jensen).
        """
        heat = max(temperature, 1.0)
        return heat * math.log(tempered) - (heat - 1) * math.log(self.grid.grid.bins)

    def _add_counted(self, table: Numbers, blend: Blend, bins: Bins, start: int) -> Numbers:
        """Add the histogram and the former value to a table, and leave out the bins that do not count."""
        table += blend.histogram * self.histogram.table(start, start + len(table), blend.tilt)
        if start <= blend.former < start + len(table):
            table[blend.former - start] += blend.same
        return table if bins.allowed is None else table * bins.mask(start, start + len(table))

    def _table(self, blend: Blend, bins: Bins, negligible: float, quick: bool = False) -> tuple[int, Numbers]:
        """Return the first bin of a table and its masses; quick, if asked, where that is worth it."""
        widths = np.exp(np.minimum(np.maximum(blend.log_scales, WIDTHS[0]), WIDTHS[1]))
        blended = blend.smooth, blend.locations, widths
        start, stop, reached = bins.start, bins.stop, None
        if negligible > -math.inf:
            reached = self.logistic.reach(*blended, negligible - math.log(len(widths) + 2))
            start, stop = self._reach(blend, *reached, negligible)
            start, stop = max(start, bins.start), min(stop, bins.stop)
            if start >= stop:
                return bins.start, np.zeros(1)
        if quick and stop - start <= WIDE:
            table = self.logistic.quick_table(*blended, start, stop)
        else:
            lows, highs = reached or np.full((2, len(widths)), [[start], [stop]])
            table = self.logistic.table(*blended, np.maximum(lows, start), np.minimum(highs, stop), start, stop)
        return start, self._add_counted(table, blend, bins, start)

    def _place(self, blend: Blend, index: int, mass: float, random: Random) -> float:
        if self.grid.is_fixed(index):
            return self.grid.centre(index)
        smooth = blend.smooth * self.logistic.masses(blend.locations, blend.log_scales, index)
        same = blend.same * (index == blend.former)
        way = draw_index([max(mass - same - float(smooth.sum()), 1e-300), same, *smooth.tolist()], random)
        if way == 0:
            return self.grid.spread(index, random)
        if way == 1:
            return self.same(blend.former, blend.last)
        return self.logistic.place(float(blend.locations[way - 2]), float(blend.log_scales[way - 2]), index, random)

    def _reach(self, blend: Blend, lows: Indices, highs: Indices, negligible: float) -> tuple[int, int]:
        """Return the bins beyond which only negligible mass lies, given those of the logistics."""
        low, high = int((lows + self.grid.grid.bins * (highs == 0)).min()), int(highs.max())
        if blend.histogram > 0:
            low, high = min(low, self.histogram.occupied[0]), max(high, self.histogram.occupied[-1] + 1)
        share = math.log(max(blend.histogram * self.histogram.novel / 2, 1e-300)) - negligible
        if share > 0:  # the smooth part of the histogram is a logistic too
            ends = np.searchsorted(self.grid.edges, (-SPREAD * share, SPREAD * share)).tolist()
            low, high = min(low, ends[0] - 1), max(high, ends[1])
        if blend.same > 0:
            low, high = min(low, blend.former), max(high, blend.former + 1)
        return max(low, 0), min(high, self.grid.grid.bins)
