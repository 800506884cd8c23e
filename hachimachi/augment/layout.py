"""What the columns of events are to an augmentation: which are meant, what they may hold, what is left alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.augment.arguments import ALL, show_dim
from hachimachi.augment.augmentation import Augmentation
from hachimachi.augment.expression_error import ExpressionError, near
from hachimachi.columns import SECONDS
from hachimachi.events import TIME, Feature

NOTES = {"pitch": (0, 127), "velocity": (1, 127)}
"""What MIDI can hold of notes, whatever the data declares, where these are whole numbers."""
DRUMS = {"instrument": (128,), "channel": (10,)}
"""Column → its values that mean drums, whose pitches are names, not heights."""


@dataclass(frozen=True)
class Layout:
    """The columns of rows of events.

    Args:
        features: What they are, their kinds decided; the inter-event time first where there is time.
    """

    features: tuple[Feature, ...]

    @property
    def temporal(self) -> bool:
        """Whether the first column is the inter-event time."""
        return self.features[0].name == TIME

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [feature.name for feature in self.features]

    def places(self, op: Augmentation) -> list[int]:
        """Return the columns that an augmentation is for, each once, in order; for whole events, all.

        Raises:
            ExpressionError: A feature that is not there, or a category; the expression shown is the augmentation written anew.
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
            return f"these events have no time; they have {', '.join(there)}"
        if isinstance(dim, int):
            return f"no feature number {dim}; there are {len(there)}, counted from 0: {', '.join(there)}"
        known = [show_dim(name) for name in self.names]
        listed = ", ".join(known)
        return f"no feature {show_dim(dim)}{near(dim, known) or f'; there are {listed}'}"

    def bounds(self, places: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lowest and the highest value that columns may hold, each of shape (K,)."""
        ends = np.array([_ends(self.features[place]) for place in places], dtype=np.float64).reshape(-1, 2)
        return ends[:, 0], ends[:, 1]

    def whole(self, places: Sequence[int]) -> NDArray[np.bool_]:
        """Return which columns hold whole numbers only, shape (K,)."""
        return np.array([_is_whole(self.features[place]) for place in places], dtype=np.bool_)

    def drums(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which events of rows (B, T, D) are drums, shape (B, T)."""
        found = np.zeros(rows.shape[:2], dtype=np.bool_)
        for place, name in enumerate(self.names):
            if name in DRUMS:
                found |= np.isin(rows[..., place], DRUMS[name])
        return found


def _ends(feature: Feature) -> tuple[float, float]:
    low = -math.inf if feature.min is None else feature.min
    high = math.inf if feature.max is None else feature.max
    if feature.name in SECONDS:
        low = max(low, 0.0)
    if not _is_whole(feature):
        return low, high
    if feature.name in NOTES:
        low, high = max(low, NOTES[feature.name][0]), min(high, NOTES[feature.name][1])
    return (math.ceil(low) if low > -math.inf else low), (math.floor(high) if high < math.inf else high)


def _is_whole(feature: Feature) -> bool:
    return feature.kind == "integer" or feature.resolution == 1


def _mistake(op: Augmentation, dims: Sequence[str | int], number: int, message: str) -> ExpressionError:
    """Return a mistake in one of the features of an augmentation, shown as it would be written."""
    before = f"{op.name}(dims=" + "(" * (len(dims) > 1) + "".join(f"{show_dim(dim)}, " for dim in dims[:number])
    return ExpressionError(message, str(op), len(before))
