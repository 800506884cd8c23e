"""Notes from note-ons and note-offs, with an account of every one.

A key has one voice, so a note ends with whatever its key does next. Every note-on is kept: one that is struck
again ends where the next begins, one without an end ends with the last message of its track.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.midi_events import Events
from hachimachi.io.midi_remarks import EMPTY, RESTARTED, UNENDED
from hachimachi.io.midi_walk import Bytes, Index

Flags = NDArray[np.bool_]


class Notes(NamedTuple):
    """Every note of several tracks, one track after the other, in the order in which they begin; N of them.

    Args:
        event: Its note-on among the events, shape (N,).
        track: From 0, shape (N,).
        start: Tick, shape (N,).
        end: Tick, shape (N,).
        pitch: Shape (N,).
        velocity: Shape (N,).
        channel: From 0, shape (N,).
    """

    event: Index
    track: Index
    start: Index
    end: Index
    pitch: Bytes
    velocity: Bytes
    channel: Bytes


def pair_notes(events: Events) -> tuple[Notes, dict[str, Index]]:
    """Return every note of all tracks, and the tracks of the notes that had to be mended, by remark."""
    event = np.flatnonzero(events.status >> 5 == 0b100)  # note-off, note-on
    status, pitch, velocity = (column.take(event) for column in (events.status, events.first, events.second))
    track, tick = track_of(event, events.counts), events.tick.take(event)
    on = (status > 0x8F) & (velocity > 0)  # a velocity of 0 ends a note
    key = (status & np.uint8(15)).astype(np.uint16) << np.uint16(7) | pitch
    order = np.argsort(key, kind="stable")
    ends, remarks = _pair(_Keys(key, track, tick, on), order, events)
    begins = np.flatnonzero(on)
    columns = (each.take(begins) for each in (event, track, tick, ends, pitch, velocity, status & np.uint8(15)))
    return Notes._make(columns), remarks


def track_of(event: Index, counts: Index) -> Index:
    """Return the track of each of some events, which are sorted, given how many events each track has."""
    bounds = np.searchsorted(event, np.append(0, np.cumsum(counts)))
    return np.repeat(np.arange(len(counts)), np.diff(bounds))


class _Keys(NamedTuple):
    """Note-ons and note-offs, M of them."""

    key: NDArray[np.uint16]
    track: Index
    tick: Index
    on: Flags


def _pair(keys: _Keys, order: Index, events: Events) -> tuple[Index, dict[str, Index]]:
    """Return the end of each note at its note-on, shape (M,), given the order by key and then as in the file."""
    by_key = _Keys._make(column.take(order) for column in keys)
    same = np.zeros(len(order), bool)  # as the next
    same[:-1] = (by_key.key[1:] == by_key.key[:-1]) & (by_key.track[1:] == by_key.track[:-1])
    _settle_late_ends(by_key, same, order)
    on = np.flatnonzero(by_key.on)
    start, track, final = by_key.tick.take(on), by_key.track.take(on), ~same.take(on)
    end = by_key.tick.take(on + 1, mode="clip")
    again = by_key.on.take(on + 1, mode="clip") & ~final
    if final.any():
        end[final] = _last(events)[track[final]]
    for i in np.flatnonzero(again & (end == start))[::-1].tolist():  # struck twice at once: the two end together
        end[i], again[i] = end[i + 1], False
    ends = np.empty(len(order), np.int64)
    ends[order.take(on)] = end
    return ends, {RESTARTED: track[again], UNENDED: track[final], EMPTY: track[end == start]}


def _settle_late_ends(keys: _Keys, same: Flags, order: Index) -> None:
    """Where a start comes just before the end, on the same tick, of the note its key still holds, exchange the two."""
    on, tick = keys.on, keys.tick
    while True:
        late = np.flatnonzero(on[:-2] & on[1:-1] & ~on[2:] & same[:-2] & same[1:-1]) + 1
        late = late[(tick[late - 1] < tick[late]) & (tick[late] == tick[late + 1])]
        if not late.size:
            return
        on[late], on[late + 1] = False, True
        order[late], order[late + 1] = order[late + 1], order[late]


def _last(events: Events) -> Index:
    """Return the tick of the last channel message of each track that has one, shape (T,)."""
    of_channel = np.flatnonzero(events.status < 0xF0)
    return events.tick[of_channel[np.searchsorted(of_channel, np.cumsum(events.counts)) - 1]]
