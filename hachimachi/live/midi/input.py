"""What arrives at a MIDI port, as requests to a performer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from hachimachi.live.midi.mapping import Keyboard
from hachimachi.live.midi.ports import REPEAT_SECONDS, OutPort, is_note_end

WAITING = 4096  # messages to be taken; more wait only if the loop stands still
ALL_SOUND_OFF = 120  # of a panic button; all notes off, 123, is none: some keyboards send it when the last key rises
Action = Literal["start", "pause", "panic"]
TRANSPORT: dict[str, Action] = {"start": "start", "continue": "start", "stop": "pause", "reset": "panic"}
UNDERSTOOD = frozenset(  # types of message that mean something here; a clock, 48 a second, wakes nobody
    {"note_on", "note_off", "control_change", "program_change", "pitchwheel", "aftertouch", "polytouch", *TRANSPORT}
)


class MidiEvent(NamedTuple):
    """A player's event, for the model of an index: its unmasked features, and when it arrived in seconds."""

    model: int
    values: tuple[float, ...]
    at: float


class MidiNoteOff(NamedTuple):
    """A player's note ends; with its event's time that is its true duration. Pitch and channel are a `Note`'s."""

    model: int
    pitch: int
    channel: int | None
    at: float


class TransportRequest(NamedTuple):
    """What a sequencer's transport, or a panic button, requests of all models."""

    action: Action
    at: float


class MidiIn:
    """Messages arrive in a thread of the system's, and are taken in the playing thread. ``channel``: Hear this one
    only, from 0; ``None`` for all. ``thru``: Whether what the player plays goes there too."""

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
        self.port: Any = None  # the open port of mido, to be closed with `close`
        self.keyboards = list(keyboards)
        self._channel, self._out, self._thru = channel, out, out if thru else None
        self._wake, self._clock = wake, clock
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

    def take(self) -> Iterator[MidiEvent | MidiNoteOff | TransportRequest]:
        """Yield what the messages mean that have arrived so far, oldest first."""
        for _ in range(len(self._waiting)):
            at, message = self._waiting.popleft()
            if self._out is not None and self._out.claim(message, at):
                self.returned += 1
                continue
            if self._thru is not None and hasattr(message, "channel"):
                self._thru.channels.keep(message.channel)
                self._thru.send(message, REPEAT_SECONDS)
            self.heard += 1
            if message.type in TRANSPORT:
                yield TransportRequest(TRANSPORT[message.type], at)
            elif message.type == "control_change" and message.control == ALL_SOUND_OFF:
                yield TransportRequest("panic", at)
            else:
                for model, keyboard in enumerate(self.keyboards):
                    yield from _read(keyboard, model, message, at)

    def close(self) -> None:
        """Give the port back; nothing arrives after this."""
        if self.port is not None:
            self.port.close()


def _read(keyboard: Keyboard, model: int, message: Any, at: float) -> Iterator[MidiEvent | MidiNoteOff]:
    values = None
    if is_note_end(message):
        released = keyboard.release(message.channel, message.note)
        if released is not None:
            yield MidiNoteOff(model, *released, at)
    elif message.type == "note_on":
        values = keyboard.strike(message.channel, message.note, message.velocity)
    elif message.type == "control_change":
        values = keyboard.turn(message.control, message.value)
    elif message.type == "program_change":
        keyboard.choose(message.channel, message.program)
    if values is not None:
        yield MidiEvent(model, values, at)
