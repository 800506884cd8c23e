"""What the columns of events are to an augmentation: which are meant, what they may hold, what is left alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hachimachi.augment.arguments import ALL, show_dim
from hachimachi.augment.augmentation import Augmentation
from hachimachi.augment.expression_error import ExpressionError, near
from hachimachi.columns import SECONDS, Column
from hachimachi.events import TIME, Feature
from hachimachi.grid import Categories
from hachimachi.io.midi_options import DRUM_CHANNEL, DRUMS
from hachimachi.text import listed

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
