"""Drawing the value of one column, a number or a category, from what a head predicts."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import FAR, NUDGE, ROUNDING, SPREAD, WIDTHS, Categories, Column, UniformGrid, check_bins
from hachimachi.constraints import Bins, Constraint, category_bins, number_bins
from hachimachi.sampling import ColumnSampling, Numbers, clip, draw_bin, draw_index, logit, sigmoid

STEEPEST = 300.0
"""Distances from a location beyond this many widths count as this many: e^300 squared is still a number."""
WARM = 1.5  # up to this temperature no more comes of what :meth:`NumberSampler.quick_masses` misses than is negligible
ENOUGH = 1e-4  # mass beside which it is so
TRIES = 4  # draws from the model that are made in a fraction of the time of a table, before there is one


class PlayedGrid:
    """What a column's values are when played: whole numbers as such, the zero bin of a time as exactly 0. In plain
    numbers, it does what :class:`~hachimachi.models.encoder.Scale` does."""

    def __init__(
        self,
        name: str,
        grid: UniformGrid,
        moments: tuple[float, float],  # of its scale; see :attr:`~hachimachi.columns.Column.moments`
        whole: bool = False,  # whether only the middles of bins are played
        played: tuple[int, int] | None = None,  # first and last bin without a constraint; all by default
    ) -> None:
        self.name, self.grid, self.whole = name, grid, whole
        self.mean, self.std = moments
        # at hand, since every draw needs them
        self.resolution, self.low, self.log, self.highest = grid.resolution, grid.low, grid.log, grid.bins - 1
        self.ends = grid.low * grid.resolution, grid.high * grid.resolution
        first, last = played or (0, self.highest)
        self.every = Bins(first, last + 1)
        self._latest: tuple[Constraint | None, Bins] = (None, self.every)

    @staticmethod
    def of(column: Column) -> PlayedGrid:
        """Return that of a column of numbers."""
        assert isinstance(column.grid, UniformGrid)
        return PlayedGrid(column.name, column.grid, column.moments, column.whole, column.played)

    def raw(self, scaled: float) -> float:
        """Return the raw value of a number on the scale, kept within the grid."""
        value = scaled * self.std + self.mean
        if self.log:
            value = math.exp(min(value, 700.0))
            value = 0.0 if value < self.resolution / 2 * (1 + ROUNDING) else value
        low, high = self.ends
        return low if value < low else high if value > high else value

    def index(self, value: float) -> int:
        """Return the index of the bin of a raw value; what lies beyond the grid falls into its first or last."""
        index = math.floor(value / self.resolution + 0.5) - self.low
        return 0 if index < 0 else self.highest if index > self.highest else index

    def index_of_scaled(self, scaled: float) -> int:
        """Return the index of the bin of a number on the scale, which may have been rounded to float32."""
        return self.index(self.raw(scaled) + NUDGE * self.resolution)

    def centre(self, index: int) -> float:
        """Return the middle of a bin."""
        return (index + self.low) * self.resolution

    def snap(self, value: float) -> float:
        """Return the middle of the bin of a raw value: all that other columns may know of it."""
        return self.centre(self.index(value))

    def is_fixed(self, index: int) -> bool:
        """Return whether a bin plays its middle only."""
        return self.whole or (self.log and index == 0)

    def keep(self, scaled: float) -> float:
        """Return the value that is played for a number on the scale."""
        value = self.raw(scaled)
        index = self.index(value)
        return self.centre(index) if self.is_fixed(index) else value

    def spread(self, index: int, random: Random) -> float:
        """Draw a value evenly from a bin."""
        if self.is_fixed(index):
            return self.centre(index)
        return clip(self.centre(index) + (random.random() - 0.5) * self.resolution, *self.ends)

    def confine(self, value: float, index: int, constraint: Constraint, random: Random) -> float:
        """Return a value of a bin if it is allowed, else another of this bin that is: evenly drawn."""
        if constraint.allows(value):
            return value
        middle, half = self.centre(index), self.resolution / 2
        low, high = max(middle - half, self.ends[0]), min(middle + half, self.ends[1])
        if self.is_fixed(index) or not (constraint & Constraint.between(low, high)).intervals:
            return constraint.nearest(value)  # by a rounding error away
        return constraint.draw(low, high, random)

    def plays(self, value: float) -> bool:
        """Return whether a value is one that is played without a constraint."""
        return self.every.start <= self.index(value) < self.every.stop

    def allowed(self, constraint: Constraint | None) -> Bins:
        """Return the bins that a constraint leaves."""
        if constraint is not self._latest[0]:
            bins = number_bins(self.grid, self.whole, constraint) if constraint else self.every
            self._latest = constraint, bins
        return self._latest[1]

    @cached_property
    def edges(self) -> Numbers:
        """Where each bin begins on the scale and the last one ends, shape (bins + 1,); the outermost are far out."""
        check_bins(self.name, self.grid.bins)
        middles = np.arange(self.low, self.grid.high + 2, dtype=np.float64) * self.resolution
        edges = (self.grid.warp(middles - self.resolution / 2) - self.mean) / self.std
        edges[0] -= FAR
        edges[-1] += FAR
        return edges


class HistogramSampler:
    """Draws bins from the smoothed training histogram; see
    :class:`~hachimachi.models.heads.column_distribution.SmoothedHistogram`."""

    def __init__(self, column: Column, grid: PlayedGrid) -> None:
        column = column.histogram
        self.grid, self.even, distinct = grid, column.even, len(column.occupied)
        self.novel = distinct / (column.events + distinct)
        self.occupied, self.occupied_array = list(column.occupied), np.array(column.occupied)
        self.shares = np.array(column.counts) / column.events
        self.log_shares, self.rising = np.log(self.shares), list(accumulate(self.shares.tolist()))

    def draw(self, random: Random, tilt: NDArray[np.floating] | None = None) -> int:
        """Draw a bin, with logits (distinct,) added to those of the occupied bins."""
        new = random.random()
        if new < self.novel / 4 and self.even is not None:
            first, last = self.even
            return self.grid.index(self.grid.raw(first + random.random() * (last - first)))
        if new < self.novel / 2:
            low, high = self.occupied[0], self.occupied[-1]
            return low + int(random.random() * (high - low + 1))
        if new < self.novel:
            return self.grid.index(self.grid.raw(SPREAD * logit(random)))
        if tilt is None:
            drawn = bisect_right(self.rising, random.random() * self.rising[-1])
        else:
            rising = self._powers(tilt).cumsum()
            drawn = int(rising.searchsorted(random.random() * rising[-1], "right"))
        return self.occupied[min(drawn, len(self.occupied) - 1)]

    def table(self, start: int, stop: int, tilt: NDArray[np.floating] | None = None) -> Numbers:
        """Return the probabilities of the bins from one to another, shape (stop − start,)."""
        table = self._unseen[start:stop].copy()
        powers = self.shares if tilt is None else self._powers(tilt)
        shares = powers * ((1 - self.novel) / float(powers.sum()))
        inside = slice(bisect_left(self.occupied, start), bisect_left(self.occupied, stop))
        table[self.occupied_array[inside] - start] += shares[inside]
        return table

    def _powers(self, tilt: NDArray[np.floating]) -> Numbers:
        """Return the tilted shares of the occupied bins, but for a factor."""
        logits = self.log_shares + tilt
        logits -= np.maximum.reduce(logits)
        return np.exp(logits, out=logits)

    @cached_property
    def _unseen(self) -> Numbers:
        """Probabilities of all bins as those of values never seen: half even, half as one logistic."""
        unseen = _between(-self.grid.edges / SPREAD) * (self.novel / 2)
        low, high = self.occupied[0], self.occupied[-1]
        linear = self.novel / 2 if self.even is None else self.novel / 4
        unseen[low : high + 1] += linear / (high - low + 1)
        if self.even is not None:
            first, last = self.even
            unseen += np.diff(np.clip(self.grid.edges, first, last)) * (linear / (last - first))
        return unseen


class MixtureParams(NamedTuple):
    """What a column of numbers may follow, each with a weight; the weights sum to 1."""

    histogram: float  # weight of the training histogram
    same: float  # weight of the previous value
    smooth: Numbers  # weights of the logistics, shape (K,)
    locations: Numbers  # where they stand on the scale, shape (K,)
    log_scales: Numbers  # ln of their widths, shape (K,)
    tilt: Numbers | None = None  # logits added to those of the histogram's occupied bins, shape (distinct,)
    previous: int = -1  # index of the previous value's bin
    last: float = math.nan  # the previous value, NaN where only its bin is known


class NumberSampler:
    """Draws numbers from the model, or from the table of :class:`MixtureParams` as a sampling shapes it: a bin by the
    table, and in it a value by what gave the bin its mass, a logistic's density, evenly for the histogram, the very
    value that was observed for the previous one. So time is not quantised."""

    def __init__(self, column: Column) -> None:
        self.grid = PlayedGrid.of(column)
        self.histogram = HistogramSampler(column, self.grid)

    def sample(
        self,
        options: ColumnSampling,
        ancestral: Callable[[], float],
        params: Callable[[], MixtureParams],
        random: Random,
    ) -> float:
        """Draw a value: ``ancestral`` draws from the model as it is, ``params`` returns what a table is made of."""
        if options.plain:
            value = ancestral()
            if self.grid.plays(value):
                return value
        elif options.only_constrained and options.constraint:
            # drawn until it is allowed, it is the same as drawn among what is allowed
            bins = self.grid.allowed(options.constraint)
            for _ in range(TRIES):
                value = ancestral()
                index = self.grid.index(value)
                if index in bins:
                    return self.grid.confine(value, index, options.constraint, random)
        return self.draw(params(), options, random)

    def draw(self, params: MixtureParams, options: ColumnSampling, random: Random) -> float:
        """Draw a value from the table."""
        bins, constraint = self.grid.allowed(options.constraint), options.constraint
        table = self.table(params, bins, options.temperature)
        offset = draw_bin(options.weigh(table), random)
        index = bins.start + offset
        value = self._within(params, index, float(table[offset]), random)
        return value if constraint is None else self.grid.confine(value, index, constraint, random)

    def table(self, params: MixtureParams, bins: Bins, temperature: float = math.inf) -> Numbers:
        """Return the masses of bins, shape (stop − start,), as exactly as a temperature needs them."""
        widths = np.exp(np.minimum(np.maximum(params.log_scales, WIDTHS[0]), WIDTHS[1]))
        logistics = params.smooth, params.locations, widths, bins.start, bins.stop
        counted = params.histogram * self.histogram.table(bins.start, bins.stop, params.tilt)
        if bins.start <= params.previous < bins.stop:
            counted[params.previous - bins.start] += params.same
        if temperature <= WARM:
            table = (self.quick_masses(*logistics) + counted) * bins.mask
            if table.sum() >= ENOUGH:
                return table
        table = (self.exact_masses(*logistics) + counted) * bins.mask
        # where all underflows, what is allowed is as good as impossible, and all of it alike
        return table if table.any() else bins.mask.astype(np.float64)

    def quick_masses(self, weights: Numbers, locations: Numbers, widths: Numbers, start: int, stop: int) -> Numbers:
        """Return the mass of bins under K weighted logistics, right to within about 10⁻¹⁵ of all mass: as differences
        of the distribution function, (1 + tanh(x / 2)) / 2, in a third of the time, but far out nothing is left."""
        x = self.grid.edges[start : stop + 1] - locations[:, None]
        x *= (0.5 / widths)[:, None]
        rising = (0.5 * weights).dot(np.tanh(x, out=x))
        return np.maximum(rising[1:] - rising[:-1], 0.0)

    def exact_masses(self, weights: Numbers, locations: Numbers, widths: Numbers, start: int, stop: int) -> Numbers:
        """Return the mass of bins under K weighted logistics, exact far out too: high temperatures look there."""
        slopes = (1 / widths)[:, None]
        return weights @ _between(locations[:, None] * slopes - self.grid.edges[start : stop + 1] * slopes)

    def bin_masses(self, locations: Numbers, log_scales: Numbers, index: int) -> Numbers:
        """Return the mass of one bin under each logistic, shape (K,), exactly."""
        widths = np.exp(np.minimum(np.maximum(log_scales, WIDTHS[0]), WIDTHS[1]))
        return _between((locations[:, None] - self.grid.edges[index : index + 2]) / widths[:, None])[:, 0]

    def logistic(self, location: float, log_scale: float, random: Random) -> float:
        """Draw a value from a logistic."""
        return self.grid.keep(location + math.exp(clip(log_scale, *WIDTHS)) * logit(random))

    def same(self, index: int, last: float) -> float:
        """Return the previous value where it is known and can be played, else the middle of its bin."""
        low, high = self.grid.ends
        known = low <= last <= high and self.grid.index(last) == index
        return last if known and not self.grid.is_fixed(index) else self.grid.centre(index)

    def _within(self, params: MixtureParams, index: int, mass: float, random: Random) -> float:
        """Draw a value from a bin of the table, by what gave it its mass."""
        if self.grid.is_fixed(index):
            return self.grid.centre(index)
        smooth = params.smooth * self.bin_masses(params.locations, params.log_scales, index)
        same = params.same * (index == params.previous)
        way = draw_index([max(mass - same - float(smooth.sum()), 1e-300), same, *smooth.tolist()], random)
        if way == 0:
            return self.grid.spread(index, random)
        if way == 1:
            return self.same(params.previous, params.last)
        location, width = float(params.locations[way - 2]), math.exp(clip(float(params.log_scales[way - 2]), *WIDTHS))
        low, high = (sigmoid((edge - location) / width) for edge in self.grid.edges[index : index + 2].tolist())
        u = low + (high - low) * random.random()
        value = self.grid.keep(location + width * math.log(u / (1 - u))) if 0 < u < 1 else math.inf
        # far out in a tail u tells bins apart no more
        return value if value < math.inf and self.grid.index(value) == index else self.grid.spread(index, random)


def _between(above: Numbers) -> Numbers:
    """Return σ(b) − σ(a) between neighbours, given how far a location lies above each edge, shape (..., N), as
    (e^−a − e^−b) σ(a) σ(b), which is exact far out too."""
    powers = np.minimum(np.maximum(above, -STEEPEST), STEEPEST)
    np.exp(powers, out=powers)
    sigmoids = powers + 1
    np.reciprocal(sigmoids, out=sigmoids)
    mass = powers[..., :-1] - powers[..., 1:]
    mass *= sigmoids[..., :-1]
    mass *= sigmoids[..., 1:]
    return mass


class CategorySampler:
    """Draws categories; an unknown one cannot be played and is left out."""

    def __init__(self, grid: Categories) -> None:
        self.grid, self.known = grid, list(grid.values)
        self._latest: tuple[Constraint | None, Bins] = (None, Bins(0, len(self.known)))

    def draw(self, table: Numbers, options: ColumnSampling, random: Random) -> float:
        """Draw a category by the probabilities of the known ones, shape (categories,)."""
        if options.plain:
            return self.known[draw_bin(table, random)]
        if options.constraint is not self._latest[0]:
            constraint = options.constraint
            bins = category_bins(self.grid, constraint) if constraint else Bins(0, len(self.known))
            self._latest = constraint, bins
        bins = self._latest[1]
        table = table[bins.start : bins.stop] * bins.mask
        if not table.any():  # all underflow: what is allowed is as good as impossible
            table = bins.mask.astype(np.float64)
        return self.known[bins.start + draw_bin(options.weigh(table), random)]


def softmax(logits: NDArray[np.floating]) -> Numbers:
    """Return e^logits over their sum, shape (..., N)."""
    powers = np.exp((logits - logits.max(-1, keepdims=True)).astype(np.float64))
    return powers / powers.sum(-1, keepdims=True)
