"""What a player's keys and knobs mean to one model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hachimachi.columns import Column
from hachimachi.io.midi_options import DRUM_CHANNEL, DRUMS
from hachimachi.live.midi.channels import CHANNELS, first_channel
from hachimachi.live.midi.controls import Control, check_controls, features_of, is_notes, median, trained_values

FROM_KEYS = ("pitch", "velocity", "channel", "instrument")
"""Features that a key gives, where no controller stands for them."""


class Keyboard:
    """Turns notes and controllers into what a model hears: its unmasked features, in their order.

    Where events are notes, a controller sets what the next notes carry; where they are not, each of its moves is an
    event. A feature that had one value in training keeps it, pitch and velocity excepted; one that neither key nor
    controller gives stays at its median.

    Args:
        columns: What the model foretells.
        controls: Feature → number of the controller that stands for it.

    Raises:
        HachimachiError: The model's events are no notes, and no controller stands for any of its features.
    """

    def __init__(self, columns: Sequence[Column], controls: Mapping[str, int]) -> None:
        check_controls(columns, controls, "in")
        self.notes = is_notes(columns, controls)
        self._heard = [column for column in features_of(columns) if not column.feature.masked]
        by_name = {column.name: column for column in self._heard}
        self._knobs: dict[int, dict[str, Control]] = defaultdict(dict)
        for name in controls.keys() & by_name.keys():
            self._knobs[controls[name]][name] = Control(by_name[name])
        self._values = {column.name: median(column) for column in self._heard}
        self._from_keys = [name for name in FROM_KEYS if self.notes and name in by_name and name not in controls]
        self._from_keys = [n for n in self._from_keys if n in FROM_KEYS[:2] or by_name[n].constant is None]
        self._first_channel = first_channel(trained_values(by_name["channel"])) if "channel" in by_name else 0
        program = _usual_program(by_name["instrument"]) if "instrument" in by_name else 0
        self._programs = [program] * CHANNELS
        self._held: dict[tuple[int, int], int | None] = {}
        self.resting = [
            name
            for name, column in by_name.items()
            if name not in controls and name not in self._from_keys and column.constant is None
        ]
        """Names of features that nothing moves."""

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
        return tuple(self._values[column.name] for column in self._heard)


def _usual_program(column: Column) -> int:
    """Return what a channel plays that was told no program: the piano if the model knows it, else the commonest."""
    values = trained_values(column)
    melodic = [(count, value) for count, value in zip(column.counts, values, strict=True) if 0 <= value < DRUMS]
    return 0 if 0 in values or not melodic else round(max(melodic)[1])
