"""Finding and opening MIDI ports. mido does the work; python-rtmidi, the extra `midi`, reaches the system."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import mido

from hachimachi.errors import HachimachiError
from hachimachi.live.midi.mapping import Channels

VIRTUAL = "virtual:"
"""A port of this name and what follows is made, for other programs to connect to."""
EXTRA = "pip install 'hachimachi[midi]'"
Direction = Literal["in", "out"]


def port_names() -> dict[Direction, list[str]]:
    """Return the names of the MIDI ports of this machine.

    Raises:
        HachimachiError: python-rtmidi is not installed, or the system has no MIDI.
    """
    backend = _load()
    try:
        with _libraries_silent():
            names: dict[Direction, list[str]] = {"in": backend.get_input_names(), "out": backend.get_output_names()}
    except Exception as error:  # whatever a backend raises where a system has no MIDI
        raise HachimachiError(f"this system has no MIDI to offer: {error}".rstrip(". ")) from error
    return {way: list(dict.fromkeys(found)) for way, found in names.items()}  # one name, one port: the first


def open_port(wanted: str, way: Direction, callback: Callable[[Any], None] | None = None) -> Any:
    """Open a port of mido.

    Args:
        wanted: LoadedModel of the name of a port that is there, in any case, or ``virtual:NAME`` for a new one.
        way: Whether to hear or to play.
        callback: Is given each message that is heard, in a thread of the system's.

    Raises:
        HachimachiError: No such port, several, one that cannot be opened, or no MIDI at all.
    """
    backend, virtual = _load(), wanted.startswith(VIRTUAL)
    name = _virtual_name(wanted, way) if virtual else find_port(wanted, port_names()[way], way)
    try:
        with _libraries_silent():
            if way == "in":
                return backend.open_input(name, virtual=virtual, callback=callback)
            return backend.open_output(name, virtual=virtual)
    except Exception as error:  # whatever a backend raises: OSError, RuntimeError, NotImplementedError
        told = str(error).rstrip(". ") or type(error).__name__
        mend = "" if virtual else "; perhaps another program holds it, or it has just been unplugged"
        raise HachimachiError(f"--midi-{way}: cannot open {name!r}: {told}{mend}") from error


def find_port(wanted: str, names: Sequence[str], way: Direction) -> str:
    """Return the one port whose name has ``wanted`` in it, in any case; a whole name comes before a part of others.

    Raises:
        HachimachiError: None or several.

    >>> find_port("keys", ["Keystation 49", "LoopBe KEYS"], "in")
    Traceback (most recent call last):
    hachimachi.errors.HachimachiError: --midi-in: 'keys' is in the names of 2 ports: 'Keystation 49', 'LoopBe KEYS'; \
say more of one
    >>> find_port("KEYST", ["Keystation 49", "LoopBe KEYS"], "in")
    'Keystation 49'
    """
    key = wanted.casefold().strip()
    found = [name for name in names if name.casefold().strip() == key] or [n for n in names if key in n.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        raise HachimachiError(
            f"--midi-{way}: {wanted!r} is in the names of {len(found)} ports: {_quoted(found)}; say more of one"
        )
    there = f"there are {_quoted(names)}" if names else "there is none at all"
    raise HachimachiError(f"--midi-{way}: no port has {wanted!r} in its name; {there}; see hxmx devices")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _virtual_name(wanted: str, way: Direction) -> str:
    name = wanted.removeprefix(VIRTUAL).strip()
    if not name:
        raise HachimachiError(f"--midi-{way} {wanted}: expected a name for the new port, such as {VIRTUAL}hachimachi")
    if sys.platform == "win32":
        raise HachimachiError(
            f"--midi-{way} {wanted}: Windows lets no program make MIDI ports; make one with loopMIDI and say its name"
        )
    return name


def _load() -> mido.Backend:
    backend = mido.Backend()  # python-rtmidi, unless MIDO_BACKEND says otherwise
    try:
        backend.load()
    except ImportError as error:
        if os.environ.get("MIDO_BACKEND"):
            raise HachimachiError(f"MIDO_BACKEND={backend.name}: {error}; leave it unset for python-rtmidi") from error
        raise HachimachiError(f"python-rtmidi is not installed: {EXTRA}") from error
    return backend


@contextlib.contextmanager
def _libraries_silent() -> Iterator[None]:
    """ALSA and JACK write to the standard error themselves what they also report as errors."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


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
        self.notes: set[tuple[int, int]] = set()
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
            self.notes.discard((message.channel, message.note))
        elif message.type == "note_on":
            self.notes.add((message.channel, message.note))
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
        for channel, pitch in sorted(self.notes):
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
