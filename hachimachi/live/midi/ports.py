"""The MIDI ports of this machine and of one performance, by mido, loaded when one is opened, and python-rtmidi."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hachimachi.columns import Column
from hachimachi.errors import HachimachiError, count
from hachimachi.live.midi.mapping import Channels, Keyboard, features_of

if TYPE_CHECKING:
    from hachimachi.live.midi.input import MidiIn
    from hachimachi.live.midi.output import MidiOut

VIRTUAL = "virtual:"  # a port of the name that follows is made, for other programs to connect to
EXTRA = "pip install 'hachimachi[midi]'"
WATCH_SECONDS = 2.0  # between two looks for a port that may have vanished or come back
RETURN_SECONDS = 0.25  # how long after it was sent an equal message is our own come back
REPEAT_SECONDS = 0.05  # the same for what a player played and passed through: no hand repeats itself so fast
Direction = Literal["in", "out"]
_NUMBER = re.compile(r" \d+:\d+$")  # of ALSA, another one each time


def port_names() -> dict[Direction, list[str]]:
    """Return the names of this machine's MIDI ports. Raises `HachimachiError`: no python-rtmidi, or no MIDI here."""
    backend = _load_backend()
    try:
        with _libraries_silent():
            names: dict[Direction, list[str]] = {"in": backend.get_input_names(), "out": backend.get_output_names()}
    except Exception as error:  # whatever a backend raises where a system has no MIDI
        raise HachimachiError(f"this system has no MIDI to offer: {error}".rstrip(". ")) from error
    return {way: list(dict.fromkeys(found)) for way, found in names.items()}  # one name, one port: the first


def open_port(wanted: str, way: Direction, callback: Callable[[Any], None] | None = None) -> Any:
    """Open a port of mido. ``wanted``: Part of the name of a port that is there, in any case, or ``virtual:NAME`` for a
    new one. ``callback``: Is given each message that is heard, in a thread of the system's. Raises `HachimachiError`:
    no such port, several, one that cannot be opened, or no MIDI at all."""
    backend, virtual = _load_backend(), wanted.startswith(VIRTUAL)
    name = wanted.removeprefix(VIRTUAL).strip() if virtual else find_port(wanted, port_names()[way], way)
    if not name:
        raise HachimachiError(f"--midi-{way} {wanted}: expected a name for the new port, such as {VIRTUAL}hachimachi")
    if virtual and sys.platform == "win32":
        advice = "Windows lets no program make MIDI ports; make one with loopMIDI and say its name"
        raise HachimachiError(f"--midi-{way} {wanted}: {advice}")
    try:
        with _libraries_silent():
            if way == "in":
                return backend.open_input(name, virtual=virtual, callback=callback)
            return backend.open_output(name, virtual=virtual)
    except Exception as error:  # whatever a backend raises: OSError, RuntimeError, NotImplementedError
        advice = "" if virtual else "; perhaps another program holds it, or it has just been unplugged"
        raise HachimachiError(f"--midi-{way}: cannot open {name!r}: {_reason(error)}{advice}") from error


def find_port(wanted: str, names: Sequence[str], way: Direction) -> str:
    """Return the one port of a name, or else with it in its name, in any case. `HachimachiError`: none, or several."""
    key = wanted.casefold().strip()
    found = [name for name in names if name.casefold().strip() == key] or [n for n in names if key in n.casefold()]
    if len(found) == 1:
        return found[0]
    quoted = ", ".join(map(repr, found or names))
    there = f"there are {quoted}" if names else "there is none at all"
    what = f"no port has {wanted!r} in its name; {there}; see hxmx devices"
    if found:
        what = f"{wanted!r} is in the names of {len(found)} ports: {quoted}; say more of one"
    raise HachimachiError(f"--midi-{way}: {what}")


def _load_backend() -> Any:
    import mido

    backend = mido.Backend()  # python-rtmidi, unless MIDO_BACKEND says otherwise
    try:
        backend.load()
    except ImportError as error:
        if os.environ.get("MIDO_BACKEND"):
            raise HachimachiError(f"MIDO_BACKEND={backend.name}: {error}; leave it unset for python-rtmidi") from error
        raise HachimachiError(f"python-rtmidi is not installed: {EXTRA}") from error
    return backend


class WatchedPort:
    """A port that a thread opens again when it vanishes and comes back; a virtual one never vanishes. Arguments and
    errors are those of `open_port`. ``say`` is told both, and ``returned`` called once it is open, in that thread."""

    def __init__(
        self,
        wanted: str,
        way: Direction,
        say: Callable[[str], None],
        callback: Callable[[Any], None] | None = None,
        returned: Callable[[], object] = lambda: None,
    ) -> None:
        self._port = open_port(wanted, way, callback)
        self.name: str = self._port.name
        self.returned = returned
        self._wanted, self._say, self._callback = _NUMBER.sub("", wanted), say, callback
        self._way: Direction = way
        self._closing = threading.Event()
        if not wanted.startswith(VIRTUAL):
            threading.Thread(target=self._watch, name=f"MIDI {way}", daemon=True).start()

    def send(self, message: Any) -> None:
        """Send a message of mido; raises what the backend does, and `OSError` while the port is gone."""
        if (port := self._port) is None:
            raise OSError("it is gone")
        port.send(message)

    def close(self) -> None:
        """Give the port back."""
        self._closing.set()
        if self._port is not None:
            self._port.close()

    def _watch(self) -> None:
        what = f"MIDI {self._way}: {self.name!r}"
        while not self._closing.wait(WATCH_SECONDS):
            try:
                find_port(self._wanted, port_names()[self._way], self._way)
                if self._port is not None:
                    continue
                self._port = open_port(self._wanted, self._way, self._callback)
            except HachimachiError:  # there is no such port, or it cannot be opened yet
                port, self._port = self._port, None
                if port is not None:
                    self._say(f"{what} is gone; playing goes on, and it is opened once it is back")
                    with contextlib.suppress(Exception):  # whatever a backend raises for what is not there
                        port.close()
                continue
            self.returned()
            self._say(f"{what} is back")


@contextlib.contextmanager
def _libraries_silent() -> Iterator[None]:
    """Silence ALSA and JACK, which write to the standard error themselves."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class OutPort:
    """Sends messages to a port of mido, and knows its own when they come back. All in the playing thread."""

    def __init__(
        self, port: Any, say: Callable[[str], None] = print, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.channels = Channels()
        self.shown: dict[tuple[int, int], int] = {}  # (channel, controller) → where it stands
        self.sent = self.lost = 0
        self.notes: set[tuple[int, int]] = set()  # (channel, pitch) of those that were begun here and not ended
        self._port, self._say, self._clock = port, say, clock
        self._recent: deque[tuple[float, float, tuple[int, ...]]] = deque(maxlen=512)

    def send(self, message: Any, expected: float = RETURN_SECONDS) -> None:
        """Send a channel message of mido, which may come back for the ``expected`` seconds; failures are counted."""
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
                name, reason = self._port.name, _reason(error)
                self._say(f"MIDI out: {name!r} takes nothing any more: {reason}; playing goes on without it")

    def forget(self) -> None:
        """Take nothing for granted of what the instrument at the other end knows: it has just been plugged in."""
        self.channels.forget()
        self.shown.clear()

    def claim(self, message: Any, at: float) -> bool:
        """Return whether a message that arrived is one of ours come back; each is claimed once."""
        while self._recent and self._recent[0][1] < at:
            self._recent.popleft()
        key = _key(message)
        for i, (when, until, sent) in enumerate(self._recent):
            if sent == key and when <= at <= until:  # what arrived before we sent its like is somebody else's
                del self._recent[i]
                return True
        return False

    def close(self) -> None:
        """End what sounds, a player's notes that passed through too, and give the port back."""
        import mido

        for channel, pitch in sorted(self.notes):
            self.send(mido.Message("note_off", channel=channel, note=pitch))
        try:
            self._port.close()
        except Exception:  # it is gone already, and there is nothing to save
            self.lost += 1


def _reason(error: Exception) -> str:
    return str(error).rstrip(". ") or type(error).__name__


def is_note_end(message: Any) -> bool:
    """Return whether a message ends a note: a note-off, or a note-on without velocity."""
    return message.type == "note_off" or (message.type == "note_on" and message.velocity == 0)


def _key(message: Any) -> tuple[int, ...]:
    """Return the bytes of a message; of a note's end, in either of its two forms, those of one without velocity."""
    if is_note_end(message):
        return 0x80 | message.channel, message.note
    return tuple(message.bytes())


@dataclass(frozen=True)
class MidiSetup:
    """The MIDI ports of one performance, and, where it plays to one, a listener for each model."""

    inlet: MidiIn | None = None
    listeners: tuple[MidiOut, ...] = ()
    port: OutPort | None = None
    controls: Mapping[str, int] = field(default_factory=dict)

    def exchange(self, model: int, columns: Sequence[Column]) -> None:
        """Let the ports serve another model in place of one; raises, and changes nothing, where they cannot."""
        keyboard = Keyboard(columns, self.controls) if self.inlet is not None else None
        if self.listeners:
            self.listeners[model].adapt(columns)
        if self.inlet is not None and keyboard is not None:
            self.inlet.keyboards[model] = keyboard

    def close(self) -> None:
        """End what sounds and give the ports back."""
        if self.inlet is not None:
            self.inlet.close()
        if self.port is not None:
            self.port.close()

    def details(self) -> str:
        """What was heard and sent, and what was not, in a line for each port; empty without ports."""
        lines: list[tuple[str, dict[str, int]]] = []
        if self.inlet is not None:
            left = {"our own come back": self.inlet.returned, "came too fast": self.inlet.dropped}
            lines.append((f"MIDI in: heard {count(self.inlet.heard, 'message')}", left))
        if self.port is not None:
            dropped = sum(listener.dropped for listener in self.listeners)
            left = {"events beyond what MIDI can hold": dropped, "refused by the port": self.port.lost}
            lines.append((f"MIDI out: sent {count(self.port.sent, 'message')}", left))
        return "\n".join(
            ", ".join([done, *(f"{why}: {number:,}" for why, number in left.items() if number)]) for done, left in lines
        )


@dataclass(frozen=True)
class MidiPortOptions:
    """Which ports to open: part of a name, or ``virtual:NAME``. ``controls``: Feature → number of its controller."""

    hear: str | None = None
    play: str | None = None
    channel: int = 1
    in_channel: int | None = None
    thru: bool = False
    controls: Mapping[str, int] = field(default_factory=dict)


def open_midi(
    options: MidiPortOptions, models: Sequence[Sequence[Column]], wake: Callable[[], object], say: Callable[[str], None]
) -> MidiSetup:
    """Open the ports that the options name; for none, mido is not loaded. ``wake``: Tells the playing thread that some
    message is there. Raises `HachimachiError`: no such port, no MIDI, no python-rtmidi, or events MIDI cannot carry."""
    if not (options.hear or options.play):
        return MidiSetup()
    from hachimachi.live.midi.input import MidiIn
    from hachimachi.live.midi.output import MidiOut, channel_of_model

    names = dict.fromkeys(column.name for columns in models for column in features_of(columns))
    for name in options.controls:
        if name not in names:
            raise HachimachiError(f"--midi-cc {name}: there is no such feature; there are {', '.join(names)}")
    port, inlet, listeners = None, None, ()
    with contextlib.ExitStack() as opened:
        if options.play:
            watched = WatchedPort(options.play, "out", say)
            port = OutPort(watched, say)
            watched.returned = port.forget
            opened.callback(port.close)
            listeners = tuple(
                MidiOut(port, columns, options.controls, channel_of_model(options.channel - 1, index))
                for index, columns in enumerate(models)
            )
        if options.hear:
            keyboards = [Keyboard(columns, options.controls) for columns in models]
            for name in dict.fromkeys(name for keyboard in keyboards for name in keyboard.resting):
                way = f"--midi-cc {name}=NUMBER for a controller"
                say(f"--midi-in: no key gives {name}, so it rests at its median; {way}")
            channel = None if options.in_channel is None else options.in_channel - 1
            inlet = MidiIn(keyboards, wake, channel=channel, out=port, thru=options.thru)
            inlet.port = WatchedPort(options.hear, "in", say, inlet.receive)
        opened.pop_all()
    return MidiSetup(inlet, listeners, port, options.controls)
