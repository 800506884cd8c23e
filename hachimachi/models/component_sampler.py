"""Drawing numbers from the components of a mixture."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from hachimachi.models.emission import FLOOR
from hachimachi.models.histogram import Histogram
from hachimachi.models.number_sampler import Blend, NumberSampler
from hachimachi.models.sampler import Sampler
from hachimachi.models.sampling import ColumnSampling, Numbers, draw_index, sigmoid
from hachimachi.models.scale import Scale


class NumberComponentSampler(Sampler):
    """Draws from a :class:`~hachimachi.models.numbers.NumberEmission`.

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
