"""The bytes of a standard MIDI file: chunks and the events in them.

Source: *Standard MIDI Files 1.0* (RP-001) and *MIDI 1.0 Detailed Specification*, MIDI Association.
"""

from __future__ import annotations

from typing import NamedTuple

from hachimachi.errors import HachimachiError

_FRAMES = {-24: 24.0, -25: 25.0, -29: 30000 / 1001, -30: 30.0}
_SYSTEM = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages, which have no place in a file
_BROKEN = "export the file again"


class MidiChunks(NamedTuple):
    """A file taken apart.

    Args:
        ticks_per_quarter: Metrical time, or 0 where time is in frames.
        ticks_per_second: Time in frames (SMPTE), or 0 where it is metrical.
        tracks: Bytes of each track.
        announced: How many tracks the header says there are.
    """

    ticks_per_quarter: int
    ticks_per_second: float
    tracks: list[bytes]
    announced: int


class Track(NamedTuple):
    """What matters of a track.

    Args:
        notes: (tick, status, pitch, velocity, program or −1 where none was set) of each note-on and note-off.
        programs: (tick, channel, program) of each program change.
        tempos: (tick, microseconds per quarter).
        last: Tick of the last channel message.
    """

    notes: list[tuple[int, int, int, int, int]]
    programs: list[tuple[int, int, int]]
    tempos: list[tuple[int, int]]
    last: int


def split_chunks(data: bytes) -> MidiChunks:
    """Take a file apart; chunks of other kinds are skipped, as the specification asks.

    Raises:
        HachimachiError: Not MIDI, truncated, or of a kind that cannot be put on one time line.
    """
    if data[:4] != b"MThd":
        raise HachimachiError(f"not a MIDI file: it begins with {data[:4]!r}, expected b'MThd'")
    if len(data) < 14:
        raise HachimachiError(f"truncated: {len(data)} bytes, expected a header of 14; {_BROKEN}")
    kind, announced, division = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    if kind > 1:
        raise HachimachiError(f"MIDI format {kind}, expected 0 or 1 (tracks on one time line); save it as format 1")
    return MidiChunks(*_division(division), _tracks(data), announced)


def _division(division: int) -> tuple[int, float]:
    if division < 0x8000:
        if not division:
            raise HachimachiError(f"damaged header: 0 ticks per quarter note; {_BROKEN}")
        return division, 0.0
    frames, ticks = (division >> 8) - 256, division & 0xFF
    if frames not in _FRAMES or not ticks:
        raise HachimachiError(f"damaged header: {-frames} frames a second, expected 24, 25, 29 or 30; {_BROKEN}")
    return 0, _FRAMES[frames] * ticks


def _tracks(data: bytes) -> list[bytes]:
    tracks: list[bytes] = []
    at = 8 + int.from_bytes(data[4:8], "big")
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "big")
        at += 8
        if kind == b"MTrk":
            if at + length > len(data):
                there = f"track {len(tracks) + 1} should have {length:,} bytes, {len(data) - at:,} are there"
                raise HachimachiError(f"truncated: {there}; {_BROKEN}")
            tracks.append(data[at : at + length])
        at += length
    return tracks


def read_track(data: bytes) -> Track:
    """Read the notes, programs and tempos of one track.

    Raises:
        HachimachiError: The track breaks off inside an event, or holds what is no event.
    """
    track = Track([], [], [], 0)
    try:
        return track._replace(last=_read_events(data, track))
    except IndexError as error:
        raise HachimachiError(f"truncated: it breaks off inside an event; {_BROKEN}") from error


def _read_events(data: bytes, track: Track) -> int:
    """Append to the lists of ``track``; return the tick of the last channel message. One loop, for speed."""
    at = tick = status = last = 0
    program = [-1] * 16
    while at < len(data):
        delta = data[at]
        at += 1
        if delta > 0x7F:
            delta, at = _quantity(data, at - 1)
        tick += delta
        byte = data[at]
        if byte < 0xF0:
            if byte > 0x7F:
                status = byte
                at += 1
            kind = status >> 4
            if kind == 0x9 or kind == 0x8:  # noqa: PLR1714  (faster)
                track.notes.append((tick, status, data[at], data[at + 1], program[status & 15]))
            elif kind == 0xC:
                program[status & 15] = data[at]
                track.programs.append((tick, status & 15, data[at]))
            elif not status:
                raise HachimachiError(f"damaged: byte {byte} where an event should begin; {_BROKEN}")
            at += 1 if kind in (0xC, 0xD) else 2
            last = tick
        elif byte == 0xFF and data[at + 1] == 0x2F:  # end of track
            return last
        else:
            at = _skip(data, at, tick, track)
    if at > len(data):
        raise IndexError
    return last


def _skip(data: bytes, at: int, tick: int, track: Track) -> int:
    """Return where the event at ``at`` (meta, exclusive or system) ends, keeping its tempo if it is one."""
    status = data[at]
    if status not in (0xFF, 0xF0, 0xF7):
        return at + 1 + _SYSTEM.get(status, 0)
    kind = data[at + 1] if status == 0xFF else None
    length, start = _quantity(data, at + (2 if status == 0xFF else 1))
    if kind == 0x51 and length == 3:
        track.tempos.append((tick, int.from_bytes(data[start : start + length], "big")))
    return start + length


def _quantity(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length quantity, at most 4 bytes; return it and where it ends."""
    value = 0
    for end in range(at, at + 4):
        value = value << 7 | data[end] & 0x7F
        if data[end] < 0x80:
            return value, end + 1
    raise HachimachiError(f"damaged: a number of more than 4 bytes; {_BROKEN}")
