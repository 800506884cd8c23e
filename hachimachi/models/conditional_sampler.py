"""Drawing one column given the past and other columns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from random import Random

import numpy as np

from hachimachi.models.histogram import Histogram
from hachimachi.models.playing import HistogramSampler, Playing
from hachimachi.models.sampling import Numbers, Sampling, clip, draw_index, logit
from hachimachi.models.scale import WIDTHS, Scale
from hachimachi.models.stepping import Vector


class ConditionalSampler(ABC):
    """Draws from a :class:`~hachimachi.models.conditional.Conditional`, its floor left out."""

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
    """Draws whole and continuous numbers, and times.

    A draw from a logistic keeps its place inside its bin, so that time is not quantised; one from the histogram is
    spread evenly over its bin; "as before" plays the very value that was heard.

    Args:
        name: The column's name.
        scale: Its scale.
        histogram: Its training histogram.
        sizes: How many parameters are weights, locations, scales and tilts.
    """

    def __init__(self, name: str, scale: Scale, histogram: Histogram, sizes: list[int]) -> None:
        self.name = name
        self.ends = np.cumsum(sizes)[:-1].tolist()
        self.n_weights, self.tilted = sizes[0], sizes[3] > 0
        self.playing = Playing(name, scale)
        self.histogram = HistogramSampler(histogram, self.playing)
        self.moving = np.arange(sizes[1]) % 2 == 0

    def draw(self, raw: Vector, former: float, last: float, sampling: Sampling, random: Random) -> float:
        """Draw a value."""
        head = raw[: self.n_weights].tolist()
        highest = max(head)
        weights = [math.exp(weight - highest) for weight in head]
        if math.isnan(former):
            weights[1] = 0.0
        if sampling.temperature_of(self.name) != 1:
            return self._draw_from_table(raw.astype(np.float64), weights, former, last, sampling, random)
        way = draw_index(weights, random)
        if way == 0:
            tilt = raw[self.ends[2] :].astype(np.float64) if self.tilted else None
            return self.playing.spread(self.histogram.draw(random, tilt), random)
        if way == 1:
            return self._repeat(former, last)
        location, log_scale = (float(raw[end + way - 2]) for end in self.ends[:2])
        if (way - 2) % 2 == 0 and not math.isnan(former):
            location += former
        return self.playing.keep(location + math.exp(clip(log_scale, *WIDTHS)) * logit(random))

    def snap(self, value: float) -> float:
        """Return the middle of the bin; what lies beyond the grid falls into its first or last."""
        return self.playing.centre(min(max(self.playing.index(value), 0), self.playing.grid.bins - 1))

    def _draw_from_table(
        self, raw: Numbers, shares: list[float], former: float, last: float, sampling: Sampling, random: Random
    ) -> float:
        _, locations, log_scales, tilt = np.split(raw, self.ends)
        weights = np.array(shares) / sum(shares)
        same = -1
        if not math.isnan(former):
            locations, same = locations + self.moving * former, self._index_of(former)
        histogram = self.histogram.table(tilt if self.tilted else None)
        table = weights[0] * histogram + self.playing.table(locations, log_scales, weights[2:])
        table[same] += weights[1]
        index = sampling.draw_bin(self.name, table, random)
        ways = [weights[0] * histogram[index], weights[1] * (index == same)]
        way = draw_index([*ways, *(weights[2:] * self.playing.masses(locations, log_scales, index))], random)
        if way == 0:
            return self.playing.spread(index, random)
        if way == 1:
            return self._repeat(former, last)
        return self.playing.place(float(locations[way - 2]), float(log_scales[way - 2]), index, random)

    def _index_of(self, former: float) -> int:
        return self.playing.index(self.playing.raw(former))

    def _repeat(self, former: float, last: float) -> float:
        """Return the former value, or the middle of its bin where a place on the scale is all that is known."""
        index = self._index_of(former)
        known = not math.isnan(last) and self.playing.index(last) == index
        return last if known else self.playing.centre(index)


class CategoryConditionalSampler(ConditionalSampler):
    """Draws categories; an unknown one cannot be played and is left out.

    Args:
        name: The column's name.
        known: The categories.
    """

    def __init__(self, name: str, known: list[float]) -> None:
        self.name, self.known = name, known

    def draw(self, raw: Vector, former: float, last: float, sampling: Sampling, random: Random) -> float:  # noqa: ARG002
        """Draw a category."""
        return self.known[sampling.draw_bin(self.name, np.exp((raw - raw.max()).astype(np.float64)), random)]

    def snap(self, value: float) -> float:
        """Return the category as it is."""
        return value
