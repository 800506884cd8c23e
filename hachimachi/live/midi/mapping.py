"""What keys, controllers and channels of MIDI mean to the features of a model, and the other way round."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from hachimachi.columns import Categories, Column
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, Feature
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS
from hachimachi.live.protocols import Note

FROM_KEYS = ("pitch", "velocity", "channel", "instrument")  # what a key gives, where no controller stands for it
TOP = 127  # the highest value of a controller
CHANNELS = 16
MELODIC = tuple(channel for channel in range(CHANNELS) if channel != DRUM_CHANNEL)


class Control:
    """One feature as a controller shows it: 0 and 127 are the ends of the declared range, else of what occurred."""

    def __init__(self, column: Column) -> None:
        self._categories = column.grid.values if isinstance(column.grid, Categories) else ()
        self._step = column.feature.resolution if column.whole else None
        values, ends = trained_values(column), (column.feature.min, column.feature.max)
        self.low, self.high = (
            (0.0, len(self._categories) - 1.0)
            if self._categories
            else (values[0] if ends[0] is None else ends[0], values[-1] if ends[1] is None else ends[1])
        )

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
    """Refuse events that MIDI cannot carry: neither with a feature ``pitch`` nor with one that has a controller."""
    names = [column.name for column in features_of(columns)]
    if "pitch" not in names and not any(name in controls for name in names):
        raise HachimachiError(
            f"--midi-{way}: this model has no feature named pitch ({', '.join(names)}), so its events are no notes; "
            f"say which controllers stand for features: --midi-cc {names[0]}=1"
        )


def trained_values(column: Column) -> list[float]:
    """Return the values that occurred in training, ascending."""
    if isinstance(column.grid, Categories):
        return [column.grid.values[i] for i in column.occupied]
    return column.grid.value(np.array(column.occupied, dtype=np.int64)).tolist()


def median(column: Column) -> float:
    """Return the median of the training data; of categories, the commonest."""
    if isinstance(column.grid, Categories):
        return trained_values(column)[int(np.argmax(column.counts))]
    return trained_values(column)[int(np.searchsorted(np.cumsum(column.counts), column.events / 2))]


def first_channel(values: Collection[float]) -> int:
    """Return the first channel's number in a feature ``channel``: 0 as in files, 1 where a sixteenth occurs."""
    return int(CHANNELS in values)


class NoteNames:
    """Which note an event is, as a note-off has to name it.

    >>> NoteNames([Feature("pitch"), Feature("velocity"), Feature("instrument")]).of([60.0, 80.0, 4.0])
    Note(pitch=60, channel=4)
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        columns = {feature.name: i for i, feature in enumerate(features)}
        self._pitch, self._channel = columns.get("pitch"), columns.get("channel", columns.get("instrument"))

    def of(self, values: Sequence[float]) -> Note | None:
        """Return the note of an event of F values; ``None`` where there is no feature ``pitch``, or it is unknown."""
        pitch = math.nan if self._pitch is None else values[self._pitch]
        channel = math.nan if self._channel is None else values[self._channel]
        return None if math.isnan(pitch) else Note(round(pitch), None if math.isnan(channel) else round(channel))


def velocity_of_releases(columns: Sequence[Column]) -> int | None:
    """Return the index, among features, of the velocity that ends a note where it is 0, as MIDI 1.0 has it. ``None``
    without ``pitch`` or ``velocity``, or where velocities are not whole numbers from 1 to 127 in training."""
    features = features_of(columns)
    by_name = {column.name: (i, column) for i, column in enumerate(features)}
    if not {"pitch", "velocity"} <= by_name.keys():
        return None
    i, velocity = by_name["velocity"]
    values = trained_values(velocity)
    return i if velocity.whole and values[0] >= 1 and values[-1] <= 127 else None


class Channels:
    """A channel for each instrument from its first note on; of more than fifteen the longest unused one gives way."""

    def __init__(self) -> None:
        self._programs: dict[int, int] = {}  # by channel, the least recently used first
        self._kept: set[int] = set()

    def keep(self, channel: int) -> None:
        """Leave a channel to somebody else, the player whose own messages pass through."""
        if channel not in self._kept:
            self._kept.add(channel)
            self._programs.pop(channel, None)

    def forget(self) -> None:
        """Take no channel to have its program any more."""
        self._programs.clear()

    def set(self, channel: int, program: int) -> bool:
        """Let a channel sound a program; return whether that is new."""
        previous = self._programs.pop(channel, None)
        self._programs[channel] = program  # the last of the dictionary is the most recently used
        return previous != program

    def find(self, program: int, busy: Collection[int] = ()) -> tuple[int, bool]:
        """Return the channel of an instrument, and whether a program change comes first; ``busy`` give way last."""
        if program == DRUMS:
            return DRUM_CHANNEL, False
        channel = next((channel for channel, sounds in self._programs.items() if sounds == program), None)
        if channel is None:
            ours = [channel for channel in MELODIC if channel not in self._kept] or list(MELODIC)
            unused = [channel for channel in ours if channel not in self._programs]
            used = [channel for channel in self._programs if channel in ours]
            channel = next(iter([*unused, *(channel for channel in used if channel not in busy), *used]))
        return channel, self.set(channel, program)


class Keyboard:
    """Turns notes and controllers, by feature, into a model's input: its unmasked features, in their order. Where
    events are notes, a controller sets what the next notes carry; where they are not, each of its moves is an event. A
    feature that had one value in training keeps it, pitch and velocity excepted; one that neither key nor controller
    gives stays at its median. Raises `HachimachiError` where neither gives any feature."""

    def __init__(self, columns: Sequence[Column], controls: Mapping[str, int]) -> None:
        check_controls(columns, controls, "in")
        self.notes = is_notes(columns, controls)
        self._unmasked = [column for column in features_of(columns) if not column.feature.masked]
        by_name = {column.name: column for column in self._unmasked}
        self._knobs: dict[int, dict[str, Control]] = defaultdict(dict)
        for name in controls.keys() & by_name.keys():
            self._knobs[controls[name]][name] = Control(by_name[name])
        self._values = {column.name: median(column) for column in self._unmasked}
        given = [name for name in FROM_KEYS if self.notes and name in by_name and name not in controls]
        self._from_keys = [name for name in given if name in FROM_KEYS[:2] or by_name[name].constant is None]
        self._first_channel = first_channel(trained_values(by_name["channel"])) if "channel" in by_name else 0
        program = 0  # of a channel before any program change: the piano if the model knows it, else the commonest
        if "instrument" in by_name:
            column = by_name["instrument"]
            values = trained_values(column)
            melodic = [(n, value) for n, value in zip(column.counts, values, strict=True) if 0 <= value < DRUMS]
            program = 0 if 0 in values or not melodic else round(max(melodic)[1])
        self._programs = [program] * CHANNELS
        self._held: dict[tuple[int, int], int | None] = {}
        moved = {*controls, *self._from_keys}  # nothing moves the others, which rest
        self.resting = [name for name, column in by_name.items() if name not in moved and column.constant is None]

    def strike(self, channel: int, pitch: int, velocity: int) -> tuple[float, ...] | None:
        """Return the values of a note that begins, ``None`` if events are no notes. Channels count from 0."""
        if not self.notes:
            return None
        instrument = DRUMS if channel == DRUM_CHANNEL else self._programs[channel]
        given = zip(FROM_KEYS, (pitch, velocity, channel + self._first_channel, instrument), strict=True)
        self._values |= {name: float(value) for name, value in given if name in self._from_keys}
        voice = self._values.get("channel", self._values.get("instrument"))
        self._held[channel, pitch] = None if voice is None else round(voice)
        return self._row()

    def release(self, channel: int, pitch: int) -> tuple[int, int | None] | None:
        """Return pitch and channel (as in a `Note`) of a note that ends, ``None`` if none had begun."""
        if (channel, pitch) not in self._held:
            return None
        return pitch, self._held.pop((channel, pitch))

    def turn(self, control: int, value: int) -> tuple[float, ...] | None:
        """Return the values of the event that the move of a controller is, ``None`` if it is none."""
        moved = self._knobs.get(control)
        if not moved:
            return None
        self._values |= {name: knob.value(value) for name, knob in moved.items()}
        return None if self.notes else self._row()

    def choose(self, channel: int, program: int) -> None:
        """Let a channel play another instrument from here on."""
        self._programs[channel] = program

    def _row(self) -> tuple[float, ...]:
        return tuple(self._values[column.name] for column in self._unmasked)
