"""Drawing whole and continuous numbers, and times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np

from hachimachi.models.histogram import Histogram
from hachimachi.models.playing import HistogramSampler, Playing
from hachimachi.models.sampling import Numbers, Sampler, clip, logit, sigmoid
from hachimachi.models.scale import WIDTHS, Scale


class NumberSampler(Sampler):
    """Draws from a :class:`~hachimachi.models.numbers.NumberEmission`, its floor left out.

    A draw from the logistic keeps its place inside its bin, so that time is not quantised; one from the histogram is
    spread evenly over its bin.

    Args:
        name: The column's name.
        scale: Its scale.
        histogram: Its training histogram.
    """

    def __init__(self, name: str, scale: Scale, histogram: Histogram) -> None:
        self.playing = Playing(name, scale)
        self.histogram = HistogramSampler(histogram, self.playing)

    def draw(self, parameters: Sequence[float], random: Random) -> float:
        """Draw a value."""
        location, log_scale, gate = parameters
        if random.random() < sigmoid(gate):
            return self.playing.spread(self.histogram.draw(random), random)
        return self.playing.keep(location + math.exp(clip(log_scale, *WIDTHS)) * logit(random))

    def table(self, parameters: Numbers, weights: Numbers) -> Numbers:
        """Return the probabilities of all bins under weighted components."""
        location, log_scale, gate = parameters.T
        counted = 1 / (1 + np.exp(-gate))
        logistic = self.playing.table(location, log_scale, weights * (1 - counted))
        return (weights @ counted) * self.histogram.table() + logistic

    def masses(self, parameters: Numbers, index: int) -> Numbers:
        """Return the probability of one bin under each component."""
        location, log_scale, gate = parameters.T.astype(np.float64)
        counted = 1 / (1 + np.exp(-gate))
        return counted * self.histogram.table()[index] + (1 - counted) * self.playing.masses(location, log_scale, index)

    def place(self, parameters: Sequence[float], index: int, random: Random) -> float:
        """Draw a value within a bin."""
        location, log_scale, gate = parameters
        counted = sigmoid(gate)
        smooth = (1 - counted) * float(self.playing.masses(np.array([location]), np.array([log_scale]), index)[0])
        if random.random() * (smooth + counted * float(self.histogram.table()[index])) < smooth:
            return self.playing.place(location, log_scale, index, random)
        return self.playing.spread(index, random)
