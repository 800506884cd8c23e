"""How to draw: temperature, top-p, min-p and constraints. NumPy and plain numbers, for one event at a time."""

from __future__ import annotations

import math
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from numbers import Real
from random import Random

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import MAX_BINS, SECONDS, Column
from hachimachi.constraints import Constraint, allowed_bins
from hachimachi.errors import HachimachiError, expect
from hachimachi.events import TIME

Numbers = NDArray[np.float64]
ByColumn = float | Mapping[str, float]
"""One number for all columns but those in seconds, see :func:`number_for`, or one by column name."""
LEAST = sys.float_info.min  # the least number above 0 in full precision
COLD = 1e-3  # below this temperature the most probable bin is taken
HOT = 100.0  # highest temperature
BLOCK = 128  # bins that are summed up before one of them is drawn, in tables of many


@dataclass(frozen=True)
class ColumnSampling:
    """How to draw one column: what :class:`Sampling` says of it."""

    temperature: float = 1.0
    top_p: float = 1.0
    min_p: float = 0.0
    constraint: Constraint | None = None

    @cached_property
    def plain(self) -> bool:
        """Whether the column is drawn just as the model predicts it."""
        return self == PLAIN

    @cached_property
    def only_constrained(self) -> bool:
        """Whether it is drawn as the model predicts it, given what is allowed."""
        return self.constraint is not None and (self.temperature, self.top_p, self.min_p) == (1, 1, 0)

    def shape(self, table: Numbers) -> Numbers:
        """Return the probabilities of being drawn, shape (..., bins), by those predicted, 0 for what is not allowed."""
        weights = self.weigh(table)
        total = weights.sum(-1, keepdims=True)
        return weights / np.where(total > 0, total, 1)

    def weigh(self, table: Numbers) -> Numbers:
        """Return the same, but for a factor."""
        if self.temperature < COLD:
            best = np.arange(table.shape[-1]) == table.argmax(-1)[..., None]
            return (best & (table > 0)).astype(np.float64)
        if self.temperature != 1:
            table = table / np.maximum(table.max(-1, keepdims=True), LEAST)
            np.power(table, 1 / self.temperature, out=table)
        if self.top_p < 1:  # the fewest highest that hold the share of the total
            falling = np.sort(table, axis=-1)[..., ::-1]
            rising, highest = falling.cumsum(-1), falling[..., :1]
            needed = np.where(rising[..., :-1] < self.top_p * rising[..., -1:], falling[..., 1:], highest)
            table = table * (table >= np.minimum(highest, needed.min(-1, keepdims=True, initial=np.inf)))
        if self.min_p > 0:
            table = table * (table >= self.min_p * table.max(-1, keepdims=True))
        return table


PLAIN = ColumnSampling()


@dataclass(frozen=True)
class Sampling:
    """How to draw events: each column's tabulated conditional is constrained, tempered and cut, in this order.

    Constrained columns are drawn first, then the others, each in the model's order and given those drawn before. One
    constraint alone is exact: P(column | past, column is allowed).

    Args:
        temperature: Below 1 plays it safe, above 1 takes risks; towards 0 each column takes its most probable bin.
            One number for all but time and duration, or one by column name (1 where not named): their short ones are
            the most probable, and tamer times would rush. 0 for all is for them too.
        top_p: Only the fewest most probable bins that together hold this share (Holtzman et al. 2020,
            https://arxiv.org/abs/1904.09751).
        min_p: Only bins that are at least this many times as probable as the most probable one (Nguyen et al. 2024,
            https://arxiv.org/abs/2407.01082).
        constraints: What columns may play, by name.
        polyphony: Most notes that may sound at once: where one more begins, the one that began first ends. It changes
            nothing of what is drawn, nor of its time.
    """

    temperature: ByColumn = field(default=1.0)
    top_p: ByColumn = field(default=1.0)
    min_p: ByColumn = field(default=0.0)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    polyphony: int | None = None

    def __post_init__(self) -> None:
        _check_numbers("temperature", self.temperature, f"from 0 to {HOT:g}, 1 for what was learned", (0, HOT))
        _check_numbers("top_p", self.top_p, "above 0, at most 1", (LEAST, 1))
        _check_numbers("min_p", self.min_p, "from 0 to 1", (0, 1))
        wanted = "{column: Constraint.between(low, high)}, or one by Constraint.among(…) or .scale(…)"
        for each in self.constraints.values() if isinstance(self.constraints, Mapping) else [None]:
            expect(isinstance(each, Constraint), "constraints", each or self.constraints, wanted)
        if self.polyphony is not None and not (isinstance(self.polyphony, Real) and self.polyphony >= 1):
            raise HachimachiError(f"polyphony is {self.polyphony}; expected 1 note or more")
        object.__setattr__(self, "_columns", {})

    def of(self, name: str) -> ColumnSampling:
        """Return how to draw one column."""
        known: dict[str, ColumnSampling] = self._columns  # pyright: ignore[reportAttributeAccessIssue]  (set above)
        if name not in known:
            numbers = (number_for(name, *each) for each in ((self.temperature, 1), (self.top_p, 1), (self.min_p, 0)))
            known[name] = ColumnSampling(*numbers, constraint=self.constraints.get(name))
        return known[name]

    def order(self, names: Sequence[str], order: Sequence[int]) -> Sequence[int]:
        """Return the indices of columns in the order in which they are drawn, given the model's order."""
        first = [i for i in order if names[i] in self.constraints]
        return [*first, *(i for i in order if i not in first)]

    def check(self, columns: Sequence[Column]) -> None:
        """Raise HachimachiError unless a model with these columns can play it: they exist, with bins to draw."""
        by_name = {column.name: column for column in columns}
        for what in ("temperature", "top_p", "min_p", "constraints"):
            named = getattr(self, what)
            for name in named if isinstance(named, Mapping) else ():
                if name not in by_name:
                    found = f"{what.rstrip('s')} for {name!r}: no such column"
                    raise HachimachiError(f"{found}; there are {', '.join(by_name)}")
        if self.polyphony is not None and not {TIME, "duration"} <= set(by_name):
            needs = f"polyphony needs {TIME} and a feature named duration"
            raise HachimachiError(f"{needs}; the model has {', '.join(by_name)}")
        for name, constraint in self.constraints.items():
            allowed_bins(by_name[name], constraint)
        for column in columns:
            if column.grid.bins > MAX_BINS and not self.of(column.name).plain:
                advice = f"draw it as learned, or train with a coarser feature.{column.name}.resolution"
                raise HachimachiError(f"{column.name}: {column.grid.bins:,} bins are too many to shape; {advice}")

    def with_constraint(self, name: str, constraint: Constraint) -> Sampling:
        """Return the same with one constraint more."""
        previous = self.constraints.get(name)
        return replace(self, constraints={**self.constraints, name: previous & constraint if previous else constraint})


def choose_sampling(temperature: ByColumn, sampling: Sampling | None) -> Sampling:
    """Return the sampling that is given, or one of a temperature alone; HachimachiError if both are given."""
    if sampling is not None and temperature != 1:
        raise HachimachiError("temperature and sampling are both given; Sampling(temperature=…) holds both")
    expect(sampling is None or isinstance(sampling, Sampling), "sampling", sampling, "Sampling(temperature=…)")
    return sampling or Sampling(temperature)


def _check_numbers(what: str, given: ByColumn, expected: str, bounds: tuple[float, float]) -> None:
    for value in given.values() if isinstance(given, Mapping) else [given]:
        if not (isinstance(value, Real) and bounds[0] <= value <= bounds[1]):
            raise HachimachiError(f"{what} is {value}; expected a number {expected}")


def number_for(name: str, given: ByColumn, default: float) -> float:
    """Return what holds for one column: its own number, or that for all, which leaves seconds alone unless it is 0.

    >>> number_for("time", 0.8, 1.0), number_for("pitch", 0.8, 1.0), number_for("time", {"time": 0.8}, 1.0)
    (1.0, 0.8, 0.8)
    """
    if isinstance(given, Mapping):
        return given.get(name, default)
    return default if name in SECONDS and given >= LEAST else given


def draw_index(weights: Sequence[float], random: Random) -> int:
    """Draw an index; weights need not sum to 1."""
    rising = list(accumulate(weights))
    return min(bisect_right(rising, random.random() * rising[-1]), len(rising) - 1)


def draw_bin(table: Numbers, random: Random) -> int:
    """Draw an index; weights, shape (bins,), need not sum to 1."""
    if len(table) <= 2 * BLOCK:
        rising = table.cumsum()
        return min(int(rising.searchsorted(random.random() * rising[-1], side="right")), len(rising) - 1)
    block = draw_bin(np.add.reduceat(table, np.arange(0, len(table), BLOCK)), random) * BLOCK
    return block + draw_bin(table[block : block + BLOCK], random)


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
