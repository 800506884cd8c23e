"""How to draw: temperature, and the samplers of single columns. NumPy and plain numbers, for one event at a time.

A sampler draws from the distribution that the emission of the same column states, with the floor left out, and
categories never seen: both are there for what is heard.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError

Numbers = NDArray[np.float64]

COLD = 1e-3
"""Below this temperature the most probable bin is taken."""
HOT = 100.0
"""Highest temperature."""


@dataclass(frozen=True)
class Sampling:
    """How to draw from a distribution.

    Args:
        temperature: Below 1 plays it safe, above 1 takes risks; towards 0 each column takes its most probable bin.
            One number for all, or one by column name (1 where not named).

    Raises:
        HachimachiError: A temperature that is not a number from 0 to 100.
    """

    temperature: float | Mapping[str, float] = field(default=1.0)

    def __post_init__(self) -> None:
        given = self.temperature
        for value in given.values() if isinstance(given, Mapping) else [given]:
            if not 0 <= value <= HOT:
                expected = f"expected a number from 0 to {HOT:g}, 1 for what was learned"
                raise HachimachiError(f"temperature is {value}; {expected}")

    def check_names(self, names: Sequence[str]) -> None:
        """Check that temperatures are given for columns of a model only.

        Raises:
            HachimachiError: The first name that is no column.
        """
        for name in self.temperature if isinstance(self.temperature, Mapping) else ():
            if name not in names:
                raise HachimachiError(f"temperature for {name!r}: no such column; there are {', '.join(names)}")

    def temperature_of(self, name: str) -> float:
        """Return the temperature of one column."""
        return self.temperature.get(name, 1.0) if isinstance(self.temperature, Mapping) else self.temperature

    def draw_bin(self, name: str, table: Numbers, random: Random) -> int:
        """Draw a bin of a column from its probabilities, shape (bins,), at its temperature."""
        temperature = self.temperature_of(name)
        if temperature < COLD:
            return int(table.argmax())
        powered = table if temperature == 1 else (table / table.max()) ** (1 / temperature)
        rising = powered.cumsum()
        return min(int(np.searchsorted(rising, random.random() * rising[-1], side="right")), len(rising) - 1)


class Sampler(ABC):
    """Draws values of one column, from a component with parameters of shape (P,)."""

    @abstractmethod
    def draw(self, parameters: Sequence[float], random: Random) -> float:
        """Draw a value."""

    @abstractmethod
    def table(self, parameters: Numbers, weights: Numbers) -> Numbers:
        """Return the probabilities of all bins that can be played, shape (bins,).

        Args:
            parameters: Of all components, shape (K, P).
            weights: Of the components, shape (K,).
        """

    @abstractmethod
    def masses(self, parameters: Numbers, index: int) -> Numbers:
        """Return the probability of one bin under each component, shape (K,)."""

    @abstractmethod
    def place(self, parameters: Sequence[float], index: int, random: Random) -> float:
        """Draw a value within a bin."""


def draw_index(weights: Sequence[float], random: Random) -> int:
    """Draw a position; weights need not sum to 1."""
    rising = list(accumulate(weights))
    return min(bisect_right(rising, random.random() * rising[-1]), len(rising) - 1)


def clip(value: float, low: float, high: float) -> float:
    """Return the number between low and high that is nearest to a value."""
    return min(max(value, low), high)


def logit(random: Random) -> float:
    """Draw from the standard logistic distribution."""
    u = min(max(random.random(), 1e-15), 1 - 1e-15)
    return math.log(u / (1 - u))


def sigmoid(x: float) -> float:
    """Return 1 / (1 + e^-x) without overflow."""
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
