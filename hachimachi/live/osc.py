"""OSC 1.0 packets to messages and back (https://opensoundcontrol.stanford.edu/spec-1_0.html). No sockets,
no state.

Messages are read by python-osc, which takes 10 µs for one; those of plain numbers are alike but for the
numbers, so how one of them was read is kept, and the next takes 2. Bundles are walked here: python-osc sorts
them by time tag, recurses into them, and does not return from an element of negative size.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message import ParseError as MessageError
from pythonosc.parsing import osc_types

from hachimachi.live.protocols import Address, Note, Refusals, Refused, Row, quote

SANE_SECONDS = 60.0
"""A time tag further than this from now is a wrong clock, not a time."""
LONGEST = 16_384
"""Bytes of one message: python-osc takes time quadratic in it, and 3,000 features fit."""
ALIKE = 64
"""How many kinds of messages of plain numbers are known by heart."""
_BUNDLE = b"#bundle\0"
_IMMEDIATELY = 1
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_SIZES = {ord("i"): 4, ord("f"): 4, ord("r"): 4, ord("m"): 4, ord("h"): 8, ord("d"): 8, ord("t"): 8}  # bytes
_NUMBERS = {ord("i"): "i", ord("f"): "f", ord("h"): "q", ord("d"): "d"}  # tag → format of struct
_TYPES = frozenset(b"ihfdsbrmtTFN[]")  # python-osc leaves out values of any other type without a word


class Message(NamedTuple):
    """One OSC message."""

    route: str
    """Its address, such as ``/input``."""
    values: tuple[object, ...]
    """Its arguments as Python values."""
    time: float
    """When it happened, in seconds of the clock that ``parse`` was given: its bundle's time tag, else its
    arrival."""


def parse(packet: bytes, now: float, wall: float) -> Iterable[Message | Refused]:
    """Read a packet, in the order in which it was written. A bad element costs itself and no other.

    Args:
        packet: One datagram.
        now: Its arrival in seconds of the clock by which the events are timed.
        wall: The same moment in seconds since 1970, to which time tags refer.
    """
    plain = _plain(packet, now)
    return _walk(packet, now, wall) if plain is None else (plain,)


def encode(route: str, *values: float | str) -> bytes:
    """Write one message: text as ``s``, whole numbers of up to 32 bits as ``i``, others as ``f``."""
    layout = _layout(route, tuple(map(type, values)))
    if layout is not None:
        head, numbers = layout
        return head + numbers.pack(*values)
    tags, body = ",", b""
    for value in values:
        if isinstance(value, str):
            text = value.encode(errors="replace").decode()  # a file's name may be no text
            tags, body = tags + "s", body + osc_types.write_string(text)
        elif isinstance(value, int) and -(2**31) <= value < 2**31:
            tags, body = tags + "i", body + osc_types.write_int(value)
        else:
            tags, body = tags + "f", body + osc_types.write_float(value)
    return osc_types.write_string(route) + osc_types.write_string(tags) + body


@lru_cache(ALIKE)
def _layout(route: str, types: tuple[type, ...]) -> tuple[bytes, struct.Struct] | None:
    """Return how messages of these types begin, and how their values follow, if all of them are float."""
    if set(types) - {float}:
        return None
    tags = "f" * len(types)
    return osc_types.write_string(route) + osc_types.write_string(f",{tags}"), struct.Struct(f">{tags}")


def _walk(packet: bytes, now: float, wall: float) -> Iterator[Message | Refused]:
    waiting = [(packet, now)]
    while waiting:
        element, time = waiting.pop()
        try:
            if element.startswith(_BUNDLE):
                at = _own_time(element, now, wall)
                waiting.extend((inner, at) for inner in reversed(_elements(element)))
            else:
                yield _plain(element, time) or _message(element, time)
        except Refused as refused:
            yield refused


def _plain(element: bytes, time: float) -> Message | None:
    """Read a message that consists of numbers and nothing else; ``None`` for any other."""
    if len(element) > LONGEST:
        return None
    # where the values begin, if there are tags and the address has no comma; if not, nothing is known by such a head
    start = (element.find(b"\0", element.find(b",")) & -4) + 4
    known = _known(element[:start])
    if known is None or start + known[1].size != len(element):
        return None
    return Message(known[0], known[1].unpack_from(element, start), time)


@lru_cache(ALIKE)
def _known(head: bytes) -> tuple[str, struct.Struct] | None:
    """Return the address of messages that begin like this, and how their numbers follow."""
    tags, start = _types(head)
    if start != len(head) or not _NUMBERS.keys() >= set(tags):
        return None
    numbers = struct.Struct(">" + "".join(_NUMBERS[tag] for tag in tags))
    try:
        return _message(head + bytes(numbers.size), 0.0).route, numbers
    except Refused:
        return None


def _own_time(bundle: bytes, now: float, wall: float) -> float:
    if len(bundle) < 16:
        raise Refused("packet", f"a bundle ends after {len(bundle)} bytes, expected a time tag")
    (tag,) = struct.unpack_from(">Q", bundle, 8)
    ahead = tag / 2**32 - _NTP_EPOCH - wall
    return now + ahead if tag != _IMMEDIATELY and abs(ahead) <= SANE_SECONDS else now


def _elements(bundle: bytes) -> list[bytes]:
    elements: list[bytes] = []
    start = 16
    while start < len(bundle):
        size = int.from_bytes(bundle[start : start + 4], "big", signed=True)
        end = start + 4 + size
        if size <= 0 or end > len(bundle):
            raise Refused("packet", f"a bundle states {size} bytes for an element, {len(bundle) - start - 4} are left")
        elements.append(bundle[start + 4 : end])
        start = end
    return elements


def _message(element: bytes, time: float) -> Message:
    if not element.startswith(b"/"):
        raise Refused("packet", f"{quote(element[:16])} is not OSC, expected a message that begins with /")
    if len(element) > LONGEST:
        raise Refused("packet", f"a message of {len(element)} bytes, expected at most {LONGEST}")
    tags, start = _types(element)
    if not _TYPES.issuperset(tags):
        raise Refused("packet", f"a message has the types {quote(tags)}, expected f, d, i or h for each value")
    if start + sum(_SIZES.get(tag, 0) for tag in tags) > len(element):  # python-osc would fill up with zeros
        raise Refused("packet", f"a message ends after {len(element)} bytes, expected values {quote(tags)}")
    try:
        message = OscMessage(element)
    except (MessageError, ValueError, IndexError, OverflowError, struct.error) as error:
        raise Refused("packet", f"{quote(element[:16])} begins a message that cannot be read") from error
    return Message(message.address, tuple(message.params), time)


def _types(element: bytes) -> tuple[bytes, int]:
    """Return the type tags without their comma, and where the values begin."""
    # a string ends with one to four zeros, up to a multiple of four bytes
    comma = 4 * (element.find(b"\0") // 4 + 1)
    if element[comma : comma + 1] != b",":
        return b"", len(element)
    tags = element[comma + 1 :].split(b"\0", 1)[0]
    return tags, comma + 4 * ((len(tags) + 1) // 4 + 1)


def encode_bundle(message: bytes, wall: float) -> bytes:
    """Wrap one message in a bundle whose time tag says when it is meant, in seconds since 1970."""
    tag = round((wall + _NTP_EPOCH) * 2**32)
    return _BUNDLE + struct.pack(">Qi", tag, len(message)) + message


Send = Callable[[bytes, Address | None], None]
"""Sends one packet to those who listen, and to one who asked; may raise OSError."""
Value = float | str


class Wire:
    """Says things to the programs at the other end. It never raises.

    Args:
        send: Sends a packet.
        say: Shows one line on the screen.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        send: Send,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.refusals = Refusals(say, self._tell, clock)
        self._send = send

    def post(self, route: str, *values: Value, to: Address | None = None) -> None:
        """Send a message, also to one who asked."""
        self.post_packet(encode(route, *values), route, to)

    def post_packet(self, packet: bytes, route: str, to: Address | None) -> None:
        """Send a packet that is ready; the route is for what is said if it cannot be sent."""
        try:
            self._send(packet, to)
        except OSError as error:
            why = error.strerror or error
            self.refusals.note(Refused("send", f"cannot send {route}: {why}; see --out"))

    def _tell(self, refused: Refused, asker: Address | None) -> None:
        if refused.kind != "send":
            self.post("/status", "error", refused.kind, str(refused), to=asker)


class OscListener:
    """Sends what a model plays as ``/output``, and the end of notes as ``/noteoff pitch [channel]``.

    Args:
        wire: Where to.
        prefix: Comes before the routes; empty where only one model plays.
        note_offs: Whether notes that end in their own time are told; those that end early always are.
        ahead: Whether packets carry, as the time tag of a bundle, when they are to sound.
        clock: Seconds that never go back.
        wall: Seconds since 1970.
    """

    def __init__(
        self,
        wire: Wire,
        prefix: str = "",
        *,
        note_offs: bool = False,
        ahead: bool = False,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wire = wire
        self._output, self._noteoff = f"{prefix}/output", f"{prefix}/noteoff"
        self._note_offs = note_offs
        self._ahead = ahead
        self._clock = clock
        self._wall = wall

    def began(self) -> None:
        """Nothing to say."""

    def heard(self, row: Row, at: float) -> None:
        """Nothing to say."""

    def played(self, row: Row, at: float, asker: Address | None) -> None:
        """Send ``/output``."""
        self._post(encode(self._output, *row.tolist()), self._output, at, asker)

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Send ``/noteoff``."""
        if early or self._note_offs:
            values = [note.pitch] if note.channel is None else [note.pitch, note.channel]
            self._post(encode(self._noteoff, *values), self._noteoff, at, None)

    def _post(self, packet: bytes, route: str, at: float, asker: Address | None) -> None:
        if self._ahead:
            packet = encode_bundle(packet, self._wall() + at - self._clock())
        self._wire.post_packet(packet, route, asker)
