"""Drawing whole and continuous numbers, and times."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from hachimachi.constraints import Bins, Constraint, number_bins
from hachimachi.models.heads.categorical import CategorySampler
from hachimachi.models.heads.head import FLOOR, Sampler
from hachimachi.models.scale import NUDGE, SPREAD, WIDTHS, Histogram, Scale
from hachimachi.player.numpy_backbones import Vector
from hachimachi.sampling import COLD, ColumnSampling, Numbers, Sampling, clip, draw_bin, draw_index, logit, sigmoid

CACHED_CONSTRAINTS = 64
"""Constraints whose bins are kept."""


class PlayedGrid:
    """What a column's values are when played: whole numbers as such, the zero bin of a time as exactly 0.

    Args:
        name: The column's name.
        scale: Its scale.
        played: Positions of the first and the last bin that are played where nothing else is asked; all by default.
    """

    def __init__(self, name: str, scale: Scale, played: tuple[int, int] | None = None) -> None:
        self.name, self.scale, self.grid = name, scale, scale.grid
        self.mean, self.std, self.whole = scale.mean, scale.std, scale.whole
        # at hand, since they are asked for at every draw
        self.resolution, self.low, self.log, self.foot = (
            scale.grid.resolution,
            scale.grid.low,
            scale.grid.log,
            scale.foot,
        )
        self.highest = scale.grid.bins - 1
        self.ends = self.low * self.resolution, scale.grid.high * self.resolution
        first, last = played or (0, self.highest)
        self.every = Bins(first, last + 1)
        self._bins: dict[Constraint | None, Bins] = {}
        self._latest: tuple[Constraint | None, Bins] = (None, self.every)

    def raw(self, place: float) -> float:
        """Return the raw value at a place on the scale, kept within the grid."""
        value = place * self.std + self.mean
        if self.log:
            value = math.exp(min(value, 700.0))
            value = 0.0 if value < self.foot else value
        low, high = self.ends
        return low if value < low else high if value > high else value

    def index(self, value: float) -> int:
        """Return the position of the bin of a raw value; what lies beyond the grid falls into its first or last."""
        index = math.floor(value / self.resolution + 0.5) - self.low
        return 0 if index < 0 else self.highest if index > self.highest else index

    def index_of_place(self, place: float) -> int:
        """Return the position of the bin of what stands at a place; see :class:`~hachimachi.models.scale.Scale`."""
        return self.index(self.raw(place) + NUDGE * self.resolution)

    def centre(self, index: int) -> float:
        """Return the middle of a bin."""
        return (index + self.low) * self.resolution

    def keep(self, place: float) -> float:
        """Return the value that is played for a place on the scale."""
        value = self.raw(place)
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
        """Return whether a value is one that is played where nothing else is asked."""
        return self.every.start <= self.index(value) < self.every.stop

    def allowed(self, constraint: Constraint | None) -> Bins:
        """Return the bins that a constraint leaves."""
        known, bins = self._latest
        if constraint is known:  # to look up a scale takes as long as to draw from it
            return bins
        if constraint not in self._bins:
            if len(self._bins) >= CACHED_CONSTRAINTS:
                self._bins.clear()
            bins = number_bins(self.grid, self.whole, constraint) if constraint else self.every
            self._bins[constraint] = bins
        self._latest = constraint, self._bins[constraint]
        return self._bins[constraint]

    @cached_property
    def edges(self) -> Numbers:
        """Where each bin begins on the scale and the last one ends, shape (bins + 1,)."""
        lower, upper = self.scale.edges(self.scale.all_bins(self.name))
        return torch.cat([lower, upper[-1:]]).numpy()

    def is_fixed(self, index: int) -> bool:
        """Return whether a bin plays its middle only."""
        return self.whole or (self.log and index == 0)


class HistogramSampler:
    """Draws bins from a :class:`~hachimachi.models.scale.Histogram`."""

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


Indices = NDArray[np.int64]

STEEPEST = 300.0
"""Distances from a location beyond this many widths count as this many: e^300 squared is still a number."""


class LogisticSampler:
    """Draws from logistics on a column's scale; a draw keeps its place inside its bin."""

    def __init__(self, grid: PlayedGrid) -> None:
        self.grid = grid

    def draw(self, location: float, log_scale: float, random: Random) -> float:
        """Draw a value."""
        low, high = WIDTHS
        log_scale = low if log_scale < low else high if log_scale > high else log_scale
        return self.grid.keep(location + math.exp(log_scale) * logit(random))

    def place(self, location: float, log_scale: float, index: int, random: Random) -> float:
        """Draw a value from the part of a logistic that lies in a bin."""
        width = math.exp(clip(log_scale, *WIDTHS))
        low, high = (sigmoid((edge - location) / width) for edge in self.grid.edges[index : index + 2].tolist())
        u = low + (high - low) * random.random()
        value = self.grid.keep(location + width * math.log(u / (1 - u))) if 0 < u < 1 else math.inf
        # far out in a tail u tells bins apart no more
        return value if value < math.inf and self.grid.index(value) == index else self.grid.spread(index, random)

    def masses(self, locations: Numbers, log_scales: Numbers, index: int) -> Numbers:
        """Return the mass of a bin under each logistic, shape (K,)."""
        low, high = self.grid.edges[index : index + 2].tolist()
        widths = [math.exp(clip(log_scale, *WIDTHS)) for log_scale in log_scales.tolist()]
        pairs = zip(locations.tolist(), widths, strict=True)
        return np.array([_between_two((at - low) / width, (at - high) / width) for at, width in pairs])

    def reach(self, weights: Numbers, locations: Numbers, widths: Numbers, least: float) -> tuple[Indices, Indices]:
        """Return for each logistic the first bin, and one past the last, beyond which hardly any of its mass lies.

        A logistic of weight w gives at most w e^−z to what lies beyond z widths.

        Args:
            weights: Shape (K,).
            locations: Shape (K,).
            widths: Shape (K,).
            least: ln of a mass that counts for nothing.
        """
        with np.errstate(divide="ignore"):
            far = np.maximum(np.log(weights) - least, 0) * widths
        lows, highs = np.searchsorted(self.grid.edges, [locations - far, locations + far])
        return np.maximum(lows - 1, 0), np.where(far > 0, np.minimum(highs, self.grid.grid.bins), 0)

    def table(
        self,
        weights: Numbers,
        locations: Numbers,
        widths: Numbers,
        lows: Indices,
        highs: Indices,
        start: int,
        stop: int,
    ) -> Numbers:
        """Return the mass of bins under weighted logistics, each looked at between its own ends only.

        Args:
            weights: Shape (K,).
            locations: Shape (K,).
            widths: Shape (K,).
            lows: The first bin to look at for each, shape (K,).
            highs: One past the last, shape (K,).
            start: The first bin of the table.
            stop: One past its last.
        """
        narrow = highs - lows < (stop - start) / 8
        if not narrow.any():
            return weights @ self._wide(locations, widths, start, stop)
        table, wide = np.zeros(stop - start), ~narrow
        if wide.any():
            table = weights[wide] @ self._wide(locations[wide], widths[wide], start, stop)
        narrow &= lows < highs
        if narrow.any():
            few = weights[narrow], locations[narrow], widths[narrow], lows[narrow], highs[narrow]
            table += self._narrow(*few, start, stop)
        return table

    def quick_table(self, weights: Numbers, locations: Numbers, widths: Numbers, start: int, stop: int) -> Numbers:
        """Return the mass of bins under weighted logistics, right to within about 10⁻¹⁵ of all mass.

        As differences of the distribution function, (1 + tanh(x / 2)) / 2: in a third of the time, but far out nothing
        is left of them.
        """
        half = 0.5 / widths
        lines = np.empty((len(half), 2))
        lines[:, 0], lines[:, 1] = half, -locations * half
        rising = (0.5 * weights).dot(np.tanh(lines.dot(self._edges_and_ones[:, start : stop + 1])))
        table = rising[1:] - rising[:-1]
        return np.maximum(table, 0.0, out=table)

    @cached_property
    def _edges_and_ones(self) -> Numbers:
        return np.stack((self.grid.edges, np.ones_like(self.grid.edges)))

    def _wide(self, locations: Numbers, widths: Numbers, start: int, stop: int) -> Numbers:
        slopes = (1 / widths)[:, None]
        return _between(locations[:, None] * slopes - self.grid.edges[start : stop + 1] * slopes)

    def _narrow(
        self,
        weights: Numbers,
        locations: Numbers,
        widths: Numbers,
        lows: Indices,
        highs: Indices,
        start: int,
        stop: int,
    ) -> Numbers:
        """Do it for those that look at few bins, one's edges after another's in one array."""
        counts = highs - lows + 1
        ends = counts.cumsum()
        edges = np.arange(ends[-1]) + np.repeat(lows - ends + counts, counts)
        away = np.repeat(locations / widths, counts) - self.grid.edges[edges] * np.repeat(1 / widths, counts)
        mass = _between(away) * np.repeat(weights, counts)[:-1]
        mass[ends[:-1] - 1] = 0  # from one's last edge to the next one's first
        return np.bincount(edges[:-1] - start, mass, stop - start)[: stop - start].astype(np.float64, copy=False)


def _between_two(a: float, b: float) -> float:
    """Do what :func:`_between` does for one bin, in plain numbers: few of them are quicker so."""
    low, high = math.exp(clip(a, -STEEPEST, STEEPEST)), math.exp(clip(b, -STEEPEST, STEEPEST))
    return (low - high) / (1 + low) / (1 + high)


def _between(away: Numbers) -> Numbers:
    """Return σ(b) − σ(a) between neighbours, given how far a location lies above each edge, shape (..., N).

    As (e^−a − e^−b) σ(a) σ(b), which is exact far out too: high temperatures look there.
    """
    powers = np.minimum(np.maximum(away, -STEEPEST), STEEPEST)
    np.exp(powers, out=powers)
    sigmoids = powers + 1
    np.reciprocal(sigmoids, out=sigmoids)
    mass = powers[..., :-1] - powers[..., 1:]
    mass *= sigmoids[..., :-1]
    mass *= sigmoids[..., 1:]
    return mass


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
    """Draws from the table of a :class:`Blend`, as a :class:`~hachimachi.sampling.ColumnSampling` shapes it.

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


class ConditionalSampler(ABC):
    """Draws from a :class:`~hachimachi.models.heads.column_distribution.Conditional`, its floor left out."""

    @abstractmethod
    def draw(self, raw: Vector, former: float, last: float, sampling: Sampling, random: Random) -> float:
        """Draw a value.

        Args:
            raw: The conditional's parameters, float32, shape (P,).
            former: Where the column's former value stands on its scale, NaN where it is never known.
            last: That value itself.
            sampling: How to draw.
            random: Where random numbers come from.
        """

    @abstractmethod
    def snap(self, value: float) -> float:
        """Return what stands for the bin of a value: all that other columns may know of it."""


class NumberConditionalSampler(ConditionalSampler):
    """Draws whole and continuous numbers, and times; see :class:`~hachimachi.player.numpy_heads.NumberSampler`.

    Args:
        name: The column's name.
        scale: Its scale.
        histogram: Its training histogram.
        sizes: How many parameters are weights, locations, scales and tilts.
    """

    def __init__(self, name: str, scale: Scale, histogram: Histogram, sizes: list[int]) -> None:
        self.name, self.numbers = name, NumberSampler(name, scale, histogram)
        self.grid = self.numbers.grid
        self.ends = np.cumsum(sizes)[:-1].tolist()
        self.n_weights, self.tilted = sizes[0], sizes[3] > 0
        self.moving = np.arange(sizes[1]) % 2 == 0

    def draw(self, raw: Vector, former: float, last: float, sampling: Sampling, random: Random) -> float:
        """Draw a value."""
        head = raw[: self.n_weights].tolist()
        highest = max(head)
        weights = [math.exp(weight - highest) for weight in head]
        if math.isnan(former):
            weights[1] = 0.0
        how = sampling.of(self.name)
        if how.plain:
            value = self._draw_plainly(raw, weights, former, last, random)
            if self.grid.plays(value):
                return value
        elif how.only_constrained and how.constraint:
            again = partial(self._draw_plainly, raw, weights, former, last, random)
            drawn = self.numbers.draw_allowed(again, how.constraint, random)
            if drawn is not None:
                return drawn
        return self.numbers.draw(self._blend(raw, weights, former, last), how, random)

    def _draw_plainly(self, raw: Vector, weights: list[float], former: float, last: float, random: Random) -> float:
        way = draw_index(weights, random)
        if way == 0:
            tilt = raw[self.ends[2] :] if self.tilted else None
            return self.grid.spread(self.numbers.histogram.draw(random, tilt), random)
        if way == 1:
            return self.numbers.same(self.grid.index_of_place(former), last)
        location, log_scale = (float(raw[end + way - 2]) for end in self.ends[:2])
        if (way - 2) % 2 == 0 and not math.isnan(former):
            location += former
        return self.numbers.logistic.draw(location, log_scale, random)

    def snap(self, value: float) -> float:
        """Return the middle of the bin; what lies beyond the grid falls into its first or last."""
        return self.grid.centre(self.grid.index(value))

    def _blend(self, raw: Vector, shares: list[float], former: float, last: float) -> Blend:
        weights = np.array(shares) / sum(shares)
        exact, (first, second, third) = raw.astype(np.float64), self.ends
        locations, log_scales, tilt = exact[first:second], exact[second:third], exact[third:]
        index = -1
        if not math.isnan(former):
            locations, index = locations + self.moving * former, self.grid.index_of_place(former)
        parts = float(weights[0]), float(weights[1]), weights[2:], locations, log_scales
        return Blend(*parts, tilt if self.tilted else None, index, last)


class CategoryConditionalSampler(ConditionalSampler):
    """Draws categories; an unknown one cannot be played and is left out.

    Args:
        name: The column's name.
        known: The categories.
    """

    def __init__(self, name: str, known: list[float]) -> None:
        self.name, self.categories = name, CategorySampler(known)

    def draw(self, raw: Vector, former: float, last: float, sampling: Sampling, random: Random) -> float:  # noqa: ARG002
        """Draw a category."""
        return self.categories.choose(np.exp((raw - raw.max()).astype(np.float64)), sampling.of(self.name), random)

    def snap(self, value: float) -> float:
        """Return the category as it is."""
        return value


class NumberComponentSampler(Sampler):
    """Draws from a :class:`~hachimachi.models.heads.column_distribution.NumberEmission`.

    Args:
        name: The column's name.
        scale: Its scale.
        histogram: Its training histogram.
    """

    def __init__(self, name: str, scale: Scale, histogram: Histogram) -> None:
        self.numbers = NumberSampler(name, scale, histogram)
        self.grid = self.numbers.grid

    def draw(self, parameters: Sequence[float], random: Random) -> float:
        """Draw a value from one component."""
        location, log_scale, gate = parameters
        if random.random() < sigmoid(gate):
            return self.grid.spread(self.numbers.histogram.draw(random), random)
        return self.numbers.logistic.draw(location, log_scale, random)

    def plays(self, value: float) -> bool:
        """Return whether a value is one that is played where nothing else is asked."""
        return self.grid.plays(value)

    def draw_among(self, parameters: Numbers, weights: Numbers, how: ColumnSampling, random: Random) -> float:
        """Draw a value from weighted components."""
        if how.plain:
            value = self.draw(parameters[draw_index(weights.tolist(), random)].tolist(), random)
            if self.plays(value):
                return value
        elif how.only_constrained and how.constraint:
            drawn = self.numbers.draw_allowed(
                lambda: self.draw(parameters[draw_index(weights.tolist(), random)].tolist(), random),
                how.constraint,
                random,
            )
            if drawn is not None:
                return drawn
        locations, log_scales, gates = parameters.T
        counted = 1 / (1 + np.exp(-gates))
        blend = Blend(float(weights @ counted), 0.0, weights * (1 - counted), locations, log_scales)
        return self.numbers.draw(blend, how, random)

    def masses(self, parameters: Numbers, value: float) -> Numbers:
        """Return the probability of a value's bin under each component."""
        index = self.grid.index(value)
        locations, log_scales, gates = parameters.T
        counted = 1 / (1 + np.exp(-gates))
        smooth = self.numbers.logistic.masses(locations, log_scales, index)
        mass = counted * self.numbers.histogram.table(index, index + 1) + (1 - counted) * smooth
        return FLOOR / self.grid.grid.bins + (1 - FLOOR) * mass
