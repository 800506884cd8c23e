"""Each value by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hachimachi.augment.arguments import number
from hachimachi.augment.augmentation import ArgumentError, Augmentation, Values
from hachimachi.augment.registry import register


@register("abs")
@dataclass(frozen=True, kw_only=True)
class Abs(Augmentation):
    """Takes the sign away."""

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the absolute values."""
        return np.abs(values)


@register("round")
@dataclass(frozen=True, kw_only=True)
class Round(Augmentation):
    """Rounds to the nearest multiple of a step: times to a pulse, knobs to notches.

    Args:
        step: Distance of two results.
    """

    step: float = number("a number above 0", 1.0, lambda value: value > 0)

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the nearest multiples; what lies in the middle goes up."""
        with np.errstate(all="ignore"):
            steps = np.floor(values / self.step + 0.5)
            return np.round(steps * self.step, 12)  # three steps of 0.1 are 0.3, not 0.30000000000000004


@register("clip")
@dataclass(frozen=True, kw_only=True)
class Clip(Augmentation):
    """Holds values between two bounds, one of which may be left out.

    Args:
        min: Lowest value.
        max: Highest value.
    """

    min: float | None = number(default=None)
    max: float | None = number(default=None)

    def check(self) -> None:
        """Refuse no bounds, and bounds the wrong way round."""
        if self.min is None and self.max is None:
            raise ArgumentError("min", "clip lacks min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ArgumentError("min", f"min is {self.min:g} and max is {self.max:g}, expected min at most max")

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the values within the bounds."""
        return np.clip(values, self.min, self.max)
