"""Standard MIDI files: the chunks of a file, and the events of a track by one loop over its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from hachimachi.errors import HachimachiError

EXPORT_AGAIN = "export the file again"
PADDING = bytes(16)  # zeros appended to the bytes of a file, for an event that breaks off at its end
BREAKS_OFF = "an event that breaks off"
_FRAMES = {-24: 24.0, -25: 25.0, -29: 30000 / 1001, -30: 30.0}
_HEADER = 14
_SEQUENTIAL = 2
_META, _TRACK_NAME, _PORT, _END_OF_TRACK, _SET_TEMPO = 0xFF, 0x03, 0x21, 0x2F, 0x51
_CHANNEL_PRESSURE = 0xD
_ENOUGH = 8  # messages after a wrong data byte by which it is clear that the reader is not astray
_SYSEX = (0xF0, 0xF7)
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages, which are not allowed in files but occur


class Span(NamedTuple):
    """Byte offsets of a track: its first, its farthest end, and the end by its declared length, perhaps too far."""

    begin: int
    end: int
    declared: int


class MidiChunks(NamedTuple):
    """Header and tracks of a file."""

    ticks_per_quarter: int  # metrical time, or 0 for time in frames
    ticks_per_second: float  # time in frames (SMPTE), or 0 for metrical time
    sequential: bool  # whether tracks are independent sequences (format 2)
    announced: int  # number of tracks in the header
    spans: list[Span]
    stray: int  # bytes outside all chunks
    misled: bool  # whether the header's length led to no chunk


def unwrap(data: bytes) -> bytes:
    """Return the MIDI file in a RIFF file (RMID, MMA Recommended Practice RP-029); any other file as it is."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    at = 12
    while data[at : at + 4] not in (b"data", b""):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    return data[at + 8 : at + 8 + length] if length else data[at + 8 :]  # as a recorder that was cut off leaves it


def split_chunks(data: bytes) -> MidiChunks:
    """Parse the chunks of a file; those of unknown kinds are skipped, as the specification asks."""
    if data[:4] != b"MThd":
        raise HachimachiError(f"not a MIDI file: it begins with {data[:4]!r}, expected b'MThd'")
    if len(data) < _HEADER:
        raise HachimachiError(f"truncated: {len(data)} bytes, expected a header of {_HEADER}; {EXPORT_AGAIN}")
    kind, announced, division = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    at = 8 + int.from_bytes(data[4:8], "big")
    misled = not _is_chunk(data, at)
    at = _next_track(data, _HEADER) if misled else at
    spans: list[Span] = []
    stray = 0
    while at < len(data):
        name, begin = data[at : at + 4], at + 8
        at = declared = begin + int.from_bytes(data[at + 4 : begin], "big")
        if name == b"MTrk":
            # a track ends where it says, unless no chunk follows there and it has not ended
            ended = declared <= len(data) and data[declared - 3 : declared] == b"\xff\x2f\x00"
            at = declared if ended or declared == len(data) or _is_chunk(data, declared) else _next_track(data, begin)
            spans.append(Span(begin, at, declared))
        if not _is_chunk(data, at):
            following = _next_track(data, at)
            stray, at = stray + max(0, following - at), following
    if kind > _SEQUENTIAL and len(spans) > 1:
        raise HachimachiError(f"MIDI format {kind}, expected 0, 1 or 2; save it as format 1")
    sequential = kind == _SEQUENTIAL and len(spans) > 1
    if not division:
        raise HachimachiError(f"damaged header: 0 ticks per quarter note; {EXPORT_AGAIN}")
    per_quarter, per_second = division, 0.0
    if division >= 0x8000:
        frames, ticks = (division >> 8) - 256, division & 0xFF
        if frames not in _FRAMES or not ticks:
            found = f"{-frames} frames a second of {ticks} ticks"
            raise HachimachiError(f"damaged header: {found}, expected 24, 25, 29 or 30 of 1 to 255; {EXPORT_AGAIN}")
        per_quarter, per_second = 0, _FRAMES[frames] * ticks
    return MidiChunks(per_quarter, per_second, sequential, announced, spans, stray, misled and bool(spans))


def _is_chunk(data: bytes, at: int) -> bool:
    """Return whether a chunk begins here: a track, or any name with a length that fits."""
    kind = data[at : at + 4]
    if kind == b"MTrk":
        return True
    length = int.from_bytes(data[at + 4 : at + 8], "big")
    named = len(kind) == 4 and kind.isascii() and kind.decode("ascii").isprintable()
    return named and at + 8 + length <= len(data)


def _next_track(data: bytes, at: int) -> int:
    found = data.find(b"MTrk", at)
    return len(data) if found < 0 else found


@dataclass
class TrackEvents:
    """Channel messages, tempo and name of a track, up to its end or to where it is damaged."""

    number: int  # number of the track in its file, from 1
    # tick, status + 256 · MIDI port, and the two bytes after the status, of each channel message, running status filled
    # in; if a message has one data byte, the second is meaningless
    messages: list[tuple[int, int, int, int]] = field(default_factory=list)
    tempos: list[tuple[int, int]] = field(default_factory=list)  # tick and microseconds per quarter note
    name: bytes | None = None  # the first name of the track
    ticks: int = 0  # tick of the last event
    stop: int = 0  # the byte after the last event
    ended: bool = False  # whether there is an end-of-track event
    damage: str = ""  # what is wrong with the first event that cannot be read, else empty
    wrong: list[str] = field(default_factory=list)  # what is wrong with each message that has a data byte beyond 127
    overlong: int = 0  # times and lengths of more than 4 bytes


def read_track(  # noqa: PLR0912  (a branch for each kind of event, and of damage)
    data: bytes, span: Span, number: int = 1
) -> TrackEvents:
    """Read the events of a track, up to one that breaks off, a time too long to be one, or a missing status: then it is
    unknown where the next event begins. A message with a data byte beyond 127 is left out, or held at 127 where the
    byte is an amount (velocity, value, pressure), and the next event is looked for behind it; if fewer than `_ENOUGH`
    messages can be read there before the track is damaged, it ends before that one. Data ends with `PADDING`."""
    track = TrackEvents(number)
    add, limit = track.messages.append, span.end
    after, tick, running, endless, port = span.begin, 0, 0, False, 0
    body, damage, sure = 0, "", 0
    doubted = 0  # offset of a message with a wrong data byte, not borne out before there are `sure` messages
    while (begin := after) < limit:
        delta, at = data[begin], begin + 1
        if delta > 0x7F:
            delta, at, endless = _quantity(data, begin)
            track.overlong += at > begin + 4 and not endless
        status = data[at]
        if status > 0x7F:
            at += 1
        else:
            status = running
        first, second = data[at], data[at + 1]
        two = status & 0xE0 != 0xC0  # program change and channel pressure have one data byte
        if status < 0xF0:
            after = at + 1 + two
        elif status == _META and first == _END_OF_TRACK:
            track.ended, begin, tick = True, at + 2, tick + delta
            break
        elif status == _META or status in _SYSEX:
            length, body, beyond = _quantity(data, at + (status == _META))
            after, endless = body + length, endless or beyond
            track.overlong += body > at + (status == _META) + 4 and not beyond
        else:
            after = at + _SYSTEM_DATA.get(status, 0)
        if endless:
            damage = "a time of more than 4 bytes"
        elif after > limit:
            damage = BREAKS_OFF
        elif not status:
            damage = f"byte {first} where an event should say what it is"
        if damage:
            break
        tick += delta
        if status < 0xF0:
            running = status  # system and meta events leave it as it was
            if first > 0x7F or (two and second > 0x7F):
                doubted = begin if len(track.messages) >= sure else doubted
                track.wrong.append(f"a data byte of {max(first, second * two)}, expected at most 127")
                first = 0x7F if status >> 4 == _CHANNEL_PRESSURE else first
                if first < 0x80:
                    add((tick, status | port, first, min(second, 0x7F)))
                sure = len(track.messages) + _ENOUGH
            else:
                add((tick, status | port, first, second))
        elif status == _META and first == _SET_TEMPO and second == 3:
            track.tempos.append((tick, int.from_bytes(data[after - 3 : after], "big")))
        elif status == _META and first == _TRACK_NAME and track.name is None:
            track.name = data[body:after]
        elif status == _META and first == _PORT and second == 1:
            port = data[body] << 8
    if damage and len(track.messages) < sure and not (damage == BREAKS_OFF and span.declared > span.end):
        damages, track = track.wrong, read_track(data, span._replace(end=doubted), number)
        tick, begin, damage = track.ticks, track.stop, damages[len(track.wrong)]
    track.ticks, track.stop, track.damage = tick, begin, damage
    return track


def _quantity(data: bytes, at: int) -> tuple[int, int, bool]:
    """Read a variable-length quantity; return it, its end, and whether it is too long to be one: of more than four
    bytes the last three count, as in players, if the one before them is empty (0x80)."""
    value, end = 0, at
    while data[end] > 0x7F:
        value = (value << 7 | data[end] & 0x7F) & 0xFFFFFFF
        end += 1
    value = (value << 7 | data[end]) & 0xFFFFFFF
    return value, end + 1, end - at > 3 and data[end - 3] != 0x80
