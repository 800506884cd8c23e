"""A standard MIDI file taken apart: its header, and where each track lies.

Lengths and counts in damaged files are often wrong while the tracks are whole, so a length that leads to what is no
chunk is not believed: the track then reaches to the next one, or to the end of the file.

Source: *Standard MIDI Files 1.0* (RP-001), MIDI Association.
"""

from __future__ import annotations

from typing import NamedTuple

from hachimachi.errors import HachimachiError

BROKEN = "export the file again"
_FRAMES = {-24: 24.0, -25: 25.0, -29: 30000 / 1001, -30: 30.0}
_HEADER = 14
_END_OF_TRACK = b"\xff\x2f\x00"
_SEQUENTIAL = 2


class Span(NamedTuple):
    """Where the events of a track lie in a file.

    Args:
        begin: First byte.
        end: Where they can reach at most.
        declared: Where they end by the length that the file gives, which may lie beyond the file.
    """

    begin: int
    end: int
    declared: int


class MidiChunks(NamedTuple):
    """A file taken apart.

    Args:
        ticks_per_quarter: Metrical time, or 0 where time is in frames.
        ticks_per_second: Time in frames (SMPTE), or 0 where it is metrical.
        sequential: Whether tracks are sequences of their own, each on a time line of its own (format 2).
        announced: How many tracks the header says there are.
        spans: Where the tracks are.
        stray: Bytes outside all chunks.
        misled: Whether the header's length led to no chunk.
    """

    ticks_per_quarter: int
    ticks_per_second: float
    sequential: bool
    announced: int
    spans: list[Span]
    stray: int
    misled: bool


def split_chunks(data: bytes) -> MidiChunks:
    """Take a file apart; chunks of other kinds are skipped, as the specification asks.

    Raises:
        HachimachiError: Not MIDI, no whole header, or a header that does not say how long a tick lasts or how tracks
            go together.
    """
    if data[:4] != b"MThd":
        raise HachimachiError(f"not a MIDI file: it begins with {data[:4]!r}, expected b'MThd'")
    if len(data) < _HEADER:
        raise HachimachiError(f"truncated: {len(data)} bytes, expected a header of {_HEADER}; {BROKEN}")
    kind, announced, division = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    first = 8 + int.from_bytes(data[4:8], "big")
    misled = not _is_chunk(data, first)
    spans, stray = _spans(data, _next_track(data, _HEADER) if misled else first)
    if kind > _SEQUENTIAL and len(spans) > 1:
        raise HachimachiError(f"MIDI format {kind}, expected 0, 1 or 2; save it as format 1")
    sequential = kind == _SEQUENTIAL and len(spans) > 1
    return MidiChunks(*_division(division), sequential, announced, spans, stray, misled and bool(spans))


def _division(division: int) -> tuple[int, float]:
    if division < 0x8000:
        if not division:
            raise HachimachiError(f"damaged header: 0 ticks per quarter note; {BROKEN}")
        return division, 0.0
    frames, ticks = (division >> 8) - 256, division & 0xFF
    if frames not in _FRAMES or not ticks:
        found = f"{-frames} frames a second of {ticks} ticks"
        raise HachimachiError(f"damaged header: {found}, expected 24, 25, 29 or 30 of 1 to 255; {BROKEN}")
    return 0, _FRAMES[frames] * ticks


def _spans(data: bytes, at: int) -> tuple[list[Span], int]:
    spans: list[Span] = []
    stray = 0
    while at < len(data):
        kind, begin = data[at : at + 4], at + 8
        declared = begin + int.from_bytes(data[at + 4 : begin], "big")
        at = declared
        if kind == b"MTrk":
            at = _reach(data, begin, declared)
            spans.append(Span(begin, at, declared))
        if not _is_chunk(data, at):
            following = _next_track(data, at)
            stray, at = stray + max(0, following - at), following
    return spans, stray


def _reach(data: bytes, begin: int, declared: int) -> int:
    """Return where a track can end at most: where it says, unless no chunk follows there and it has not ended."""
    ended = declared <= len(data) and data[declared - 3 : declared] == _END_OF_TRACK
    if ended or declared == len(data) or _is_chunk(data, declared):
        return declared
    return _next_track(data, begin)


def _is_chunk(data: bytes, at: int) -> bool:
    """Return whether a chunk begins here: a track, or a name and a length that fits."""
    kind = data[at : at + 4]
    if kind == b"MTrk":
        return True
    length = int.from_bytes(data[at + 4 : at + 8], "big")
    named = len(kind) == 4 and kind.isascii() and kind.decode("ascii").isprintable()
    return named and at + 8 + length <= len(data)


def _next_track(data: bytes, at: int) -> int:
    found = data.find(b"MTrk", at)
    return len(data) if found < 0 else found
