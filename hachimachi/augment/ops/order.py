"""From one event to another: reversing, sorting, differences, sums."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from hachimachi.augment.arguments import features, flag
from hachimachi.augment.augmentation import Augmentation, Values
from hachimachi.augment.registry import register


@dataclass(frozen=True, kw_only=True)
class Along(Augmentation, ABC):
    """Along the steps of a sequence, each feature by itself, as if what is left alone (drums) were not there."""

    along = True

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the values after it, each where one stood before."""
        gone = np.isnan(values)
        order = np.argsort(gone, axis=1, kind="stable")  # what is there first
        packed = np.take_along_axis(values, order, axis=1)
        result = np.empty_like(values)
        with np.errstate(all="ignore"):
            np.put_along_axis(result, order, self.turn(packed, (~gone).sum(1, keepdims=True)), axis=1)
        return result

    @abstractmethod
    def turn(self, packed: Values, count: Values) -> Values:
        """Return what comes of values without gaps, shape (B, T, K), of which ``count``, shape (B, 1, K), are there.

        The rest, at the end, is NaN and may become anything.
        """


@register("rev")
@dataclass(frozen=True, kw_only=True)
class Rev(Along):
    """Reverses events, the last first; with ``dims`` only some features, and the others keep their places.

    The times between events are mirrored, so that onsets lie as in a mirror; durations go with their events.
    """

    dims: tuple[str | int, ...] | None = features(None)

    def turn(self, packed: Values, count: Values) -> Values:
        """Return the values from the last to the first."""
        step = np.arange(packed.shape[1])[None, :, None]
        return np.take_along_axis(packed, np.where(step < count, count - 1 - step, step), axis=1)


@register("diff")
@dataclass(frozen=True, kw_only=True)
class Diff(Along):
    """Puts in place of each value its distance from the one before; the first stays. The inverse of ``cumsum``."""

    def turn(self, packed: Values, count: Values) -> Values:  # noqa: ARG002  (what is not there stays at the end)
        """Return the differences."""
        return np.diff(packed, axis=1, prepend=0.0)


@register("cumsum")
@dataclass(frozen=True, kw_only=True)
class CumSum(Along):
    """Puts in place of each value the sum of all up to it."""

    def turn(self, packed: Values, count: Values) -> Values:  # noqa: ARG002  (what is not there stays at the end)
        """Return the sums."""
        return np.cumsum(packed, axis=1)


@register("sort")
@dataclass(frozen=True, kw_only=True)
class Sort(Along):
    """Puts the values of each feature in rising order.

    Args:
        falling: Whether in falling order.
    """

    falling: bool = flag()

    def turn(self, packed: Values, count: Values) -> Values:  # noqa: ARG002  (what is not there sorts to the end)
        """Return the values in order."""
        return -np.sort(-packed, axis=1) if self.falling else np.sort(packed, axis=1)
