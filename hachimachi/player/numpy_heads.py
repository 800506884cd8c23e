"""Heads in NumPy: they draw single events from what the torch modules predict, fast. And how they encode columns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import FLOOR, LIMIT, Categories, Column, arrange
from hachimachi.player.column_samplers import CategorySampler, MixtureParams, NumberSampler, softmax
from hachimachi.player.numpy_backbones import Arrays, Vector, as_array
from hachimachi.sampling import PLAIN, ColumnSampling, Numbers, Sampling, draw_index, sigmoid

CACHED_VALUES = 256  # values of a column for which it is kept what they say to the others: most columns have no more
Write = Callable[[float, Vector], None]  # writes the encoding of one value of a column over a vector, shape (size,)


def symlog(x: float) -> float:
    """Return a number as it is up to LIMIT, and beyond as LIMIT + ln(1 + the rest)."""
    size = abs(x)
    return x if size <= LIMIT else math.copysign(LIMIT + math.log1p(size - LIMIT), x)


def symexp(x: float) -> float:
    """Return the number that :func:`symlog` was given."""
    size = abs(x)
    return x if size <= LIMIT else math.copysign(LIMIT + math.expm1(min(size - LIMIT, 700.0)), x)


def column_writer(
    column: Column, arrays: Mapping[str, np.ndarray], prefix: str, *, flag: bool = False
) -> tuple[int, Write]:
    """Return the width of a column's encoding and what writes it, by weights under a prefix; ``flag`` adds: known."""
    embedding = arrays.get(f"{prefix}.embedding.weight")
    rows = [] if embedding is None else list(as_array(embedding))
    grid = column.grid
    first, expected = (0, grid.bins) if isinstance(grid, Categories) else column.embedded
    if len(rows) != expected:
        raise ValueError(f"{len(rows)} rows of {prefix} for {expected} bins")
    if isinstance(grid, Categories):
        known, unknown = dict(zip(grid.values, rows, strict=False)), rows[-1]

        def write_category(value: float, out: Vector) -> None:
            out[: len(unknown)] = 0.0 if math.isnan(value) else known.get(value, unknown)
            if flag:
                out[-1] = not math.isnan(value)

        return len(unknown) + flag, write_category
    # at hand, since every event that is observed or drawn comes by here
    (mean, std), log, resolution, low = column.moments, grid.log, grid.resolution, grid.low + first

    def write_number(value: float, out: Vector) -> None:
        if math.isnan(value):
            out.fill(0.0)
            return
        warped = math.log(max(value, resolution / 2)) if log else value
        out[0] = symlog((warped - mean) / std)
        if log:
            out[1] = value < resolution / 2
        if rows:
            number = min(max(math.floor(value / resolution + 0.5) - low, 0), len(rows) - 1)
            out[1 + log : size - flag] = rows[number]
        if flag:
            out[-1] = 1.0

    size = 1 + log + (len(rows[0]) if rows else 0) + flag
    return size, write_number


class NumpyHead(ABC):
    """Draws single events from the distributions of a head, without floor and unknown categories, which inputs need."""

    @abstractmethod
    def sample(self, hidden: Vector, last: Sequence[float], sampling: Sampling, random: Random) -> NDArray[np.float64]:
        """Draw an event, raw values of shape (D,), given what the head predicts from, float32, shape (H,), and the raw
        values of the previous event, NaN where there was none."""


class NumpyAutoregressive(NumpyHead):
    """An :class:`~hachimachi.models.heads.autoregressive.AutoregressiveHead` for one event at a time.

    First :meth:`begin`; then, in any order, ask for the :meth:`parameters` of a column and :meth:`reveal` its value.
    What a column says to the others is added to their hidden layers once it is revealed, and never computed again.
    In the hidden vector, the previous value of column i stands at ``previous[i]``.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        previous: dict[int, int],
        arrays: Arrays,
        order: Sequence[str] = (),
        intervals: int = 0,
        **_: Any,
    ) -> None:
        self.names = [column.name for column in columns]
        self.order = arrange(self.names, order)
        self.previous = [previous.get(i) for i in range(len(columns))]
        linears = [tuple(arrays[f"out_proj.{i}.{part}"] for part in ("weight", "bias")) for i in range(len(columns))]
        self.samplers = [
            _CategoryColumn(column, len(bias))
            if isinstance(column.grid, Categories)
            else _NumberColumn(column, len(bias), intervals)
            for column, (_, bias) in zip(columns, linears, strict=True)
        ]
        self.out_proj = [(as_array(weight.T), as_array(bias)) for weight, bias in linears]
        self.context_proj = as_array(arrays["context_proj.weight"].T), as_array(arrays["context_proj.bias"])
        cross = arrays["cross_column"]  # (D, G, W)
        self.layer, self.relu = np.empty(len(self.context_proj[1]), np.float32), np.empty(cross.shape[2], np.float32)
        self.layers = list(self.layer.reshape(len(columns), -1))  # views, (W,) of each column
        writers = [column_writer(column, arrays, f"encoders.{i}") for i, column in enumerate(columns)]
        sizes = [size for size, _ in writers]
        *encodings, known = np.split(cross.transpose(1, 0, 2).reshape(cross.shape[1], -1), np.cumsum(sizes))
        self.cross = [as_array(np.vstack([part, flag])) for part, flag in zip(encodings, known, strict=True)]
        self.encoded = [np.ones(size + 1, np.float32) for size in sizes]  # each ends in the 1 that says: known
        self.write = [write for _, write in writers]
        self.effects: list[dict[float, Vector]] = [{} for _ in columns]

    def sample(self, hidden: Vector, last: Sequence[float], sampling: Sampling, random: Random) -> NDArray[np.float64]:
        """Draw an event that follows a hidden vector of shape (H,)."""
        order = sampling.order(self.names, self.order)
        self.begin(hidden)
        row = [math.nan] * len(order)
        for column in order:
            offset, sampler = self.previous[column], self.samplers[column]
            previous = math.nan if offset is None else symexp(float(hidden[offset]))
            options = sampling.of(self.names[column])
            row[column] = sampler.draw(self.parameters(column), previous, last[column], options, random)
            if column != order[-1]:  # after that there is no column left to see it
                self.reveal(column, row[column])
        return np.array(row)

    def begin(self, hidden: Vector) -> None:
        """Take in the past, shape (H,); what was revealed of an event before is forgotten."""
        weight, bias = self.context_proj
        np.dot(hidden, weight, out=self.layer)
        self.layer += bias

    def parameters(self, column: int) -> Vector:
        """Return the parameters of a column's distribution, shape (P,), given the past and what was revealed."""
        weight, bias = self.out_proj[column]
        np.maximum(self.layers[column], 0.0, out=self.relu)
        raw = self.relu.dot(weight)
        raw += bias
        return raw

    def reveal(self, column: int, value: float) -> None:
        """Let the other columns see the value of one, the middle of its bin."""
        value = self.samplers[column].snap(value)
        effect = self.effects[column].get(value)
        if effect is None:
            encoded = self.encoded[column]
            self.write[column](value, encoded[:-1])
            effect = encoded.dot(self.cross[column])
            if len(self.effects[column]) < CACHED_VALUES:
                self.effects[column][value] = effect
        self.layer += effect


class _NumberColumn:
    """Draws from a :class:`~hachimachi.models.heads.column_distribution.NumberDistribution` of P parameters."""

    def __init__(self, column: Column, size: int, intervals: int) -> None:
        self.numbers = NumberSampler(column)
        self.snap = self.numbers.grid.snap
        self.reach, self.tilts = intervals if column.pitched else 0, column.tilts
        components, rest = divmod(size - 2 - self.tilts - (2 * self.reach + 1) * bool(self.reach), 3)
        if components < 1 or rest:
            raise ValueError(f"{size} parameters for {column.name}")
        self.ends = 2 + components, 2 + 2 * components, 2 + 3 * components
        occupied = np.array(column.histogram.occupied)
        farther = occupied - np.arange(column.grid.bins)[:, None] if self.reach else np.empty(0, int)
        self.intervals = np.clip(farther, -self.reach, self.reach) + self.reach  # by previous bin, (bins, distinct)
        self.moving = np.arange(components) % 2 == 0

    def draw(self, raw: Vector, previous: float, last: float, options: ColumnSampling, random: Random) -> float:
        """Draw a value by parameters of shape (P,), the previous value on its scale (NaN if unknown), and as it was."""
        logits = raw[: self.ends[0]].tolist()
        highest = max(logits)
        weights = [math.exp(logit - highest) for logit in logits]
        if math.isnan(previous):
            weights[1] = 0.0
        given = raw, weights, previous, last
        return self.numbers.sample(options, partial(self._draw, *given, random), partial(self._params, *given), random)

    def _draw(self, raw: Vector, weights: list[float], previous: float, last: float, random: Random) -> float:
        way = draw_index(weights, random)
        if way == 0:
            return self.numbers.grid.spread(self.numbers.histogram.draw(random, self._tilt(raw, previous)), random)
        if way == 1:
            return self.numbers.same(self.numbers.grid.index_of_scaled(previous), last)
        location, log_scale = (float(raw[end + way - 2]) for end in self.ends[:2])
        if (way - 2) % 2 == 0 and not math.isnan(previous):
            location += previous
        return self.numbers.logistic(location, log_scale, random)

    def _params(self, raw: Vector, weights: list[float], previous: float, last: float) -> MixtureParams:
        shares = np.array(weights) / sum(weights)
        exact, (first, second, third) = raw.astype(np.float64), self.ends
        locations, log_scales, tilt = exact[first:second], exact[second:third], self._tilt(exact, previous)
        index = -1
        if not math.isnan(previous):
            locations, index = locations + self.moving * previous, self.numbers.grid.index_of_scaled(previous)
        parts = float(shares[0]), float(shares[1]), shares[2:], locations, log_scales
        return MixtureParams(*parts, tilt, index, last)

    def _tilt(self, raw: NDArray[Any], previous: float) -> NDArray[Any] | None:
        """Return the logits that are added to those of the histogram's occupied bins, shape (distinct,)."""
        end = self.ends[2] + self.tilts
        tilt = raw[self.ends[2] : end] if self.tilts else None
        if not self.reach or math.isnan(previous):
            return tilt
        added = raw[end:][self.intervals[self.numbers.grid.index_of_scaled(previous)]]
        return added if tilt is None else tilt + added


class _CategoryColumn:
    """Draws from a :class:`~hachimachi.models.heads.column_distribution.CategoryDistribution`."""

    def __init__(self, column: Column, size: int) -> None:
        assert isinstance(column.grid, Categories)
        if size != len(column.grid.values):
            raise ValueError(f"{size} parameters for {column.name}")
        self.categories = CategorySampler(column.grid)

    def draw(self, raw: Vector, previous: float, last: float, options: ColumnSampling, random: Random) -> float:  # noqa: ARG002
        return self.categories.draw(np.exp((raw - raw.max()).astype(np.float64)), options, random)

    def snap(self, value: float) -> float:
        return value


class NumpyMixture(NumpyHead):
    """A :class:`~hachimachi.models.heads.mixture.MixtureHead` for one event at a time: a component and then its columns
    where all are drawn as predicted, else column by column from their tables. The previous values have no part in it:
    what a component says of them follows from the hidden vector."""

    def __init__(self, columns: Sequence[Column], previous: dict[int, int], arrays: Arrays, **_: Any) -> None:
        del previous
        self.order, self.names = range(len(columns)), [column.name for column in columns]
        self.columns = [
            _CategoryComponents(column) if isinstance(column.grid, Categories) else _NumberComponents(column)
            for column in columns
        ]
        self.weight, self.bias = as_array(arrays["out_proj.weight"].T), as_array(arrays["out_proj.bias"])
        sizes = [part.size for part in self.columns]
        self.components, rest = divmod(len(self.bias), 1 + sum(sizes))
        if self.components < 1 or rest:
            raise ValueError(f"{len(self.bias)} parameters")
        self.ends = np.cumsum([self.components, *(self.components * size for size in sizes)])[:-1].tolist()

    def parameters(self, hidden: Vector) -> list[Vector]:
        """Return the logits of the components, shape (K,), and their parameters for each column, shape (K, P)."""
        logits, *raws = np.split(hidden.dot(self.weight) + self.bias, self.ends)
        return [logits, *(raw.reshape(self.components, -1) for raw in raws)]

    def sample(self, hidden: Vector, last: Sequence[float], sampling: Sampling, random: Random) -> NDArray[np.float64]:  # noqa: ARG002
        """Draw an event that follows a hidden vector of shape (H,)."""
        logits, *raws = (part.astype(np.float64) for part in self.parameters(hidden))
        weights = np.exp(logits - logits.max())
        drawn: list[float] = []
        if all(sampling.of(name).plain for name in self.names):
            chosen = draw_index(weights.tolist(), random)
            drawn = [part.draw_from(raw[chosen], random) for part, raw in zip(self.columns, raws, strict=True)]
            kept = [part.plays(value) for part, value in zip(self.columns, drawn, strict=True)]
            if all(kept):
                return np.array(drawn)
            drawn = drawn[: kept.index(False)]
        row = np.empty(len(raws))
        for i, column in enumerate(sampling.order(self.names, self.order)):
            weights = weights / weights.sum()
            part, raw, options = self.columns[column], raws[column], sampling.of(self.names[column])
            row[column] = drawn[i] if i < len(drawn) else part.draw(raw, weights, options, random)
            weights = weights * (FLOOR / part.grid.bins + (1 - FLOOR) * part.masses(raw, row[column]))
        return row


class _NumberComponents:
    """Draws from K :class:`~hachimachi.models.heads.column_distribution.NumberComponent`, weighted, shape (K, 3)."""

    size = 3

    def __init__(self, column: Column) -> None:
        self.numbers = NumberSampler(column)
        self.grid, self.plays = self.numbers.grid.grid, self.numbers.grid.plays

    def draw_from(self, raw: Numbers, random: Random) -> float:
        location, log_scale, gate = raw.tolist()
        if random.random() < sigmoid(gate):
            return self.numbers.grid.spread(self.numbers.histogram.draw(random), random)
        return self.numbers.logistic(location, log_scale, random)

    def draw(self, raw: Numbers, weights: Numbers, options: ColumnSampling, random: Random) -> float:
        def ancestral() -> float:
            return self.draw_from(raw[draw_index(weights.tolist(), random)], random)

        def params() -> MixtureParams:
            locations, log_scales, gates = raw.T
            counted = 1 / (1 + np.exp(-gates))
            return MixtureParams(float(weights @ counted), 0.0, weights * (1 - counted), locations, log_scales)

        return self.numbers.sample(options, ancestral, params, random)

    def masses(self, raw: Numbers, value: float) -> Numbers:
        """Return the probability of a value's bin under each component, shape (K,), without the floor."""
        index = self.numbers.grid.index(value)
        locations, log_scales, gates = raw.T
        counted = 1 / (1 + np.exp(-gates))
        smooth = self.numbers.bin_masses(locations, log_scales, index)
        return counted * self.numbers.histogram.table(index, index + 1) + (1 - counted) * smooth


class _CategoryComponents:
    """Draws from K :class:`~hachimachi.models.heads.column_distribution.CategoryDistribution`, shape (K, P)."""

    def __init__(self, column: Column) -> None:
        assert isinstance(column.grid, Categories)
        self.grid, self.size, self.categories = column.grid, len(column.grid.values), CategorySampler(column.grid)

    def plays(self, value: float) -> bool:  # noqa: ARG002  (no other can be drawn)
        return True

    def draw_from(self, raw: Numbers, random: Random) -> float:
        return self.categories.draw(softmax(raw), PLAIN, random)

    def draw(self, raw: Numbers, weights: Numbers, options: ColumnSampling, random: Random) -> float:
        return self.categories.draw(weights @ softmax(raw), options, random)

    def masses(self, raw: Numbers, value: float) -> Numbers:
        """Return the probability of a category under each component, shape (K,); the unknown class weighs nothing."""
        return softmax(raw)[:, self.categories.known.index(value)]


NUMPY_HEADS: dict[str, type[NumpyAutoregressive | NumpyMixture]] = {
    "autoregressive": NumpyAutoregressive,
    "mixture": NumpyMixture,
}
"""By the names of their torch modules."""
