"""What a model plays, as MIDI: a listener of the performer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import mido

from hachimachi.columns import Column
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS
from hachimachi.live.midi.mapping import (
    CHANNELS,
    Control,
    check_controls,
    features_of,
    first_channel,
    is_notes,
    trained_values,
)
from hachimachi.live.midi.ports import OutPort
from hachimachi.live.protocols import Listener, Row

VELOCITY = 64  # of notes of a model that has none


class MidiOut(Listener):
    """Plays one model's events to a port, which several may share; ``controls`` and ``channel`` (from 0) are as of the
    options. Nothing in it raises while it plays. What a player plays sounds by itself, or by ``--midi-thru``. Raises
    `HachimachiError`: the model's events are no notes, and no controller stands for any of its features."""

    def __init__(
        self, port: OutPort, columns: Sequence[Column], controls: Mapping[str, int] | None = None, channel: int = 0
    ) -> None:
        self.port = port
        self.dropped = 0  # events with a pitch, a channel or an instrument that MIDI does not have
        self._controls = controls or {}
        self._channel = channel
        self._sounding: dict[tuple[int, int | None], int] = {}  # `Note` → channel that it sounds on
        self.adapt(columns)

    def adapt(self, columns: Sequence[Column]) -> None:
        """Play another model's events from here on; raises, and changes nothing, where it cannot."""
        check_controls(columns, self._controls, "out")
        self.began()
        features, controls = features_of(columns), self._controls
        every = {column.name: i for i, column in enumerate(features)}
        self._size = len(features)
        self._notes = is_notes(columns, controls)
        self._columns = {name: i for name, i in every.items() if name not in controls}
        self._knobs = [(i, controls[c.name], Control(c)) for i, c in enumerate(features) if c.name in controls]
        self._first_channel = next((first_channel(trained_values(c)) for c in features if c.name == "channel"), 0)
        self._voice = every.get("channel", every.get("instrument"))  # of a `Note`
        if not self._columns.keys() & {"channel", "instrument"}:
            self.port.channels.keep(self._channel)

    def began(self) -> None:
        """End what still sounds: a new sequence begins."""
        for note in list(self._sounding):
            self.ended(note, 0.0, True)

    def played(self, row: Row, at: float, asker: tuple[str, int] | None) -> None:  # noqa: ARG002  (of Listener)
        """Play an event now: features, shape (F,)."""
        values = row.tolist()
        pitch = self._whole(values, "pitch", 127) if self._notes else 0
        channel = self._find_channel(values) if len(values) == self._size and pitch is not None else None
        if pitch is None or channel is None:
            self.dropped += 1
            return
        for i, number, knob in self._knobs:
            value = knob.show(values[i])
            if self.port.shown.get((channel, number)) != value:
                self.port.shown[channel, number] = value
                self.port.send(mido.Message("control_change", channel=channel, control=number, value=value))
        if self._notes:
            velocity = values[self._columns["velocity"]] if "velocity" in self._columns else math.nan
            velocity = VELOCITY if math.isnan(velocity) else round(min(max(velocity, 1.0), 127.0))
            note = pitch, None if self._voice is None else round(values[self._voice])
            self.ended(note, 0.0, True)  # an end that was missed must not stay missed
            self.port.send(mido.Message("note_on", channel=channel, note=pitch, velocity=velocity))
            self._sounding[note] = channel

    def ended(self, note: tuple[int, int | None], at: float, early: bool) -> None:  # noqa: ARG002  (of Listener)
        """End a note now, on the channel on which it began."""
        channel = self._sounding.pop(note, None)
        if channel is not None:
            self.port.send(mido.Message("note_off", channel=channel, note=note[0]))

    def _find_channel(self, values: Sequence[float]) -> int | None:
        """Return the channel of an event, after a program change where that is new; ``None`` if MIDI has no such."""
        channels, has_program = self.port.channels, "instrument" in self._columns
        program = self._whole(values, "instrument", DRUMS) if has_program else DRUMS
        if program is None:
            return None
        if "channel" in self._columns:
            channel = self._whole(values, "channel", CHANNELS - 1, self._first_channel)
            new = channel is not None and program != DRUMS and channels.set(channel, program)
        elif has_program:
            channel, new = channels.find(program, {channel for channel, _ in self.port.notes})
        else:
            channel, new = self._channel, False
        if channel is not None and new:
            self.port.send(mido.Message("program_change", channel=channel, program=program))
        return channel

    def _whole(self, values: Sequence[float], name: str, top: int, first: int = 0) -> int | None:
        """Return a feature as a whole number from 0 to ``top``, ``None`` if it lies beyond."""
        i = self._columns[name]
        value = values[i] - first if i < len(values) else math.nan
        return round(value) if -0.5 <= value < top + 0.5 else None


def channel_of_model(first: int, i: int) -> int:
    """Return the channel of one of several models: they take those after the first, past that of the drums.

    >>> [channel_of_model(7, i) for i in range(4)]
    [7, 8, 10, 11]
    """
    wanted = [(first + step) % CHANNELS for step in range(CHANNELS)]
    free = [channel for channel in wanted if channel == first or channel != DRUM_CHANNEL]
    return free[i % len(free)]
