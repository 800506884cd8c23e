"""Between a feature's values and the 0 to 127 of a controller."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from hachimachi.columns import Categories, Column
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS

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


CHANNELS = 16
MELODIC = tuple(channel for channel in range(CHANNELS) if channel != DRUM_CHANNEL)


def first_channel(values: Collection[float]) -> int:
    """Return the number of the first channel in a feature ``channel`` that had these values in training: 0 as in files,
    1 as people count if there is a sixteenth."""
    return int(CHANNELS in values)


class Channels:
    """Gives each instrument a channel when it first plays; of more than fifteen, the one unused for longest gives way.

    >>> channels = Channels()
    >>> channels.find(48), channels.find(0), channels.find(48), channels.find(DRUMS)
    ((0, True), (1, True), (0, False), (9, False))
    """

    def __init__(self) -> None:
        self._programs: dict[int, int] = {}  # by channel, the least recently used first
        self._kept: set[int] = set()

    def keep(self, channel: int) -> None:
        """Leave a channel to somebody else, the player whose own messages pass through."""
        if channel not in self._kept:
            self._kept.add(channel)
            self._programs.pop(channel, None)

    def set(self, channel: int, program: int) -> bool:
        """Let a channel sound a program; return whether that is new."""
        former = self._programs.pop(channel, None)
        self._programs[channel] = program  # the last of the dictionary is the most recently used
        return former != program

    def find(self, program: int, busy: Collection[int] = ()) -> tuple[int, bool]:
        """Return the channel of an instrument, and whether it has to be told its program first.

        Args:
            program: 0 to 127, or `DRUMS`.
            busy: Channels on which notes sound: of those that could give way, they come last.
        """
        if program == DRUMS:
            return DRUM_CHANNEL, False
        found = next((channel for channel, sounds in self._programs.items() if sounds == program), None)
        channel = self._free(busy) if found is None else found
        return channel, self.set(channel, program)

    def _free(self, busy: Collection[int]) -> int:
        ours = [channel for channel in MELODIC if channel not in self._kept] or list(MELODIC)
        unused = [channel for channel in ours if channel not in self._programs]
        if unused:
            return unused[0]
        used = [channel for channel in self._programs if channel in ours]
        return next((channel for channel in used if channel not in busy), used[0])
