"""Drawing whole and continuous numbers, and times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np

from hachimachi.models.histogram import Histogram
from hachimachi.models.histogram_sampler import HistogramSampler
from hachimachi.models.logistic_sampler import LogisticSampler
from hachimachi.models.played_grid import PlayedGrid
from hachimachi.models.sampling import COLD, ColumnSampling, Numbers, draw_bin, draw_index
from hachimachi.models.scale import SPREAD, WIDTHS, Scale

NEGLIGIBLE = 1e-9
"""Mass, after tempering, that bins may hold altogether and be left out of a table."""
SMALL = 256
"""Tables of so few bins are not worth cutting."""


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
        self.grid = PlayedGrid(name, scale)
        self.histogram, self.logistic = HistogramSampler(histogram, self.grid), LogisticSampler(self.grid)

    def draw(self, blend: Blend, how: ColumnSampling, random: Random) -> float:
        """Draw a value."""
        start, table = self.shaped(blend, how)
        index = start + draw_bin(table, random)
        value = self._place(blend, index, random)
        return value if how.constraint is None else self.grid.confine(value, index, how.constraint, random)

    def shaped(self, blend: Blend, how: ColumnSampling) -> tuple[int, Numbers]:
        """Return the first bin of a table, and the probabilities of the bins from there on; the others have none."""
        bins = self.grid.allowed(how.constraint)
        start, stop = bins.start, bins.stop
        table = None
        if stop - start > SMALL:
            start, stop = self._reach(blend, how.temperature, start, stop)
            table = self._table(blend, start, stop) * bins.mask(start, stop)
            # the reach is that of the whole distribution: useless where a constraint leaves little of it
            table = table if table.sum() > 0.5 else None
        if table is None:
            start, stop = bins.start, bins.stop
            table = self._table(blend, start, stop) * bins.mask(start, stop)
        if not table.any():  # all underflow: what is asked is as good as impossible
            table = bins.mask(start, stop).astype(np.float64)
        return start, how.shape(table)

    def same(self, index: int, last: float) -> float:
        """Return the former value where it is known and can be played, else the middle of its bin."""
        low, high = self.grid.ends
        known = low <= last <= high and self.grid.index(last) == index
        return last if known and not self.grid.is_fixed(index) else self.grid.centre(index)

    def _table(self, blend: Blend, start: int, stop: int) -> Numbers:
        smooth = blend.smooth @ self.logistic.masses(blend.locations, blend.log_scales, start, stop)
        table = blend.histogram * self.histogram.table(start, stop, blend.tilt) + smooth
        if start <= blend.former < stop:
            table[blend.former - start] += blend.same
        return table

    def _place(self, blend: Blend, index: int, random: Random) -> float:
        counted = blend.histogram * float(self.histogram.table(index, index + 1, blend.tilt)[0])
        smooth = blend.smooth * self.logistic.masses(blend.locations, blend.log_scales, index, index + 1)[:, 0]
        weights = [counted, blend.same * (index == blend.former), *smooth.tolist()]
        way = draw_index(weights, random) if any(weights) else 0
        if way == 0:
            return self.grid.spread(index, random)
        if way == 1:
            return self.same(blend.former, blend.last)
        return self.logistic.place(float(blend.locations[way - 2]), float(blend.log_scales[way - 2]), index, random)

    def _reach(self, blend: Blend, temperature: float, start: int, stop: int) -> tuple[int, int]:
        """Return the bins between two positions beyond which, tempered, only negligible mass lies.

        A logistic of weight w gives at most w e^−z to what lies beyond z widths. Tempering n bins of mass ε to 1 / T
        makes at most n^(1 − 1/T) ε^(1/T) of them, T > 1 (Jensen).
        """
        heat = max(temperature, COLD, 1.0)
        share = heat * math.log(NEGLIGIBLE) - (heat - 1) * math.log(self.grid.grid.bins)
        share -= math.log(len(blend.smooth) + 2)
        with np.errstate(divide="ignore"):
            widths = np.exp(blend.log_scales.clip(*WIDTHS)) * (np.log(blend.smooth) - share)
        lows, highs = (blend.locations - widths)[widths > 0], (blend.locations + widths)[widths > 0]
        width = SPREAD * (math.log(max(blend.histogram * self.histogram.novel / 2, 1e-300)) - share)
        ends = np.searchsorted(self.grid.edges, [min([-width, *lows]), max([width, *highs])])
        low, high = int(ends[0]) - 1, int(ends[1])
        if blend.histogram > 0:
            low, high = min(low, self.histogram.occupied[0]), max(high, self.histogram.occupied[-1] + 1)
        if blend.same > 0:
            low, high = min(low, blend.former), max(high, blend.former + 1)
        low, high = max(low, start), min(high, stop)
        return (low, high) if low < high else (start, stop)
