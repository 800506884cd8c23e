"""Calculating with a constant, or with the mean or standard deviation of the values themselves."""

from __future__ import annotations

import operator
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hachimachi.augment.arguments import number_or, one_of
from hachimachi.augment.augmentation import ArgumentError, Augmentation, Values
from hachimachi.augment.registry import register

AXES = {"sequence": (1, 2), "feature": (1,), "step": (2,)}
"""Of what there is one mean or deviation → the axes of (B, T, K) that it is taken over."""


@dataclass(frozen=True, kw_only=True)
class Arithmetic(Augmentation, ABC):
    """Each value with a number.

    Args:
        value: The number: a constant, or the ``mean`` or ``std`` (of a population, by n) of the values.
        per: Of what the mean or deviation is: each ``feature`` of a sequence, each ``step`` across its features, or all
            values of a ``sequence``.
    """

    compute: ClassVar[Callable[[Any, Any], Any]]

    value: float | str = number_or("mean", "std")
    per: str = one_of("feature", "step", "sequence", default="feature")

    def check(self) -> None:
        """Refuse an axis for a constant."""
        if self.per != "feature" and not isinstance(self.value, str):
            raise ArgumentError("per", f"per says of what a mean or std is; value is {self.value:g}, a constant")

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the values after the calculation."""
        number = statistic(values, self.value, AXES[self.per]) if isinstance(self.value, str) else self.value
        with np.errstate(all="ignore"):
            return type(self).compute(values, number)


def statistic(values: Values, name: str, axes: tuple[int, ...]) -> Values:
    """Return the mean or the standard deviation over axes, which stay, of the values that are there."""
    there = ~np.isnan(values)
    count = np.maximum(there.sum(axes, keepdims=True), 1)
    with np.errstate(all="ignore"):  # of numbers near the largest; what comes of it is left as it was
        mean = np.where(there, values, 0.0).sum(axes, keepdims=True) / count
        if name == "mean":
            return mean
        return np.sqrt(np.square(np.where(there, values - mean, 0.0)).sum(axes, keepdims=True) / count)


@register("add")
@dataclass(frozen=True, kw_only=True)
class Add(Arithmetic):
    """Adds a number."""

    compute = staticmethod(operator.add)


@register("sub")
@dataclass(frozen=True, kw_only=True)
class Sub(Arithmetic):
    """Takes a number away."""

    compute = staticmethod(operator.sub)


@register("mul")
@dataclass(frozen=True, kw_only=True)
class Mul(Arithmetic):
    """Multiplies by a number."""

    compute = staticmethod(operator.mul)


@register("div")
@dataclass(frozen=True, kw_only=True)
class Div(Arithmetic):
    """Divides by a number; what would be divided by 0, the deviation of a constant, stays as it is."""

    compute = staticmethod(operator.truediv)

    def check(self) -> None:
        """Refuse to divide by nothing."""
        super().check()
        if self.value == 0:
            raise ArgumentError("value", "value is 0, expected another number to divide by")
