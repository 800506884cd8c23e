"""Calculating with numbers that are drawn anew each time."""

from __future__ import annotations

import operator
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hachimachi.augment.arguments import flag, limits, number, one_of
from hachimachi.augment.augmentation import ArgumentError, Augmentation, Values
from hachimachi.augment.registry import register

_PER = {"sequence": (0, 0), "step": (1, 0), "feature": (0, 1), "element": (1, 1)}
"""For what one number is drawn → whether each step, and each feature, has its own."""


@dataclass(frozen=True, kw_only=True)
class Draw(Augmentation, ABC):
    """Each value with a number that is drawn.

    Args:
        range: Lowest and highest number, with ``dist=uniform``.
        dist: Distribution of the numbers.
        mean: Of the numbers, with ``dist=normal``.
        std: Their standard deviation, with ``dist=normal``.
        per: For what one is drawn: all values of a ``sequence``, each ``step``, each ``feature``, each ``element``.
        log: Whether the number is the binary logarithm of what is calculated with: 2 to its power.
    """

    compute: ClassVar[Callable[[Any, Any], Any]]

    range: tuple[float, float] | None = limits(None)
    dist: str = one_of("uniform", "normal", default="uniform")
    mean: float = number(default=0.0)
    std: float = number("a number from 0", 1.0, lambda value: value >= 0)
    per: str = one_of("sequence", "step", "feature", "element", default="sequence")
    log: bool = flag()

    def check(self) -> None:
        """Refuse what belongs to the other distribution."""
        if self.dist == "uniform":
            if self.range is None:
                raise ArgumentError("range", f"{self.name} lacks range=(low, high), or dist=normal with mean and std")
            for key, default in (("mean", 0.0), ("std", 1.0)):
                if getattr(self, key) != default:
                    raise ArgumentError(key, f"{key} belongs to dist=normal; dist=uniform has range=(low, high)")
        elif self.range is not None:
            raise ArgumentError("range", "range belongs to dist=uniform; dist=normal has mean and std")

    def change(self, values: Values, random: np.random.Generator) -> Values:
        """Return the values after the calculation."""
        batch, steps, features = values.shape
        each_step, each_feature = _PER[self.per]
        shape = (batch, steps if each_step else 1, features if each_feature else 1)
        if self.range is not None:
            drawn = self.range[0] + (self.range[1] - self.range[0]) * random.random(shape)
        else:
            drawn = random.normal(self.mean, abs(self.std), shape)  # NumPy refuses −0
        with np.errstate(all="ignore"):
            return type(self).compute(values, np.exp2(drawn) if self.log else drawn)


@register("addrand")
@dataclass(frozen=True, kw_only=True)
class AddRand(Draw):
    """Adds a drawn number."""

    compute = staticmethod(operator.add)


@register("subrand")
@dataclass(frozen=True, kw_only=True)
class SubRand(Draw):
    """Takes a drawn number away."""

    compute = staticmethod(operator.sub)


@register("mulrand")
@dataclass(frozen=True, kw_only=True)
class MulRand(Draw):
    """Multiplies by a drawn number."""

    compute = staticmethod(operator.mul)


@register("divrand")
@dataclass(frozen=True, kw_only=True)
class DivRand(Draw):
    """Divides by a drawn number."""

    compute = staticmethod(operator.truediv)
