"""OSC 1.0 packets to messages and back (https://opensoundcontrol.stanford.edu/spec-1_0.html), without sockets.

Messages are read by python-osc, bundles here: it sorts them by time, recurses, and hangs on a negative size.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message import ParseError as MessageError

from hachimachi.live.protocols import SHOW_SECONDS, Address, Listener, Note, Refusals, Refused, Row, quote

Value = float | str
LONGEST = 16_384  # bytes of one message: python-osc takes time quadratic in it, and 3,000 features fit
SKEW_SECONDS = 0.25  # between a time tag and its arrival, either way; further off is a clock that is wrong
LEAK = 0.05  # of what is found of a clock, by which each newer packet corrects it
MOST_CLOCKS = 64  # senders whose clocks are remembered
_BUNDLE = b"#bundle\0"
_IMMEDIATELY = 1
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_SIZES = {ord("i"): 4, ord("f"): 4, ord("r"): 4, ord("m"): 4, ord("h"): 8, ord("d"): 8, ord("t"): 8}  # bytes
_FORMATS = {ord("i"): "i", ord("f"): "f", ord("h"): "q", ord("d"): "d"}  # tag → format of struct
_TYPES = frozenset(b"ihfdsbrmtTFN[]")  # python-osc leaves out values of any other type without a word


class Message(NamedTuple):
    """One OSC message: its address, its arguments as Python values, those of arrays in line with the others, and when
    it happened, in seconds of the clock that `parse` was given: its bundle's time tag, else its arrival."""

    route: str
    values: tuple[object, ...]
    time: float
    tagged: bool = False  # whether a time tag says when

    @property
    def pressed(self) -> bool:
        """Whether one that needs no value acts: with none, or a number but 0, of a button going up; else `Refused`."""
        if len(self.values) > 1:
            found = f"{quote(self.route)} has {len(self.values)} values"
            raise Refused("length", f"{found}, expected none, or one of a button: 0 does nothing")
        value = self.values[0] if self.values else 1
        if not isinstance(value, int | float) or value != value:  # noqa: PLR0124  (NaN)
            raise Refused("type", f"{quote(self.route)} has {quote(value)}, expected nothing, or a number of a button")
        return bool(value)


def parse(packet: bytes, now: float, wall: float) -> Iterator[Message | Refused]:
    """Read a datagram in the order in which it was written; a bad element costs itself and no other. ``now``: Its
    arrival, in seconds of the clock that times events. ``wall``: The same in seconds since 1970, as in time tags."""
    waiting: list[tuple[int, int, float | None]] = [(0, len(packet), None)]
    while waiting:
        start, end, ahead = waiting.pop()
        try:
            if packet.startswith(_BUNDLE, start, end):
                waiting.extend(reversed(_read_bundle(packet, start, end, wall)))
            else:
                yield _read_message(packet[start:end], now + (ahead or 0.0), ahead is not None)
        except Refused as refused:
            yield refused


def _read_bundle(packet: bytes, start: int, end: int, wall: float) -> list[tuple[int, int, float | None]]:
    """Return where each element begins and ends, and by how many seconds its time tag is ahead, if it has one."""
    if end - start < 16:
        raise Refused("packet", f"a bundle ends after {end - start} bytes, expected a time tag")
    (tag,) = struct.unpack_from(">Q", packet, start + 8)
    ahead = None if tag == _IMMEDIATELY else tag / 2**32 - _NTP_EPOCH - wall
    elements: list[tuple[int, int, float | None]] = []
    offset = start + 16
    while offset < end:
        size = int.from_bytes(packet[offset : min(offset + 4, end)], "big", signed=True)
        offset += 4
        if size <= 0 or offset + size > end:
            raise Refused("packet", f"a bundle states {size} bytes for an element, {end - offset} are left")
        elements.append((offset, offset + size, ahead))
        offset += size
    return elements


def _read_message(element: bytes, time: float, tagged: bool = False) -> Message:
    if not element.startswith(b"/"):
        raise Refused("packet", f"{quote(element[:16])} is not OSC, expected a message that begins with /")
    if len(element) > LONGEST:
        raise Refused("packet", f"a message of {len(element)} bytes, expected at most {LONGEST}")
    comma = _padded(element.find(b"\0"))
    tags, offset = b"", len(element)
    if element[comma : comma + 1] == b",":
        tags = element[comma + 1 :].split(b"\0", 1)[0]
        offset = comma + _padded(len(tags) + 1)
    if not _TYPES.issuperset(tags):
        raise Refused("packet", f"a message has the types {quote(tags)}, expected f, d, i or h for each value")
    if offset + sum(_SIZES.get(tag, 0) for tag in tags) > len(element):  # python-osc would fill up with zeros
        raise Refused("packet", f"a message ends after {len(element)} bytes, expected values {quote(tags)}")
    flat = tags.translate(None, b"[]")
    if len(flat) < len(tags):
        depths = list(accumulate((tag == ord("[")) - (tag == ord("]")) for tag in tags))
        if depths[-1] or min(depths) < 0:
            raise Refused("packet", f"a message has the types {quote(tags)}, expected a ] for each [")
        types = b"," + flat + bytes(_padded(len(flat) + 1) - len(flat) - 1)
        element, offset = element[:comma] + types + element[offset:], comma + len(types)
    try:
        if (numbers := _numbers(flat)) is not None:  # which python-osc takes ten times as long to read
            return Message(element[: element.index(b"\0")].decode(), numbers.unpack_from(element, offset), time, tagged)
        message = OscMessage(element)
    except (MessageError, ValueError, IndexError, OverflowError, struct.error) as error:
        raise Refused("packet", f"{quote(element[:16])} begins a message that cannot be read") from error
    return Message(message.address, tuple(message.params), time, tagged)


@lru_cache(64)
def _numbers(tags: bytes) -> struct.Struct | None:
    """Return how values with these tags are laid out, ``None`` where not all are numbers."""
    known = tags and _FORMATS.keys() >= set(tags)
    return struct.Struct(">" + "".join(_FORMATS[tag] for tag in tags)) if known else None


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
        self.say, self._send = say, send
        self.watch: Callable[..., None] | None = None  # is told what `post` sends, before it is rounded to float32

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


class Inbox:
    """Reads packets as they arrive, and takes off time tags by how much their sender's clock is wrong. That is told to
    the screen, and to the sender as ``/status clock SECONDS``, ahead above 0. The packet that was least delayed shows a
    clock best (RFC 5905, clock filter). An event that is late on its way counts from its arrival."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._skews: dict[Address | None, float] = {}  # the sender unheard for longest first
        self._told: dict[str, float] = {}  # host → what was told of its clock
        self._silent_until = -math.inf

    def read(self, packet: bytes, sender: Address | None, now: float, wall: float) -> list[Message | Refused]:
        """Return what is in a packet that has just arrived, in its order; see `parse`."""
        found = list(parse(packet, now, wall))
        newest = max((each.time for each in found if isinstance(each, Message) and each.tagged), default=None)
        if newest is None or not (skew := self._find_skew(newest - now, sender)):
            return found
        host = sender[0] if sender else "a sender"
        if now >= self._silent_until and abs(skew - self._told.get(host, 0.0)) > SKEW_SECONDS:
            self._told = {**dict(list(self._told.items())[-MOST_CLOCKS:]), host: skew}
            self._silent_until = now + SHOW_SECONDS
            side = "ahead of" if skew > 0 else "behind"
            self._wire.say(f"time tags from {host} are {abs(skew):,.1f} s {side} this clock; that is taken off")
            self._wire.post("/status", "clock", skew, to=sender)
        return [
            each._replace(time=each.time - skew) if isinstance(each, Message) and each.tagged else each
            for each in found
        ]

    def _find_skew(self, ahead: float, sender: Address | None) -> float:
        """Return how far a sender's clock is ahead, given by how much its newest tag is ahead of the arrival."""
        skew = self._skews.pop(sender, 0.0)
        fits = abs(ahead) <= SKEW_SECONDS
        if ahead > skew:  # less delayed than those before, if its clock was wrong at all
            skew = (0.0 if skew <= 0 else ahead) if fits else ahead
        elif ahead < skew - SKEW_SECONDS:  # the clock has been put right, or this is late
            skew = 0.0 if fits else ahead
        elif skew:
            skew += LEAK * (ahead - skew)
        self._skews[sender] = skew
        if len(self._skews) > MOST_CLOCKS:
            del self._skews[next(iter(self._skews))]
        return skew


class OscListener(Listener):
    """Sends what a model plays as ``/output``, and the end of notes as ``/noteoff pitch [channel]``: early ones, and
    where ``note_offs`` all. ``ahead``: Whether packets carry, as the time tag of a bundle, when they are to sound."""

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
