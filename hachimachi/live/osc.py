"""OSC 1.0 packets to messages and back (https://opensoundcontrol.stanford.edu/spec-1_0.html), without sockets.

Messages are read by python-osc. Bundles are walked here: python-osc sorts them by time tag, recurses into them, and
does not return from an element of negative size.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message import ParseError as MessageError

from hachimachi.live.protocols import Address, Listener, Note, Refusals, Refused, Row, quote

SANE_SECONDS = 60.0  # a time tag further than this from now is a wrong clock, not a time
LONGEST = 16_384  # bytes of one message: python-osc takes time quadratic in it, and 3,000 features fit
_BUNDLE = b"#bundle\0"
_IMMEDIATELY = 1
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_SIZES = {ord("i"): 4, ord("f"): 4, ord("r"): 4, ord("m"): 4, ord("h"): 8, ord("d"): 8, ord("t"): 8}  # bytes
_FORMATS = {ord("i"): "i", ord("f"): "f", ord("h"): "q", ord("d"): "d"}  # tag → format of struct
_TYPES = frozenset(b"ihfdsbrmtTFN[]")  # python-osc leaves out values of any other type without a word


class Message(NamedTuple):
    """One OSC message: its address, its arguments as Python values, and when it happened, in seconds of the clock that
    `parse` was given: its bundle's time tag, else its arrival."""

    route: str
    values: tuple[object, ...]
    time: float


def parse(packet: bytes, now: float, wall: float) -> Iterator[Message | Refused]:
    """Read a packet, in the order in which it was written. A bad element costs itself and no other.

    Args:
        packet: One datagram.
        now: Its arrival in seconds of the clock by which the events are timed.
        wall: The same moment in seconds since 1970, to which time tags refer.
    """
    waiting = [(packet, now)]
    while waiting:
        element, time = waiting.pop()
        try:
            if element.startswith(_BUNDLE):
                waiting.extend(reversed(_read_bundle(element, now, wall)))
            else:
                yield _read_message(element, time)
        except Refused as refused:
            yield refused


def _read_bundle(bundle: bytes, now: float, wall: float) -> list[tuple[bytes, float]]:
    """Return the elements, each with the bundle's time."""
    if len(bundle) < 16:
        raise Refused("packet", f"a bundle ends after {len(bundle)} bytes, expected a time tag")
    (tag,) = struct.unpack_from(">Q", bundle, 8)
    ahead = tag / 2**32 - _NTP_EPOCH - wall
    time = now + ahead if tag != _IMMEDIATELY and abs(ahead) <= SANE_SECONDS else now
    elements: list[tuple[bytes, float]] = []
    offset = 16
    while offset < len(bundle):
        size = int.from_bytes(bundle[offset : offset + 4], "big", signed=True)
        offset += 4
        if size <= 0 or offset + size > len(bundle):
            left = len(bundle) - offset
            raise Refused("packet", f"a bundle states {size} bytes for an element, {left} are left")
        elements.append((bundle[offset : offset + size], time))
        offset += size
    return elements


def _read_message(element: bytes, time: float) -> Message:
    if not element.startswith(b"/"):
        raise Refused("packet", f"{quote(element[:16])} is not OSC, expected a message that begins with /")
    if len(element) > LONGEST:
        raise Refused("packet", f"a message of {len(element)} bytes, expected at most {LONGEST}")
    tags, offset = _types(element)
    numbers = _numbers(tags)
    if numbers is None and not _TYPES.issuperset(tags):
        raise Refused("packet", f"a message has the types {quote(tags)}, expected f, d, i or h for each value")
    size = numbers.size if numbers is not None else sum(_SIZES.get(tag, 0) for tag in tags)
    if offset + size > len(element):  # python-osc would fill up with zeros
        raise Refused("packet", f"a message ends after {len(element)} bytes, expected values {quote(tags)}")
    try:
        if numbers is not None:  # which python-osc takes ten times as long to read
            return Message(element[: element.index(b"\0")].decode(), numbers.unpack_from(element, offset), time)
        message = OscMessage(element)
    except (MessageError, ValueError, IndexError, OverflowError, struct.error) as error:
        raise Refused("packet", f"{quote(element[:16])} begins a message that cannot be read") from error
    return Message(message.address, tuple(message.params), time)


@lru_cache(64)
def _numbers(tags: bytes) -> struct.Struct | None:
    """Return how values with these tags are laid out, ``None`` where not all are numbers."""
    known = tags and _FORMATS.keys() >= set(tags)
    return struct.Struct(">" + "".join(_FORMATS[tag] for tag in tags)) if known else None


def _types(element: bytes) -> tuple[bytes, int]:
    """Return the type tags without their comma, and the offset of the values."""
    comma = _padded(element.find(b"\0"))
    if element[comma : comma + 1] != b",":
        return b"", len(element)
    tags = element[comma + 1 :].split(b"\0", 1)[0]
    return tags, comma + _padded(len(tags) + 1)


def _padded(size: int) -> int:
    """Return the bytes of a string: one to four zeros end it, up to a multiple of four."""
    return 4 * (size // 4 + 1)


def encode(route: str, *values: float | str) -> bytes:
    """Write one message: text as ``s``, whole numbers of up to 32 bits as ``i``, others as ``f``."""
    tags, layout, content = ",", "", []
    for value in values:
        if isinstance(value, str):
            text = value.encode(errors="replace")  # a file's name may be no text
            tags, layout = tags + "s", f"{layout}{_padded(len(text))}s"
            content.append(text)
        else:
            tag = "i" if isinstance(value, int) and -(2**31) <= value < 2**31 else "f"
            tags, layout = tags + tag, layout + tag
            content.append(value)
    address = route.encode()
    head = f">{_padded(len(address))}s{_padded(len(tags))}s"
    return struct.pack(head + layout, address, tags.encode(), *content)


def encode_bundle(message: bytes, wall: float) -> bytes:
    """Wrap one message in a bundle whose time tag says when it is meant, in seconds since 1970."""
    tag = round((wall + _NTP_EPOCH) * 2**32)
    return _BUNDLE + struct.pack(">Qi", tag, len(message)) + message


Value = float | str


class Wire:
    """Sends messages to the programs at the other end. It never raises."""

    def __init__(
        self,
        send: Callable[[bytes, Address | None], None],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        def answer(refused: Refused, asker: Address | None) -> None:
            if refused.kind != "send":
                self.post("/status", "error", refused.kind, str(refused), to=asker)

        self.refusals = Refusals(say, answer, clock)
        self._send = send
        self.watch: Callable[..., None] | None = None
        """Is called with what `post` sends, the address and the values, before it is rounded to single precision."""

    def post(self, route: str, *values: Value, to: Address | None = None) -> None:
        """Send a message, also to one who asked."""
        if self.watch is not None:
            self.watch(route, *values)
        self.post_packet(encode(route, *values), route, to)

    def post_packet(self, packet: bytes, route: str, to: Address | None) -> None:
        """Send a packet that is ready; the route is for the refusal if it cannot be sent."""
        try:
            self._send(packet, to)
        except OSError as error:
            self.refusals.note(Refused("send", f"cannot send {route}: {error.strerror or error}; see --out"))


class OscListener(Listener):
    """Sends what a model plays as ``/output``, and the end of notes as ``/noteoff pitch [channel]``.

    Args:
        note_offs: Whether the ends of notes that last their duration are sent; early ends always are.
        ahead: Whether packets carry, as the time tag of a bundle, when they are to sound.
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
        self._wire, self._output, self._noteoff = wire, f"{prefix}/output", f"{prefix}/noteoff"
        self._note_offs, self._ahead = note_offs, ahead
        self._clock, self._wall = clock, wall

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
