"""Where each event of MIDI tracks begins, found for all tracks at once.

An event ends where the next begins, so a track can only be read from its front. But where an event *would* end if
one began here depends on a few bytes: that is computed for every byte at once, and following it from the front of
each track takes one jump for eight events.

Source: *Standard MIDI Files 1.0* (RP-001) and *MIDI 1.0 Detailed Specification*, MIDI Association.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
