"""Drawing whole and continuous numbers, and times."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import accumulate
from random import Random

import numpy as np
from torch import Tensor

from hachimachi.models.emission import FLOOR
from hachimachi.models.sampling import Numbers, Sampler, logit, sigmoid
from hachimachi.models.scale import SPREAD, WIDTHS, Scale


class NumberSampler(Sampler):
    """Draws from a :class:`~hachimachi.models.numbers.NumberEmission`.

    A draw from the logistic keeps its place inside its bin, so that time is not quantised; one from the histogram or
    the floor is spread evenly over its bin. Whole numbers play as such, and the zero bin of a time plays exactly 0.

    Args:
        scale: The column's scale.
        whole: Whether only whole multiples of the resolution are played.
        novel: The histogram's share for values never seen.
        occupied: Positions of the bins that training values fell in, ascending.
        shares: The histogram's share of each of them.
        tabulate: Returns the ends of all bins on the scale, shape (bins + 1,), and the smoothed histogram, shape
            (bins,); called when a table is first needed.
    """

    def __init__(
        self,
        scale: Scale,
        whole: bool,
        novel: float,
        occupied: list[int],
        shares: list[float],
        tabulate: Callable[[], tuple[Tensor, Tensor]],
    ) -> None:
        self.scale, self.grid, self.whole = scale, scale.grid, whole
        self.novel, self.occupied, self.rising = novel, occupied, list(accumulate(shares))
        self._tabulate = tabulate

    def draw(self, parameters: Sequence[float], random: Random) -> float:
        """Draw a value."""
        location, log_scale, gate = parameters
        branch = random.random()
        if branch < FLOOR:
            return self._spread(int(random.random() * self.grid.bins), random)
        if branch < FLOOR + (1 - FLOOR) * sigmoid(gate):
            return self._spread(self._draw_counted(random), random)
        return self._keep(location + math.exp(_clip(log_scale, *WIDTHS)) * logit(random))

    def table(self, parameters: Numbers, weights: Numbers) -> Numbers:
        """Return the probabilities of all bins under weighted components."""
        location, log_scale, gate = (part[:, None] for part in parameters.T.astype(np.float32))
        edges, histogram = self._tables
        half_slope = 0.5 * np.exp(-log_scale.clip(*WIDTHS))
        below = np.tanh((edges - location) * half_slope)  # 2 σ(x) − 1
        counted = 1 / (1 + np.exp(-gate[:, 0]))
        logistic = np.diff((weights * (1 - counted) / 2).astype(np.float32) @ below)
        mass = (weights @ counted) * histogram + logistic
        return weights.sum() * FLOOR / self.grid.bins + (1 - FLOOR) * mass.clip(0)

    def masses(self, parameters: Numbers, index: int) -> Numbers:
        """Return the probability of one bin under each component."""
        location, log_scale, gate = parameters.T.astype(np.float64)
        edges, histogram = self._tables
        low, high = ((edge - location) * np.exp(-log_scale.clip(*WIDTHS)) / 2 for edge in edges[index : index + 2])
        counted = 1 / (1 + np.exp(-gate))
        mass = counted * histogram[index] + (1 - counted) * (np.tanh(high) - np.tanh(low)) / 2
        return FLOOR / self.grid.bins + (1 - FLOOR) * mass

    def place(self, parameters: Sequence[float], index: int, random: Random) -> float:
        """Draw a value within a bin."""
        location, log_scale, gate = parameters
        width = math.exp(_clip(log_scale, *WIDTHS))
        edges, histogram = self._tables
        low, high = (sigmoid((edge - location) / width) for edge in edges[index : index + 2].tolist())
        weight = sigmoid(gate)
        smooth = (1 - FLOOR) * (1 - weight) * (high - low)
        rest = FLOOR / self.grid.bins + (1 - FLOOR) * weight * float(histogram[index])
        u = low + (high - low) * random.random()
        if random.random() * (smooth + rest) < rest or not 0 < u < 1:
            return self._spread(index, random)
        return self._keep(location + width * math.log(u / (1 - u)))

    @cached_property
    def _tables(self) -> tuple[Numbers, Numbers]:
        edges, histogram = self._tabulate()
        return edges.float().numpy(), histogram.numpy()

    def _draw_counted(self, random: Random) -> int:
        """Draw a bin from the smoothed training histogram."""
        chosen = random.random()
        if chosen < self.novel / 2:
            low, high = self.occupied[0], self.occupied[-1]
            return low + int(random.random() * (high - low + 1))
        if chosen < self.novel:
            return self._index(self._raw(SPREAD * logit(random)))
        place = bisect_right(self.rising, chosen - self.novel)
        return self.occupied[min(place, len(self.occupied) - 1)]

    def _raw(self, place: float) -> float:
        value = place * self.scale.std + self.scale.mean
        value = math.exp(min(value, 700.0)) if self.grid.log else value
        return _clip(value, self.grid.low * self.grid.resolution, self.grid.high * self.grid.resolution)

    def _index(self, value: float) -> int:
        return math.floor(value / self.grid.resolution + 0.5) - self.grid.low

    def _keep(self, place: float) -> float:
        """Return the raw value at a place on the scale, as it is played."""
        value = self._raw(place)
        index = self._index(value)
        return self._centre(index) if self.whole or (self.grid.log and index == 0) else value

    def _spread(self, index: int, random: Random) -> float:
        """Return a value within a bin, as it is played."""
        if self.whole or (self.grid.log and index == 0):
            return self._centre(index)
        value = self._centre(index) + (random.random() - 0.5) * self.grid.resolution
        return _clip(value, self.grid.low * self.grid.resolution, self.grid.high * self.grid.resolution)

    def _centre(self, index: int) -> float:
        return (index + self.grid.low) * self.grid.resolution


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
