"""The augmentations there are: arithmetic with constants, statistics and random numbers, order, rounding, clipping."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from hachimachi.augment.augmentation import (
    ArgumentError,
    Augmentation,
    Values,
    features,
    flag,
    limits,
    number,
    one_of,
    register,
)
from hachimachi.events import TIME


def _not_negative(value: float) -> bool:
    return not np.signbit(value)  # NumPy refuses −0 as a standard deviation


Kind = TypeVar("Kind", bound=Augmentation)
AXES = {"sequence": (1, 2), "feature": (1,), "step": (2,)}  # scope of a mean or deviation → its axes of (B, T, K)


@dataclass(frozen=True, kw_only=True)
class Arithmetic(Augmentation, ABC):
    """Arithmetic of each value and a number."""

    compute: ClassVar[Callable[[Any, Any], Any]]

    # the number: a constant, or the ``mean`` or ``std`` (of a population, by n) of the values
    value: float | str = one_of("mean", "std", or_number=True)
    # of what the mean or deviation is: each ``feature`` of a sequence, each ``step`` across its features, or all
    # values of a ``sequence``
    per: str = one_of("feature", "step", "sequence", default="feature")

    def check(self) -> None:
        """Refuse an axis for a constant."""
        if self.per != "feature" and not isinstance(self.value, str):
            raise ArgumentError("per", f"per says of what a mean or std is; value is {self.value:g}, a constant")

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the values after the calculation."""
        number, axes, known = self.value, AXES[self.per], ~np.isnan(values)
        with np.errstate(all="ignore"):  # what numbers near the largest become, if not finite, is left as it was
            if isinstance(number, str):
                count = np.maximum(known.sum(axes, keepdims=True), 1)
                mean = np.where(known, values, 0.0).sum(axes, keepdims=True) / count
                squares = np.square(np.where(known, values - mean, 0.0)).sum(axes, keepdims=True)
                number = mean if number == "mean" else np.sqrt(squares / count)
            return type(self).compute(values, number)


def _make(name: str, base: type[Kind], compute: Callable[[Any, Any], Any], doc: str) -> type[Kind]:
    """Return the augmentation that calculates so, registered by its name; the text is what help says of it."""
    body = {"compute": staticmethod(compute), "__doc__": doc, "__module__": __name__}
    made: type[Any] = type(name, (base,), body)
    return register(name.lower())(made)


Add = _make("Add", Arithmetic, operator.add, "Adds a number.")
Sub = _make("Sub", Arithmetic, operator.sub, "Takes a number away.")
Mul = _make("Mul", Arithmetic, operator.mul, "Multiplies by a number.")


@register("div")
class Div(Arithmetic):
    """Divides by a number; what would be divided by 0, the deviation of a constant, stays as it is."""

    compute = staticmethod(operator.truediv)

    def check(self) -> None:
        """Refuse to divide by nothing."""
        super().check()
        if self.value == 0:
            raise ArgumentError("value", "value is 0, expected another number to divide by")


_PER = {"sequence": (0, 0), "step": (1, 0), "feature": (0, 1), "element": (1, 1)}
"""Scope of a draw → whether there is one for each step, and for each feature."""


@dataclass(frozen=True, kw_only=True)
class Draw(Augmentation, ABC):
    """Arithmetic of each value and a number that is drawn."""

    compute: ClassVar[Callable[[Any, Any], Any]]

    range: tuple[float, float] | None = limits(None)  # lowest and highest number, with ``dist=uniform``
    dist: str = one_of("uniform", "normal", default="uniform")  # distribution of the numbers
    mean: float = number(default=0.0)  # of the numbers, with ``dist=normal``
    std: float = number("a number from 0", 1.0, _not_negative)  # their standard deviation, with ``dist=normal``
    # for what one is drawn: all values of a ``sequence``, each ``step``, each ``feature``, each ``element``
    per: str = one_of("sequence", "step", "feature", "element", default="sequence")
    log: bool = flag()  # whether the number is the binary logarithm of what is calculated with: 2 to its power

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
            drawn = random.normal(self.mean, self.std, shape)
        with np.errstate(all="ignore"):
            return type(self).compute(values, np.exp2(drawn) if self.log else drawn)


AddRand = _make("AddRand", Draw, operator.add, "Adds a drawn number.")
SubRand = _make("SubRand", Draw, operator.sub, "Takes a drawn number away.")
MulRand = _make("MulRand", Draw, operator.mul, "Multiplies by a drawn number.")
DivRand = _make("DivRand", Draw, operator.truediv, "Divides by a drawn number.")


class Along(Augmentation, ABC):
    """Along the steps of a sequence, each feature by itself; values that stay (NaN: drums, padding) are skipped."""

    along = True

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the values after it, each where one stood before."""
        missing = np.isnan(values)
        order = np.argsort(missing, axis=1, kind="stable")  # numbers first, in their order
        packed = np.take_along_axis(values, order, axis=1)
        result = np.empty_like(values)
        with np.errstate(all="ignore"):
            np.put_along_axis(result, order, self._turn(packed, (~missing).sum(1, keepdims=True)), axis=1)
        return result

    @abstractmethod
    def _turn(self, packed: Values, count: Values) -> Values:
        """Return what comes of values without gaps, shape (B, T, K), of which ``count``, shape (B, 1, K), are there;
        the rest, at the end, is NaN and may become anything."""


@register("rev")
@dataclass(frozen=True, kw_only=True)
class Rev(Along):
    """Reverses events, the last first; with ``dims`` only some features, and the others keep their places.

    The times between events are mirrored, so that onsets lie as in a mirror; durations go with their events.
    """

    dims: tuple[str | int, ...] | None = features(None)

    def _turn(self, packed: Values, count: Values) -> Values:
        step = np.arange(packed.shape[1])[None, :, None]
        return np.take_along_axis(packed, np.where(step < count, count - 1 - step, step), axis=1)


@register("diff")
class Diff(Along):
    """Puts in place of each value its distance from the one before; the first stays. The inverse of ``cumsum``."""

    def _turn(self, packed: Values, count: Values) -> Values:  # noqa: ARG002  (what is not there stays at the end)
        return np.diff(packed, axis=1, prepend=0.0)


@register("cumsum")
class CumSum(Along):
    """Puts in place of each value the sum of all up to it."""

    def _turn(self, packed: Values, count: Values) -> Values:  # noqa: ARG002  (what is not there stays at the end)
        return packed.cumsum(axis=1)


@register("sort")
@dataclass(frozen=True, kw_only=True)
class Sort(Along):
    """Puts the values of each feature in rising order."""

    falling: bool = flag()  # whether in falling order

    def _turn(self, packed: Values, count: Values) -> Values:  # noqa: ARG002  (what is not there sorts to the end)
        return -np.sort(-packed, axis=1) if self.falling else np.sort(packed, axis=1)


@register("abs")
class Abs(Augmentation):
    """Takes the sign away."""

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the absolute values."""
        return np.abs(values)


@register("round")
@dataclass(frozen=True, kw_only=True)
class Round(Augmentation):
    """Rounds to the nearest multiple of a step: times to a pulse, knobs to notches."""

    step: float = number("a number above 0", 1.0, lambda value: value > 0)  # distance of two results

    def change(self, values: Values, random: np.random.Generator) -> Values:  # noqa: ARG002  (nothing is drawn)
        """Return the nearest multiples; what lies in the middle goes up."""
        with np.errstate(all="ignore"):
            steps = np.floor(values / self.step + 0.5)
            return np.round(steps * self.step, 12)  # three steps of 0.1 are 0.3, not 0.30000000000000004


@register("clip")
@dataclass(frozen=True, kw_only=True)
class Clip(Augmentation):
    """Holds values between two bounds, one of which may be left out."""

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


GAIN = 0.15  # standard deviation of the log of how many times as loud all notes of a window are in `Humanize`


@register("humanize")
@dataclass(frozen=True, kw_only=True)
class Humanize(Augmentation):
    """Plays sequenced music as a person might: at a tempo that drifts, no note quite where and as it was written.

    Times, durations and velocities change, as far as events have them; notes that change places are put in order. The
    drift is a log tempo that returns to its mean (Uhlenbeck & Ornstein 1930, https://doi.org/10.1103/PhysRev.36.823).
    """

    dims: tuple[str | int, ...] | None = features(None)
    tempo: float = number("a number from 0", 0.25, _not_negative)  # standard deviation of the log tempo
    drift: float = number("a number from 0", 0.09, _not_negative)  # that of its drift
    memory: float = number("a number above 0", 8.0, lambda value: value > 0)  # seconds that a drift lasts
    onset: float = number("a number from 0", 0.012, _not_negative)  # seconds that a note is early or late
    length: float = number("a number from 0", 0.2, _not_negative)  # of the log of durations, of all and of each
    louder: float = number("a number from 0", 8.0, _not_negative)  # steps of velocity, of all notes
    touch: float = number("a number from 0", 5.0, _not_negative)  # the same of each note

    def check(self) -> None:
        """Refuse features: it knows which ones a person plays by."""
        if self.dims is not None:
            raise ArgumentError("dims", "humanize changes t, duration and velocity; expected no dims")

    def change_events(self, rows: Values, names: Sequence[str], random: np.random.Generator) -> Values:
        """Return windows of whole events, shape (B, T, D), after it."""
        with np.errstate(all="ignore"):  # what is not finite is left as it was
            # views: what is set in them is set in the rows
            column = {name: rows[..., i] for i, name in enumerate(names)}
            one, each = (len(rows), 1), rows.shape[:2]
            onsets, slower = np.zeros(each), np.exp(random.normal(0, self.tempo, one)) * np.ones(each)  # (B, T)
            if TIME in column:
                between = np.nan_to_num(column[TIME])
                kept = np.exp(-between / self.memory)  # share of the drift that is left after so long
                noise = random.normal(0, self.drift, each) * np.sqrt(1 - kept**2)
                drift = random.normal(0, self.drift, one)[:, 0]
                for i in range(each[1]):
                    drift = kept[:, i] * drift + noise[:, i]
                    slower[:, i] *= np.exp(drift)
                onsets = np.cumsum(between * slower, axis=1)
                onsets += random.normal(0, 1, each) * np.abs(random.normal(self.onset, self.onset / 2, one))
            if "duration" in column:
                spread = random.normal(0, self.length, one) + random.normal(0, self.length, each)
                column["duration"] *= slower * np.exp(spread)
            if "velocity" in column:
                column["velocity"] *= np.exp(random.normal(0, GAIN, one))
                column["velocity"] += random.normal(0, self.louder, one) + random.normal(0, self.touch, each)
            if TIME in column:
                padding = np.isnan(rows).all(-1)
                order = np.argsort(np.where(padding, np.inf, onsets), axis=1, kind="stable")  # (B, T)
                onsets, unknown = np.take_along_axis(onsets, order, axis=1), np.isnan(column[TIME][:, :1])
                rows = np.take_along_axis(rows, order[..., None], axis=1)
                first = np.where(unknown, np.nan, onsets[:, :1])
                between = np.maximum(np.diff(onsets, axis=1, prepend=0.0), 0.0)
                between[:, :1] = np.maximum(first, 0.0)
                rows[..., names.index(TIME)] = np.where(padding, np.nan, between)
        return rows
