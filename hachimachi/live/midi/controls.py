"""Between a feature's values and the 0 to 127 of a controller."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME
from hachimachi.grid import Categories

TOP = 127
"""The highest value of a controller."""


class Control:
    """One feature as a controller shows it.

    0 and 127 stand for the ends of the declared range, else of the range of the training data; categories are spread
    evenly over them.

    Args:
        column: The feature.
    """

    def __init__(self, column: Column) -> None:
        self._categories = column.grid.values if isinstance(column.grid, Categories) else ()
        self._step = column.feature.resolution if column.whole else None
        self.low, self.high = (0.0, len(self._categories) - 1.0) if self._categories else _ends(column)

    def value(self, control: int) -> float:
        """Return the feature's value at 0 to 127 of the controller."""
        value = self.low + (self.high - self.low) * control / TOP
        if self._categories:
            return self._categories[round(value)]
        return round(value / self._step) * self._step if self._step else value

    def show(self, value: float) -> int:
        """Return 0 to 127 for the feature's value; what lies beyond takes the end, NaN the middle."""
        if self._categories:
            value = float(np.argmin(np.abs(np.subtract(self._categories, value))))
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(min(max(share, 0.0), 1.0) * TOP) if not math.isnan(share) else 64


def features_of(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns of an event's features, the inter-event time left out."""
    return tuple(column for column in columns if column.name != TIME)


def is_notes(columns: Sequence[Column], controls: Mapping[str, int]) -> bool:
    """Return whether events are notes: they have a pitch, and no controller stands for it."""
    return any(column.name == "pitch" for column in columns) and "pitch" not in controls


def check_controls(columns: Sequence[Column], controls: Mapping[str, int], way: str) -> None:
    """Refuse events that MIDI cannot carry: neither notes nor, as far as is said, controllers.

    Raises:
        HachimachiError: Neither a feature ``pitch`` nor one with a controller.
    """
    names = [column.name for column in features_of(columns)]
    if "pitch" not in names and not any(name in controls for name in names):
        raise HachimachiError(
            f"--midi-{way}: this model has no feature named pitch ({', '.join(names)}), so its events are no notes; "
            f"say which controllers stand for features: --midi-cc {names[0]}=1"
        )


def trained_values(column: Column) -> list[float]:
    """Return the values that occurred in training, ascending."""
    if isinstance(column.grid, Categories):
        return [column.grid.values[position] for position in column.occupied]
    return column.grid.value(np.array(column.occupied, dtype=np.int64)).tolist()


def median(column: Column) -> float:
    """Return the median of the training data; of categories, the commonest."""
    place = np.searchsorted(np.cumsum(column.counts), column.events / 2)
    if isinstance(column.grid, Categories):
        place = np.argmax(column.counts)
    return trained_values(column)[int(place)]


def _ends(column: Column) -> tuple[float, float]:
    values, declared = trained_values(column), (column.feature.min, column.feature.max)
    low, high = (own if said is None else said for said, own in zip(declared, (values[0], values[-1]), strict=True))
    return low, high
