"""Drawing one column given the past and other columns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import partial
from random import Random

import numpy as np

from hachimachi.models.categories import CategorySampler
from hachimachi.models.histogram import Histogram
from hachimachi.models.number_sampler import Blend, NumberSampler
from hachimachi.models.sampling import Sampling, draw_index
from hachimachi.models.scale import Scale
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
    """Draws whole and continuous numbers, and times; see :class:`~hachimachi.models.number_sampler.NumberSampler`.

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
