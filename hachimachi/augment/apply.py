"""Apply augmentations to windows of events and to sequences: chains, bound to columns, with counts of changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, replace
from functools import cached_property, reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from hachimachi.augment.augmentation import ALL, ArgumentError, Augmentation, known, show_dim
from hachimachi.augment.expression import Call, ExpressionError, near, read_calls
from hachimachi.columns import SECONDS, Categories, Column, fit_columns
from hachimachi.errors import HachimachiError, listed
from hachimachi.events import TIME, EventSequence, check_alike
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS

MIDI_RANGES = {"pitch": (0, 127), "velocity": (1, 127)}  # ranges of columns in MIDI, for whole numbers
NEARLY = 1e-9  # relative tolerance of rounding at the bounds of a range

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class EventLayout:
    """The columns of rows of events, the inter-event time first if there is time."""

    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @property
    def temporal(self) -> bool:
        """Whether the first column is the inter-event time."""
        return self.names[0] == TIME

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """The lowest and the highest value that each column may hold, shape (2, D)."""
        bounds = []
        for column in self.columns:
            feature = column.feature
            low = -math.inf if feature.min is None else feature.min
            high = math.inf if feature.max is None else feature.max
            if column.name in SECONDS:
                low = max(low, 0.0)
            if column.whole and column.name in MIDI_RANGES:  # unless the data goes beyond, as a pitch in hertz does
                (lowest, highest), (first, last) = MIDI_RANGES[column.name], extent(column)
                low, high = max(low, min(lowest, first)), min(high, max(highest, last))
            bounds.append((np.ceil(low), np.floor(high)) if column.whole else (low, high))
        return np.array(bounds, dtype=np.float64).T

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """Which columns hold whole numbers only, shape (D,)."""
        return np.array([column.whole for column in self.columns])

    def indices(self, op: Augmentation) -> list[int]:
        """Return the indices of an augmentation's columns, each once, in order; for whole events, all. An unknown
        feature or a category raises an ExpressionError that shows the augmentation as an expression."""
        if op.dims is None:
            return list(range(len(self.names)))
        kinds = [column.feature.kind for column in self.columns]
        found: set[int] = set()
        for number, dim in enumerate(op.dims):
            if dim == ALL:
                found |= {i for i, kind in enumerate(kinds) if kind != "categorical" and self.names[i] != TIME}
                continue
            index = dim + self.temporal if isinstance(dim, int) else self.names.index(dim) if dim in self.names else -1
            if not 0 <= index < len(self.names):
                why = self._missing(dim)
            elif kinds[index] == "categorical":
                name = self.names[index]
                why = f"{name} is a category; categories are not calculated with, they only move with rev()"
            else:
                found.add(index)
                continue
            preceding = "".join(f"{show_dim(other)}, " for other in op.dims[:number])
            raise ExpressionError(why, str(op), len(f"{op.name}(dims={'(' * (len(op.dims) > 1)}{preceding}"))
        return sorted(found)

    def _missing(self, dim: str | int) -> str:
        names = [show_dim(name) for name in self.names]
        if dim == TIME:
            return f"these events have no time; they have {listed(names, most=12)}"
        if isinstance(dim, int):
            names = names[self.temporal :]
            return f"no feature number {dim}; there are {len(names)}, counted from 0: {listed(names, most=12)}"
        return f"no feature {show_dim(dim)}{near(dim, names) or f'; there are {listed(names, most=12)}'}"

    def drums(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which events of rows (B, T, D) are drums, shape (B, T)."""
        found = np.zeros(rows.shape[:2], dtype=np.bool_)
        for i, column in enumerate(self.columns):
            if column.name == "instrument":
                found |= rows[..., i] == DRUMS
            elif column.name == "channel":  # counted from 0 as in files, from 1 where the data has a channel 16
                found |= rows[..., i] == DRUM_CHANNEL + (extent(column)[1] >= 16)
        return found


def extent(column: Column) -> tuple[float, float]:
    """Return the lowest and the highest value of the data that a column was fitted to."""
    if isinstance(column.grid, Categories):
        return min(column.grid.values), max(column.grid.values)
    low, high = column.grid.value(np.array([column.occupied[0], column.occupied[-1]]))
    return float(low), float(high)


@dataclass(frozen=True)
class OpCounts:
    """What one augmentation did."""

    windows: int  # windows it was applied to
    seen: NDArray[np.int64]  # values it may have changed, by column, shape (D,)
    changed: NDArray[np.int64]  # values it changed
    held: NDArray[np.int64]  # values clipped to their range, or left unchanged since the result was not finite

    def __add__(self, other: OpCounts) -> OpCounts:
        return OpCounts(*map(add, vars(self).values(), vars(other).values()))


@dataclass(frozen=True)
class Outcome:
    """Augmented windows."""

    rows: Rows  # their events, shape (B, T, D)
    applied: NDArray[np.bool_]  # whether any augmentation was applied, shape (B,)
    counts: list[OpCounts]  # of each augmentation


@dataclass(frozen=True)
class Bound:
    """Augmentations with the indices of their columns; made by :meth:`Chain.bind`."""

    layout: EventLayout
    ops: tuple[tuple[Augmentation, list[int]], ...]

    @property
    def touched(self) -> list[str]:
        """The names of the columns that may change."""
        return [self.layout.names[i] for i in sorted({i for _, indices in self.ops for i in indices})]

    def __call__(self, rows: Rows, random: np.random.Generator, among: NDArray[np.bool_] | None = None) -> Outcome:
        """Apply them, one after the other, to windows of events, shape (B, T, D), which are not modified.

        Columns are as in the layout, all NaN for padding at the end of a window, the inter-event time NaN without a
        previous event. ``among`` says which windows may be changed, shape (B,); all by default.
        """
        applied, counts = np.zeros(len(rows), dtype=np.bool_), []
        for op, indices in self.ops:
            chosen = random.random(len(rows)) < op.p
            chosen = chosen if among is None else chosen & among
            names = [self.layout.names[i] for i in indices]
            old = rows[..., indices]  # (B, T, K); NaN where a value stays
            if op.along and TIME in names:
                old[:, :1, names.index(TIME)] = np.nan
            if op.dims is not None and "pitch" in names:
                old[self.layout.drums(rows), names.index("pitch")] = np.nan
            new = np.asarray(op.change_events(old.copy(), names, random), dtype=np.float64)
            if new.shape != old.shape:
                raise HachimachiError(f"{op.name} returned shape {new.shape}, expected that of its values, {old.shape}")
            low, high = self.layout.bounds[:, indices]
            lost = ~np.isfinite(new)
            new = np.where(lost, old, new)
            new = np.where(self.layout.whole[indices], np.floor(new + 0.5), new)
            clipped = np.where(new == old, old, np.clip(new, low, high))
            held = lost | (np.abs(clipped - new) > NEARLY * np.maximum(1.0, np.abs(clipped)))
            seen = chosen[:, None, None] & ~np.isnan(old)
            changed = seen & (clipped != old)
            result = rows.copy()
            result[..., indices] = np.where(changed, clipped, rows[..., indices])
            sums = np.zeros((3, rows.shape[-1]), dtype=np.int64)
            sums[:, indices] = [which.sum((0, 1)) for which in (seen, changed, seen & held)]
            counts.append(OpCounts(int(chosen.sum()), *sums))
            applied |= chosen
            rows = result
        return Outcome(rows, applied, counts)


@dataclass(frozen=True)
class Chain:
    """A sequence of augmentations, applied in this order. ``str()`` returns an expression that parses to it."""

    ops: tuple[Augmentation, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.ops))

    def bind(self, columns: Sequence[Column]) -> Bound:
        """Find the columns of rows, fitted to data; an ExpressionError for an unknown feature, or a category."""
        layout = EventLayout(tuple(columns))
        return Bound(layout, tuple((op, layout.indices(op)) for op in self.ops))


def parse(source: str | Sequence[str] | Chain) -> Chain:
    """Parse one or several expressions, each of one or several operations: ``"abs(dims=x); rev(p=0.5)"``.

    Names are those of registered augmentations. An invalid expression raises ExpressionError: three lines show where.

    >>> str(parse("addrand(range=(-6.0, +6), dims=(pitch))"))
    'addrand(dims=pitch, range=(-6, 6))'
    """
    if isinstance(source, Chain):
        return source
    texts = [source] if isinstance(source, str) else source
    return Chain(tuple(_build(call, text) for text in texts for call in read_calls(text)))


def _build(call: Call, text: str) -> Augmentation:
    name, table = call.name, known()
    if name not in table:
        hint = near(name, table) or f"; there are {', '.join(table)}"
        raise ExpressionError(f"no operation {name}{hint}", text, call.at)
    arguments = {key: (argument, each.default) for key, argument, each in table[name].arguments()}
    values = {}
    for key, given in call.arguments.items():
        if key not in arguments:
            hint = near(key, arguments) or f"; it has {', '.join(arguments)}"
            raise ExpressionError(f"{name} has no argument {key}{hint}", text, given.key_at)
        argument, _ = arguments[key]
        values[key] = argument.read(given.value)
        if not argument.accepts(values[key]):
            found = f"{key} is {given.source}, expected {argument.expected}{near(given.source, argument.words)}"
            raise ExpressionError(found, text, given.at)
    for key, (argument, default) in arguments.items():
        if default is MISSING and key not in values:
            raise ExpressionError(f"{name} lacks {key}: expected {argument.expected}", text, call.at)
    try:
        return table[name](**values)
    except ArgumentError as error:
        at = call.arguments[error.key].at if error.key in values else call.at
        raise ExpressionError(str(error), text, at) from error


@dataclass(frozen=True)
class Augmented:
    """Augmented sequences."""

    sequences: list[EventSequence]
    ops: Chain
    counts: list[OpCounts]  # of each augmentation


def augment(sequences: Sequence[EventSequence], ops: str | Sequence[str] | Chain, seed: int = 0) -> Augmented:
    """Return sequences, all with the same features, augmented by expressions. Random numbers depend on the seed and the
    index of a sequence, not on the others.

    >>> from hachimachi.events import make_sequence
    >>> scale = make_sequence([[60], [62], [64]], [0.0, 0.5, 2.0], names=["pitch"])
    >>> [turned] = augment([scale], "rev(); add(value=12, dims=pitch)").sequences
    >>> turned.column("pitch").tolist(), turned.time.tolist()
    ([76.0, 74.0, 72.0], [0.0, 1.5, 2.0])
    """
    chain = parse(ops)
    check_alike(sequences)
    bound = chain.bind(fit_columns(sequences))
    made, counts = [], []
    for i, sequence in enumerate(sequences):
        rows = sequence.rows()
        outcome = bound(rows[None], np.random.default_rng([seed, i, 1]))
        changed, time = outcome.rows[0], sequence.time
        if time is not None:
            between, changed = changed[1:, 0], changed[:, 1:]
            if not np.array_equal(between, rows[1:, 0]):  # else summing would round the times
                time = time[:1] + np.cumsum(np.concatenate([[0.0], between]))
        made.append(replace(sequence, data=changed, time=time))
        counts.append(outcome.counts)
    return Augmented(made, chain, [reduce(add, each) for each in zip(*counts, strict=True)])
