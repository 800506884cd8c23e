"""The events of MIDI tracks, column by column.

A track is read up to where it can be: an event that breaks off, a time that is none, a status that was never given
or a data byte beyond 127 ends it, for nothing says where the event after that would begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.io.report import AFTER_END, BROKEN, CUT_SHORT, FRAMES, MISSING, SEQUENTIAL, STRAY, SURPLUS, WRONG_LENGTH

EXPORT_AGAIN = "export the file again"
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
        raise HachimachiError(f"truncated: {len(data)} bytes, expected a header of {_HEADER}; {EXPORT_AGAIN}")
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
            raise HachimachiError(f"damaged header: 0 ticks per quarter note; {EXPORT_AGAIN}")
        return division, 0.0
    frames, ticks = (division >> 8) - 256, division & 0xFF
    if frames not in _FRAMES or not ticks:
        found = f"{-frames} frames a second of {ticks} ticks"
        raise HachimachiError(f"damaged header: {found}, expected 24, 25, 29 or 30 of 1 to 255; {EXPORT_AGAIN}")
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


Bytes = NDArray[np.uint8]
Index = NDArray[np.int64]
PADDING = bytes(16)
"""Must follow the last track."""
END_OF_TRACK = 0x2F
_DOUBLINGS = 3  # a leap is that many times two events
_OPEN = 0  # in place of the size of a message that says its length itself: meta and exclusive
_SIZES = bytes(
    [2] * 0x80  # a data byte: of two, where the status is an earlier one
    + [3] * 0x40  # note-off, note-on, pressure of a key, control change
    + [2] * 0x20  # program change, pressure of a channel
    + [3] * 0x10  # pitch bend
    + [_OPEN, 2, 3, 2, 1, 1, 1, _OPEN]  # system messages have no place in a file; 0xF4 and those from 0xF6 on
    + [1, 1, 1, 1, 1, 1, 1, _OPEN]  # have no data
)


class Walker:
    """Follows events through the bytes of tracks. One serves many files, and its memory is used again.

    Args:
        most: Bytes of the largest file, `PADDING` included.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._places = np.arange(most)
        self._tables = np.empty((_DOUBLINGS + 1, most), np.int64)

    def walk(self, data: bytes, spans: Sequence[tuple[int, int]]) -> tuple[Index, Index]:
        """Follow tracks, in the order in which they lie there, from where each begins to where it can end at most.

        Returns:
            First byte of each event, one track after the other, shape (E,), and how many each track has, shape (T,).
            The last of a track may be one that breaks off or is none.
        """
        tables = self._tables[:, : len(data)]
        _fill_steps(data, self._places[: len(data)], tables[0])
        for once, twice in pairwise(tables):
            np.take(once, once, out=twice, mode="clip")
        leaps, steps, found = memoryview(tables[-1]), memoryview(tables[0]), _Found([], [])
        for begin, end in spans:
            _follow(begin, end, leaps, steps, found)
        at = np.array(found.leaps, np.int64)
        for table in tables[-2::-1]:  # the events in between: at half the way, at quarters, …
            at = np.concatenate([at, table.take(at)])
        begun = np.zeros(len(data), bool)
        begun[at] = True
        begun[found.tails] = True
        starts = np.flatnonzero(begun)
        return starts, np.diff(np.searchsorted(starts, np.array([*(begin for begin, _ in spans), len(data)])))

    def ends_of(self, starts: Index) -> Index:
        """Return where events end; the last byte of all if one ends its track, goes on beyond the file or is none."""
        return self._tables[0].take(starts)

    def walk_slowly(self, data: bytes, begin: int, end: int) -> list[int]:
        """Follow one track in which messages of one data byte may leave out their status, event by event."""
        starts, at, single = [], begin, False
        steps = memoryview(self._tables[0])
        while at < end:
            starts.append(at)
            place = at
            while data[place] > 0x7F and place < at + 4:
                place += 1
            if place == at + 4:  # a time that is none
                break
            status = data[place + 1]
            if 0x7F < status < 0xF0:
                single = 0xC0 <= status < 0xE0
            at = place + 2 if single and status < 0x80 else steps[at]
        return starts


class _Found(NamedTuple):
    leaps: list[int]  # events from which a whole leap stays inside the track
    tails: list[int]  # the others


def _follow(begin: int, end: int, leaps: memoryview, steps: memoryview, found: _Found) -> None:
    """Follow one track, by leaps and at last by steps."""
    at, add = begin, found.leaps.append
    if at < end:
        after = leaps[at]
        while after < end:
            add(at)
            at, after = after, leaps[after]
    while at < end:
        found.tails.append(at)
        at = steps[at]


def read_quantities(values: Bytes, at: Index) -> tuple[Index, Index]:
    """Read variable-length quantities; return their values and where they end, both of the shape of ``at``.

    Those of five bytes or more are read as four.
    """
    first = values.take(at)
    value, end = (first & 0x7F).astype(np.int64), at + 1
    longer = np.flatnonzero(first > 0x7F)
    for _ in range(3):
        if not longer.size:
            break
        place = end.take(longer)
        byte = values.take(place)
        value[longer] = value.take(longer) << 7 | byte & 0x7F
        end[longer] = place + 1
        longer = longer.take(np.flatnonzero(byte > 0x7F))
    return value, end


def _fill_steps(data: bytes, places: Index, ends: Index) -> None:
    """Find where an event that begins at each byte ends; the last byte of all if it ends a track or is none."""
    values, sizes = np.frombuffer(data, np.uint8), np.frombuffer(data.translate(_SIZES), np.uint8)
    high = values >> 7
    plain = np.ones_like(sizes)
    plain[:-1] += sizes[1:]  # the time takes one byte
    steps = plain.copy()
    for _ in range(3):  # products, for a choice by np.where takes a hundred times as long
        steps[:-1] = plain[:-1] + high[:-1] * (steps[1:] + np.uint8(1) - plain[:-1])
    last = len(values) - 1
    np.add(places, steps, out=ends)
    ends[-8:] = last
    endless = high[:-3] & high[1:-2] & high[2:-1] & high[3:]
    if endless.any():
        ends[np.flatnonzero(endless)] = last
    _measure(values, np.flatnonzero(sizes == _OPEN), ends)


def _measure(values: Bytes, at: Index, ends: Index) -> None:
    """Put into ``ends`` where the messages end that say their length themselves; their status is at ``at``."""
    last = len(values) - 1
    at = at[(at > 3) & (at < last - 8)]
    meta = values[at] == 0xFF
    length, begin = read_quantities(values, at + 1 + meta)
    end = np.minimum(begin + length, last)
    end[meta & (values[at + 1] == END_OF_TRACK)] = last
    ok = values[at - 1] < 0x80
    for back in range(1, 5):
        ends[at[ok] - back] = end[ok]
        ok &= values[at - back - 1] > 0x7F


META = 0xFF
BREAKS_OFF = "an event that breaks off"


class Events(NamedTuple):
    """Events of several tracks, one track after the other; E events, T tracks.

    Args:
        counts: How many events each track has, shape (T,).
        tick: When, from the start of the track, shape (E,).
        status: With the channel in its lower half; where a file leaves it out, the one it means, shape (E,).
        first: First data byte, or the type of a meta event, shape (E,).
        second: The byte after that, shape (E,).
        at: Where ``first`` is, shape (E,).
    """

    counts: Index
    tick: Index
    status: Bytes
    first: Bytes
    second: Bytes
    at: Index


class Endings(NamedTuple):
    """How the reading of each track ended.

    Args:
        stop: The byte after the last event that was read, shape (T,).
        ended: Whether the track says itself that it ends there, shape (T,).
        breaks: Track, from 0 → what is wrong there.
    """

    stop: Index
    ended: NDArray[np.bool_]
    breaks: dict[int, str]


class Starts(NamedTuple):
    """Where events begin, as the walk found them, and whether each has a status of its own.

    ``lost`` are those that have none though none was given before: the first of each track that has such.
    """

    at: Index
    counts: Index
    explicit: NDArray[np.bool_]
    lost: Index


def read_events(walker: Walker, data: bytes, spans: Sequence[tuple[int, int]]) -> tuple[Events, Endings]:
    """Read what tracks hold, each from its first byte to the last that can belong to it.

    Args:
        data: All bytes, and `PADDING`.
        spans: Where the tracks are, in the order in which they lie there.
    """
    values = np.frombuffer(data, np.uint8)
    starts, events = _read_fields(values, *walker.walk(data, spans))
    single = np.flatnonzero(~starts.explicit & ((events.status & 0xE0) == 0xC0))
    if single.size:
        each = np.split(starts.at, np.cumsum(starts.counts)[:-1])
        for track in np.unique(_track_of(single, starts.counts)).tolist():
            each[track] = np.array(walker.walk_slowly(data, *spans[track]), np.int64)
        counts = np.array([len(at) for at in each], np.int64)
        starts, events = _read_fields(values, np.concatenate(each), counts)
    return _end(values, starts, events, walker.ends_of(starts.at), np.array(spans, np.int64).reshape(-1, 2))


def _read_fields(values: Bytes, at: Index, counts: Index) -> tuple[Starts, Events]:
    tick, place = read_quantities(values, at)
    byte = values.take(place)
    explicit = byte > 0x7F
    place += explicit
    tick = np.concatenate([[0], np.cumsum(tick)])
    tick = tick[1:] - np.repeat(tick[np.cumsum(counts) - counts], counts)
    status, lost = _full_status(byte), []
    for first, given in _without_status(byte, counts):
        silent = first + np.flatnonzero(byte[first:given] < 0x80)
        status[silent] = 0  # that of another track is not theirs
        lost.append(first)
    events = Events(counts, tick, status, values.take(place), values.take(place + 1), place)
    return Starts(at, counts, explicit, np.array(lost, np.int64)), events


def _full_status(byte: Bytes) -> Bytes:
    """Return the status of each event, given its own or, where it has none, its first data byte."""
    own = np.flatnonzero(byte - np.uint8(0x80) < 0x70)  # of a channel: others do not count, and leave it as it was
    lengths = np.diff(own, prepend=0, append=len(byte))
    status = np.repeat(np.append(np.uint8(0), byte.take(own)), lengths)
    system = np.flatnonzero(byte >= 0xF0)
    status[system] = byte.take(system)
    return status


def _end(values: Bytes, starts: Starts, events: Events, ends: Index, spans: Index) -> tuple[Events, Endings]:
    """End each track where it ends or breaks; what comes after that is left out."""
    filled = np.flatnonzero(starts.counts)
    final = np.cumsum(starts.counts)[filled] - 1
    ended = np.zeros(len(spans), bool)
    ended[filled] = (events.status[final] == META) & (events.first[final] == END_OF_TRACK)
    stop = spans[:, 0].copy()
    # where a message of one byte was walked slowly, ``ends`` do not hold
    single = ((events.status[final] & 0xE0) == 0xC0) & (ends[final] < len(values) - 1)
    stop[filled] = np.where(ended[filled], events.at[final] + 2, np.where(single, events.at[final] + 1, ends[final]))
    breaks = _breaks(values, starts, events, final[~ended[filled] & (stop > spans[:, 1])[filled]])
    if not breaks:
        return events, Endings(stop, ended, {})
    first = np.cumsum(starts.counts) - starts.counts
    counts = starts.counts.copy()
    for track, (event, _) in breaks.items():
        counts[track] = event - first[track]
        stop[track], ended[track] = starts.at[event], False
    number = np.arange(len(starts.at)) - np.repeat(first, starts.counts)
    keep = np.flatnonzero(number < np.repeat(counts, starts.counts))
    why = {track: reason for track, (_, reason) in breaks.items()}
    return Events._make([counts, *(column[keep] for column in events[1:])]), Endings(stop, ended, why)


def _breaks(values: Bytes, starts: Starts, events: Events, broken: Index) -> dict[int, tuple[int, str]]:
    """Return the first event that is none, and why it is none, for each track that has one.

    Args:
        broken: Events that go on beyond their track.
    """
    two = (events.status & 0xE0) != 0xC0
    beyond = (events.first | events.second * two) & (events.status - np.uint8(0x80) < 0x70) * np.uint8(0x80)
    wrong: dict[int, str] = {}
    for event in np.flatnonzero(beyond).tolist():
        found = max(events.first[event], events.second[event] * two[event])
        wrong[event] = f"a data byte of {found}, expected at most 127"
    for event in starts.lost.tolist():
        wrong[event] = f"byte {events.first[event]} where an event should say what it is"
    for event in broken.tolist():  # last, for its other bytes may not be its own
        wrong[event] = _why_broken(values, int(starts.at[event]))
    found = sorted(wrong, reverse=True)  # so that the first of a track is what stays
    tracks = _track_of(np.array(found, np.int64), starts.counts).tolist()
    return {track: (event, wrong[event]) for track, event in zip(tracks, found, strict=True)}


def _why_broken(values: Bytes, at: int) -> str:
    if (values[at : at + 4] > 0x7F).all():
        return "a time of more than 4 bytes"
    return BREAKS_OFF


def _without_status(byte: Bytes, counts: Index) -> list[tuple[int, int]]:
    """Return, for each track that has such, its first event that leaves out a status before any is given, and where
    one is given or the track ends. ``byte`` is what each event has in the place of its status."""
    ends = np.cumsum(counts)
    begins, every = ends - counts, len(byte)
    silent, told = np.flatnonzero(byte < 0x80), np.flatnonzero(byte - np.uint8(0x80) < 0x70)
    first = np.append(silent, every)[np.searchsorted(silent, begins)]
    given = np.minimum(np.append(told, every)[np.searchsorted(told, begins)], ends)
    return [(int(first[track]), int(given[track])) for track in np.flatnonzero(first < given)]


def _track_of(event: Index, counts: Index) -> Index:
    return np.searchsorted(np.cumsum(counts), event, side="right")


class Block(NamedTuple):
    """Files of a block, F of them, their tracks, T, and the time lines that these lie on, L: one for each file, or
    for each track of a file of format 2.

    Args:
        data: The bytes of all.
        chunks: What each file is made of.
        spans: Where each track begins in ``data``, can end at most, and ends by its own account, shape (T, 3).
        number: Number of each track in its file, from 1, shape (T,).
        file: File of each track, from 0, shape (T,).
        line: Time line of each track, from 0, shape (T,).
        file_of_line: Shape (L,).
    """

    data: bytes
    chunks: Sequence[MidiChunks]
    spans: Index
    number: Index
    file: Index
    line: Index
    file_of_line: Index


def join(files: Sequence[bytes], chunks: Sequence[MidiChunks]) -> Block:
    """Put files one after the other."""
    spans: list[tuple[int, int, int]] = []
    number: list[int] = []
    sizes = [len(each.spans) for each in chunks]
    before = 0
    for data, each in zip(files, chunks, strict=True):
        spans += [(before + begin, before + end, before + declared) for begin, end, declared in each.spans]
        number += range(1, len(each.spans) + 1)
        before += len(data)
    lines = np.array([len(each.spans) if each.sequential else 1 for each in chunks], np.int64)
    file, file_of_line = (np.repeat(np.arange(len(chunks)), counts) for counts in (sizes, lines))
    numbers, sequential = np.array(number, np.int64), np.array([each.sequential for each in chunks], bool)
    line = (np.cumsum(lines) - lines)[file] + np.where(sequential[file], numbers - 1, 0)
    where = np.array(spans, np.int64).reshape(-1, 3)
    return Block(b"".join([*files, PADDING]), chunks, where, numbers, file, line, file_of_line)


def account(block: Block, endings: Endings) -> dict[str, Index]:
    """Return what has to be said of each file but for its notes: remark → how often, shape (F,)."""
    _, end, declared = block.spans.T
    stop, ended = endings.stop, endings.ended
    if ended.all() and (stop == end).all() and (end == declared).all():
        return _of_headers(block.chunks)
    rest, cut = np.maximum(end - stop, 0), ~ended & (declared > end)
    broken = [track for track, why in endings.breaks.items() if not (cut[track] and why == BREAKS_OFF)]
    per_track = {
        WRONG_LENGTH: ended & ((stop > declared) | (declared > end)),
        CUT_SHORT: np.where(cut, declared - end, 0),
        BROKEN: np.where(np.isin(np.arange(len(stop)), broken), rest, 0),
        AFTER_END: np.where(ended, rest, 0),
    }
    files = len(block.chunks)
    said = {what: np.bincount(block.file, times, files).astype(np.int64) for what, times in per_track.items()}
    for what, times in _of_headers(block.chunks).items():
        said[what] = said.get(what, 0) + times
    return said


def _of_headers(chunks: Sequence[MidiChunks]) -> dict[str, Index]:
    facts = [
        (len(each.spans) - each.announced, each.misled, each.stray, each.ticks_per_second > 0, each.sequential)
        for each in chunks
    ]
    surplus, misled, stray, frames, sequential = np.array(facts, np.int64).reshape(-1, 5).T
    tracks = np.array([len(each.spans) for each in chunks])
    return {
        MISSING: np.maximum(-surplus, 0),
        SURPLUS: np.maximum(surplus, 0),
        WRONG_LENGTH: misled,
        STRAY: stray,
        FRAMES: frames,
        SEQUENTIAL: tracks * sequential,
    }
