"""What arrives at a MIDI port, as things for a performer to do."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from hachimachi.columns import Column
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS
from hachimachi.live.midi.mapping import (
    CHANNELS,
    Control,
    check_controls,
    features_of,
    first_channel,
    is_notes,
    median,
    trained_values,
)
from hachimachi.live.midi.ports import REPEAT_SECONDS, OutPort, is_note_end

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


WAITING = 4096
"""Messages that may wait to be taken; more than that arrive only if the loop stands still."""
ALL_SOUND_OFF = 120
"""The controller that is a panic button. All notes off, 123, is none: some keyboards send it with every last key."""
UNDERSTOOD = frozenset(
    {"note_on", "note_off", "control_change", "program_change", "pitchwheel", "aftertouch", "polytouch"}
    | {"start", "stop", "continue", "reset"}
)
"""Types of message that mean something here. A clock, 48 messages a second, wakes nobody."""


class Heard(NamedTuple):
    """A player's event, for one of the models."""

    model: int
    """Its place, from 0."""
    values: tuple[float, ...]
    """Its unmasked features, in their order."""
    at: float
    """When it arrived, in seconds of the clock."""


class Released(NamedTuple):
    """A player's note ends; with its event's time that is its true duration."""

    model: int
    pitch: int
    channel: int | None
    """As in a `Note`: value of the feature ``channel`` or ``instrument`` of the event."""
    at: float


class Asked(NamedTuple):
    """What a sequencer's transport, or a panic button, asks for."""

    what: Literal["start", "pause", "panic"]
    at: float


Action = Heard | Released | Asked
TRANSPORT: dict[str, Literal["start", "pause", "panic"]] = {
    "start": "start",
    "continue": "start",
    "stop": "pause",
    "reset": "panic",
}


class MidiIn:
    """Messages arrive in a thread of the system's, and are taken in the playing thread.

    Args:
        keyboards: What notes and controllers mean, for each model.
        wake: Tells the loop, from any thread, that something has arrived.
        channel: Hear this one only, from 0; ``None`` for all.
        out: Where our own messages go; what of these comes back is not heard.
        thru: Whether what the player plays goes there too.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        keyboards: Sequence[Keyboard],
        wake: Callable[[], object],
        *,
        channel: int | None = None,
        out: OutPort | None = None,
        thru: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.heard = self.returned = self.dropped = 0
        self.port: Any = None
        """The open port of mido, to be closed with `close`."""
        self.keyboards = list(keyboards)
        self._wake = wake
        self._channel = channel
        self._out = out
        self._thru = out if thru else None
        self._clock = clock
        self._waiting: deque[tuple[float, Any]] = deque()  # appending and popping are safe between threads

    def receive(self, message: Any) -> None:
        """Keep a message with the time of its arrival, and wake the loop; called in the system's thread."""
        elsewhere = self._channel is not None and getattr(message, "channel", self._channel) != self._channel
        if message.type not in UNDERSTOOD or elsewhere:
            return
        if len(self._waiting) >= WAITING:
            self.dropped += 1
            return
        self._waiting.append((self._clock(), message))
        self._wake()

    def take(self) -> Iterator[Action]:
        """Yield what is to be done about the messages that have arrived so far, oldest first."""
        for _ in range(len(self._waiting)):
            at, message = self._waiting.popleft()
            if self._out is not None and self._out.claim(message, at):
                self.returned += 1
                continue
            if self._thru is not None and hasattr(message, "channel"):
                self._thru.channels.keep(message.channel)
                self._thru.send(message, REPEAT_SECONDS)
            self.heard += 1
            yield from self._read(message, at)

    def close(self) -> None:
        """Give the port back; nothing arrives after this."""
        if self.port is not None:
            self.port.close()

    def _read(self, message: Any, at: float) -> Iterator[Action]:
        kind = message.type
        if kind in TRANSPORT:
            yield Asked(TRANSPORT[kind], at)
        elif kind == "control_change" and message.control == ALL_SOUND_OFF:
            yield Asked("panic", at)
        else:
            for model, keyboard in enumerate(self.keyboards):
                yield from _play(keyboard, model, message, at)


def _play(keyboard: Keyboard, model: int, message: Any, at: float) -> Iterator[Heard | Released]:
    values = None
    if is_note_end(message):
        released = keyboard.release(message.channel, message.note)
        if released is not None:
            yield Released(model, *released, at)
    elif message.type == "note_on":
        values = keyboard.strike(message.channel, message.note, message.velocity)
    elif message.type == "control_change":
        values = keyboard.turn(message.control, message.value)
    elif message.type == "program_change":
        keyboard.choose(message.channel, message.program)
    if values is not None:
        yield Heard(model, values, at)
