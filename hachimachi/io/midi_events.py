"""The events of MIDI tracks, column by column.

A track is read up to where it can be: an event that breaks off, a time that is none, a status that was never given
or a data byte beyond 127 ends it, for nothing says where the event after that would begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.midi_walk import END_OF_TRACK, Bytes, Index, Walker, read_quantities

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
