"""A MIDI port to play to, which never stands in the way of playing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import mido

from hachimachi.live.midi.channels import Channels

RETURN_SECONDS = 0.25
"""How long after it was sent an equal message is our own come back."""
REPEAT_SECONDS = 0.05
"""The same for what a player played and passed through: no hand repeats itself so fast."""


class OutPort:
    """Sends messages, and knows its own when they come back. All in the playing thread.

    Args:
        port: Of mido.
        say: Shows one line to the person at the screen.
        clock: Seconds that never go back.
    """

    def __init__(
        self, port: Any, say: Callable[[str], None] = print, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.channels = Channels()
        self.sent = self.lost = 0
        self.sounding: set[tuple[int, int]] = set()
        """(channel, pitch) of the notes that were begun here and not ended."""
        self._port = port
        self._say = say
        self._clock = clock
        self._recent: deque[tuple[float, float, tuple[int, ...]]] = deque(maxlen=512)

    def send(self, message: Any, expected: float = RETURN_SECONDS) -> None:
        """Send a message of mido. Where that fails it is counted, and said the first time.

        Args:
            message: Any that belongs to a channel.
            expected: For so many seconds it may come back.
        """
        now = self._clock()
        self._recent.append((now, now + expected, _key(message)))
        if is_note_end(message):
            self.sounding.discard((message.channel, message.note))
        elif message.type == "note_on":
            self.sounding.add((message.channel, message.note))
        try:
            self._port.send(message)
            self.sent += 1
        except Exception as error:  # whatever a backend raises when a port is gone: playing goes on
            self.lost += 1
            if self.lost == 1:
                told = str(error).rstrip(". ") or type(error).__name__
                self._say(f"MIDI out: {self._port.name!r} takes nothing any more: {told}; playing goes on without it")

    def claim(self, message: Any, at: float) -> bool:
        """Return whether a message that arrived is one of ours come back; each is claimed once."""
        while self._recent and self._recent[0][1] < at:
            self._recent.popleft()
        key = _key(message)
        for place, (when, until, sent) in enumerate(self._recent):
            if sent == key and when <= at <= until:  # what arrived before we sent its like is somebody else's
                del self._recent[place]
                return True
        return False

    def close(self) -> None:
        """End what sounds, a player's notes that passed through too, and give the port back."""
        for channel, pitch in sorted(self.sounding):
            self.send(mido.Message("note_off", channel=channel, note=pitch))
        try:
            self._port.close()
        except Exception:  # it is gone already, and there is nothing to save
            self.lost += 1


def is_note_end(message: Any) -> bool:
    """Return whether a message ends a note: a note-off, or a note-on without velocity."""
    return message.type == "note_off" or (message.type == "note_on" and message.velocity == 0)


def _key(message: Any) -> tuple[int, ...]:
    """Return the bytes of a message; of a note's end, in either of its two forms, those of one without velocity."""
    if is_note_end(message):
        return 0x80 | message.channel, message.note
    return tuple(message.bytes())
