"""Logistics discretised on a grid: drawing from them, and what they give to bins. Plain numbers and NumPy."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from hachimachi.models.played_grid import PlayedGrid
from hachimachi.models.sampling import Numbers, clip, logit, sigmoid
from hachimachi.models.scale import WIDTHS

STEEPEST = 300.0
"""Distances from a location beyond this many widths count as this many: e^300 squared is still a number."""


class LogisticSampler:
    """Draws from logistics on a column's scale; a draw keeps its place inside its bin."""

    def __init__(self, grid: PlayedGrid) -> None:
        self.grid = grid

    def draw(self, location: float, log_scale: float, random: Random) -> float:
        """Draw a value."""
        return self.grid.keep(location + math.exp(clip(log_scale, *WIDTHS)) * logit(random))

    def place(self, location: float, log_scale: float, index: int, random: Random) -> float:
        """Draw a value from the part of a logistic that lies in a bin."""
        width = math.exp(clip(log_scale, *WIDTHS))
        low, high = (sigmoid((edge - location) / width) for edge in self.grid.edges[index : index + 2].tolist())
        u = low + (high - low) * random.random()
        value = self.grid.keep(location + width * math.log(u / (1 - u))) if 0 < u < 1 else math.inf
        # far out in a tail u tells bins apart no more
        return value if value < math.inf and self.grid.index(value) == index else self.grid.spread(index, random)

    def masses(self, locations: Numbers, log_scales: Numbers, start: int, stop: int) -> Numbers:
        """Return the mass of the bins between two positions under each logistic, shape (K, stop − start).

        σ(b) − σ(a) as (e^−a − e^−b) σ(a) σ(b), which is exact far out too: high temperatures look there.
        """
        widths = np.exp(log_scales.clip(*WIDTHS))
        away = (locations[:, None] - self.grid.edges[start : stop + 1]) / widths[:, None]
        powers = np.exp(away.clip(-STEEPEST, STEEPEST))
        sigmoids = 1 / (1 + powers)
        return (powers[:, :-1] - powers[:, 1:]) * sigmoids[:, :-1] * sigmoids[:, 1:]
