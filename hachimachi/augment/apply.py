"""Augmentations at work on windows of events, with all that holds for every one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, replace
from functools import cached_property, reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.augment.augmentation import ALL, ArgumentError, Augmentation, known, show_dim
from hachimachi.augment.expression import Call, ExpressionError, near, read_calls
from hachimachi.columns import SECONDS, Categories, Column, fit_columns
from hachimachi.errors import HachimachiError, listed
from hachimachi.events import TIME, EventSequence, Feature, check_alike
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS

if TYPE_CHECKING:
    from hachimachi.columns import Column


NOTES = {"pitch": (0, 127), "velocity": (1, 127)}
"""What MIDI can hold of notes, where these are whole numbers."""


@dataclass(frozen=True)
class Layout:
    """The columns of rows of events, the inter-event time first where there is time."""

    columns: tuple[Column, ...]

    @cached_property
    def features(self) -> list[Feature]:
        """What each column is."""
        return [column.feature for column in self.columns]

    @property
    def temporal(self) -> bool:
        """Whether the first column is the inter-event time."""
        return self.features[0].name == TIME

    @cached_property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [feature.name for feature in self.features]

    def places(self, op: Augmentation) -> list[int]:
        """Return the columns that an augmentation is for, each once, in order; for whole events, all.

        Raises:
            ExpressionError: A feature that is not there, or a category; it shows the augmentation written anew.
        """
        if op.dims is None:
            return list(range(len(self.features)))
        places = {place for number in range(len(op.dims)) for place in self._find(op, op.dims, number)}
        return sorted(places)

    def _find(self, op: Augmentation, dims: Sequence[str | int], number: int) -> list[int]:
        dim, names = dims[number], self.names
        if dim == ALL:
            return [i for i, each in enumerate(self.features) if each.name != TIME and each.kind != "categorical"]
        place = dim + self.temporal if isinstance(dim, int) else names.index(dim) if dim in names else -1
        if not 0 <= place < len(names):
            raise _mistake(op, dims, number, self._missing(dim))
        if self.features[place].kind == "categorical":
            why = f"{names[place]} is a category; categories are not calculated with, they only move with rev()"
            raise _mistake(op, dims, number, why)
        return [place]

    def _missing(self, dim: str | int) -> str:
        there = [show_dim(name) for name in self.names if name != TIME]
        if dim == TIME:
            return f"these events have no time; they have {listed(there, most=12)}"
        if isinstance(dim, int):
            return f"no feature number {dim}; there are {len(there)}, counted from 0: {listed(there, most=12)}"
        known = [show_dim(name) for name in self.names]
        return f"no feature {show_dim(dim)}{near(dim, known) or f'; there are {listed(known, most=12)}'}"

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """The lowest and the highest value that each column may hold, shape (2, D)."""
        return np.array([_ends(column) for column in self.columns], dtype=np.float64).T

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """Which columns hold whole numbers only, shape (D,)."""
        return np.array([column.whole for column in self.columns])

    @cached_property
    def pitch(self) -> int | None:
        """The column of pitches, if there is one."""
        return self.names.index("pitch") if "pitch" in self.names else None

    def drums(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which events of rows (B, T, D) are drums, shape (B, T)."""
        found = np.zeros(rows.shape[:2], dtype=np.bool_)
        for place, column in enumerate(self.columns):
            if column.name in ("instrument", "channel"):
                found |= rows[..., place] == (DRUMS if column.name == "instrument" else _drum_channel(column))
        return found


def _drum_channel(column: Column) -> int:
    # counted from 0 as in files, from 1 where the data has a channel 16
    return DRUM_CHANNEL + (_extent(column)[1] >= 16)


def _extent(column: Column) -> tuple[float, float]:
    """Return the lowest and the highest value of the data that the column was found in."""
    if isinstance(column.grid, Categories):
        return min(column.grid.values), max(column.grid.values)
    low, high = column.grid.value(np.array([column.occupied[0], column.occupied[-1]]))
    return float(low), float(high)


def _ends(column: Column) -> tuple[float, float]:
    feature = column.feature
    low = -math.inf if feature.min is None else feature.min
    high = math.inf if feature.max is None else feature.max
    if column.name in SECONDS:
        low = max(low, 0.0)
    if not column.whole:
        return low, high
    if column.name in NOTES:  # unless the data itself goes beyond, as a pitch in hertz does
        (lowest, highest), (first, last) = NOTES[column.name], _extent(column)
        low, high = max(low, min(lowest, first)), min(high, max(highest, last))
    return float(np.ceil(low)), float(np.floor(high))


def _mistake(op: Augmentation, dims: Sequence[str | int], number: int, message: str) -> ExpressionError:
    """Return a mistake in one of the features of an augmentation, shown as it would be written."""
    before = f"{op.name}(dims=" + "(" * (len(dims) > 1) + "".join(f"{show_dim(dim)}, " for dim in dims[:number])
    return ExpressionError(message, str(op), len(before))


Rows = NDArray[np.float64]
NEARLY = 1e-9
"""A value this near to an end of its range, as a share of it, has not left it: that is rounding."""


@dataclass(frozen=True)
class Tally:
    """What one augmentation did.

    Args:
        windows: Windows it was applied to.
        seen: Values it may have changed, by column, shape (D,).
        changed: Values it changed.
        held: Values that would have left their range, or been no numbers: held at its ends, or left as they were.
    """

    windows: int
    seen: NDArray[np.int64]
    changed: NDArray[np.int64]
    held: NDArray[np.int64]

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.windows + other.windows, self.seen + other.seen, self.changed + other.changed, self.held + other.held
        )


@dataclass(frozen=True)
class Outcome:
    """What came of windows.

    Args:
        rows: Their events, shape (B, T, D).
        applied: To which of them any augmentation was applied, shape (B,).
        tallies: What each augmentation did.
    """

    rows: Rows
    applied: NDArray[np.bool_]
    tallies: list[Tally]


@dataclass(frozen=True)
class Bound:
    """Augmentations that know which columns they are for; made by :func:`bind`."""

    layout: Layout
    ops: tuple[tuple[Augmentation, list[int]], ...]

    def __call__(self, rows: Rows, random: np.random.Generator, among: NDArray[np.bool_] | None = None) -> Outcome:
        """Apply them, one after the other.

        Args:
            rows: Windows of events, shape (B, T, D): columns as in the layout, NaN in all of them where a window is
                shorter than T (at its end), and in the first where no time came before. They stay as they are.
            random: Where to draw from; the same state gives the same outcome.
            among: Which windows may be changed, shape (B,); all by default.

        Raises:
            HachimachiError: An augmentation that returned something of another shape.
        """
        applied, tallies = np.zeros(len(rows), dtype=np.bool_), []
        for op, places in self.ops:
            chosen = random.random(len(rows)) < op.p
            chosen = chosen if among is None else chosen & among
            rows, tally = self._apply(op, places, rows, chosen, random)
            applied |= chosen
            tallies.append(tally)
        return Outcome(rows, applied, tallies)

    @property
    def touched(self) -> list[str]:
        """The names of the columns that may change."""
        places = {place for _, its in self.ops for place in its}
        return [self.layout.names[place] for place in sorted(places)]

    def _apply(
        self, op: Augmentation, places: list[int], rows: Rows, chosen: NDArray[np.bool_], random: np.random.Generator
    ) -> tuple[Rows, Tally]:
        old = self._pick(op, places, rows)
        new = np.asarray(op.change(old.copy(), random), dtype=np.float64)
        if new.shape != old.shape:
            raise HachimachiError(f"{op.name} returned shape {new.shape}, expected that of its values, {old.shape}")
        seen = chosen[:, None, None] & ~np.isnan(old)
        new, held = self._fit(op, places, old, new)
        changed = seen & (new != old)
        result = rows.copy()
        result[..., places] = np.where(changed, new, rows[..., places])
        counts = [self._count(places, which) for which in (seen, changed, seen & held)]
        return result, Tally(int(chosen.sum()), *counts)

    def _pick(self, op: Augmentation, places: list[int], rows: Rows) -> Rows:
        """Return the columns, NaN where they are to stay."""
        old = rows[..., places]
        pitch = self.layout.pitch
        if op.along and self.layout.temporal and 0 in places:
            old[:, :1, places.index(0)] = np.nan
        if op.dims is not None and pitch in places:
            old[self.layout.drums(rows), places.index(pitch)] = np.nan
        return old

    def _fit(self, op: Augmentation, places: list[int], old: Rows, new: Rows) -> tuple[Rows, NDArray[np.bool_]]:
        """Return new values as their columns may hold them, and which had to be held."""
        if op.dims is None:  # whole events: what they hold has been held before
            return new, np.zeros(new.shape, dtype=np.bool_)
        low, high = self.layout.bounds[:, places]
        lost = ~np.isfinite(new)
        new = np.where(lost, old, new)
        new = np.where(self.layout.whole[places], np.floor(new + 0.5), new)
        fitting = np.where(new == old, old, np.clip(new, low, high))
        beyond = np.abs(fitting - new) > NEARLY * np.maximum(1.0, np.abs(fitting))
        return fitting, beyond | lost

    def _count(self, places: list[int], which: NDArray[np.bool_]) -> NDArray[np.int64]:
        counts = np.zeros(len(self.layout.columns), dtype=np.int64)
        counts[places] = which.sum((0, 1))
        return counts


def bind(ops: Sequence[Augmentation], columns: Sequence[Column]) -> Bound:
    """Make augmentations ready for rows of events.

    Args:
        ops: In the order in which they are applied.
        columns: What the rows hold, as :func:`~hachimachi.columns.fit_columns` finds it.

    Raises:
        ExpressionError: A feature that is not there, or that cannot be calculated with.
    """
    layout = Layout(tuple(columns))
    return Bound(layout, tuple((op, layout.places(op)) for op in ops))


@dataclass(frozen=True)
class Chain:
    """Augmentations, one after the other. ``str()`` writes the expression that reads back to it."""

    ops: tuple[Augmentation, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.ops))

    def bind(self, columns: Sequence[Column]) -> Bound:
        """Make it ready for rows of events; see :func:`~hachimachi.augment.apply.bind`."""

        return bind(self.ops, columns)


def parse(source: str | Sequence[str] | Chain) -> Chain:
    """Read an expression, or several, each of which may hold several operations: ``"abs(dims=x); rev(p=0.5)"``.

    Nothing is evaluated: names stand for what is registered, and only for that.

    Raises:
        ExpressionError: What cannot be read, and where; the message has three lines.

    >>> str(parse("addrand(range=(-6.0, +6), dims=(pitch))"))
    'addrand(dims=pitch, range=(-6, 6))'
    >>> parse(["rev", "clip(min=0.0, dims=t)"]) == parse("rev(); clip(dims=t, min=0)")
    True
    >>> parse("addrand(range=(-6, 6), dim=pitch)")
    Traceback (most recent call last):
        ...
    hachimachi.augment.expression.ExpressionError: addrand has no argument dim; did you mean dims?
      addrand(range=(-6, 6), dim=pitch)
                             ^
    """
    if isinstance(source, Chain):
        return source
    texts = [source] if isinstance(source, str) else source
    return Chain(tuple(_build(call, text) for text in texts for call in read_calls(text)))


def _build(call: Call, text: str) -> Augmentation:
    """Make the augmentation that a call stands for."""
    name, table = call.name.text, known()
    if name not in table:
        hint = near(name, table) or f"; there are {', '.join(table)}"
        raise ExpressionError(f"no operation {name}{hint}", text, call.name.at)
    kind = table[name]
    values = _read_values(call, kind, text)
    for key, argument, field in kind.arguments():
        if field.default is MISSING and key not in values:
            raise ExpressionError(f"{name} lacks {key}: expected {argument.expected}", text, call.name.at)
    try:
        return kind(**values)
    except ArgumentError as error:
        place = call.values[error.key].at if error.key in call.values else call.name.at
        raise ExpressionError(str(error), text, place) from error


def _read_values(call: Call, kind: type[Augmentation], text: str) -> dict[str, Any]:
    arguments = {key: argument for key, argument, _ in kind.arguments()}
    values = {}
    for key, token in call.keys.items():
        if key not in arguments:
            hint = near(key, arguments) or f"; it has {', '.join(arguments)}"
            raise ExpressionError(f"{call.name.text} has no argument {key}{hint}", text, token.at)
        written, argument = call.values[key], arguments[key]
        values[key] = argument.read(written)
        if values[key] is None or not argument.accepts(values[key]):
            found = f"{key} is {written.source}, expected {argument.expected}{argument.hint(written)}"
            raise ExpressionError(found, text, written.at)
    return values


@dataclass(frozen=True)
class Augmented:
    """What came of sequences.

    Args:
        sequences: Changed, and with ``keep`` the originals, each before its copies.
        ops: What was done.
        tallies: How much each operation did.
        copies: Number of the sequences that are no originals.
    """

    sequences: list[EventSequence]
    ops: Chain
    tallies: list[Tally]
    copies: int


def augment(
    sequences: Sequence[EventSequence],
    ops: str | Sequence[str] | Chain,
    seed: int = 0,
    *,
    count: int = 1,
    keep: bool = False,
) -> Augmented:
    """Change sequences by augmentations; those given stay as they are.

    Args:
        sequences: At least one, all with the same features.
        ops: What to do, as expressions: ``"addrand(range=(-6, 6), dims=pitch)"``.
        seed: Another seed, other draws. What is drawn for a sequence depends on its place, not on the others.
        count: Copies of each sequence, each drawn anew.
        keep: Whether the originals come too. Copies are called ``name~1`` and so on where there are several, or these.

    Raises:
        ExpressionError: An expression that cannot be read, or a feature that is not there.
        HachimachiError: Sequences that differ in features, or no events in them.

    >>> from hachimachi.events import make_sequence
    >>> scale = make_sequence([[60], [62], [64]], [0.0, 0.5, 2.0], names=["pitch"])
    >>> [turned] = augment([scale], "rev(); add(value=12, dims=pitch)").sequences
    >>> turned.column("pitch").tolist(), turned.time.tolist()
    ([76.0, 74.0, 72.0], [0.0, 1.5, 2.0])
    """
    chain = parse(ops)
    check_alike(sequences)
    bound = chain.bind(fit_columns(sequences))
    made, tallies = [], []
    for place, sequence in enumerate(sequences):
        made += [sequence] if keep else []
        for copy in range(1, count + 1):
            changed, done = _change(sequence, bound, np.random.default_rng([seed, place, copy]))
            made.append(replace(changed, name=f"{changed.name}~{copy}") if keep or count > 1 else changed)
            tallies.append(done)
    return Augmented(made, chain, [reduce(add, each) for each in zip(*tallies, strict=True)], len(tallies))


def _change(sequence: EventSequence, bound: Bound, random: np.random.Generator) -> tuple[EventSequence, list[Tally]]:
    rows = sequence.rows()
    outcome = bound(rows[None], random)
    changed, time = outcome.rows[0], sequence.time
    if time is None:
        return replace(sequence, data=changed), outcome.tallies
    between = changed[1:, 0]
    if not np.array_equal(between, rows[1:, 0]):  # unchanged, times are not rounded by being added up again
        time = time[:1] + np.cumsum(np.concatenate([[0.0], between]))
    return replace(sequence, data=changed[:, 1:], time=time), outcome.tallies
