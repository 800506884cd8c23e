"""Notes from note-ons and note-offs, with an account of every one.

A key has one voice, so a note ends with whatever its key does next. Every note-on is kept: one that is struck
again ends where the next begins, one without an end ends with the last message of its track.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.io.midi_bytes import Track
from hachimachi.io.report import Report

RESTARTED = "notes struck again before their end: each ends where the next begins"
UNENDED = "notes without an end: each ends with its track"
EMPTY = "notes of no length: kept"
Table = NDArray[np.int64]


def pair_notes(tracks: Sequence[Track], file: str, report: Report) -> Table:
    """Return every note of all tracks, in ticks, and tell the report what had to be mended.

    Returns:
        Shape (N, 6): start, end, pitch, velocity, channel, program (−1 where its track set none).

    Raises:
        HachimachiError: A pitch or velocity beyond 127, which no MIDI message can hold.
    """
    events, key, last = _events(tracks)
    while (late := _late_ends(events, key)).size:
        at = np.column_stack([late, late + 1])
        events[at] = events[at[:, ::-1]]
    tick, on = events[:, 0], _is_on(events)
    final = np.append(key[1:] != key[:-1], True)[: len(key)]  # the last event of a key
    end = np.where(final, last, np.roll(tick, -1))
    again = on & ~final & np.roll(on, -1)
    for i in np.flatnonzero(again & (end == tick))[::-1]:  # struck twice at once: the two end together
        end[i] = end[i + 1]
        again[i] = False
    report.count(RESTARTED, file, int(again.sum()))
    report.count(UNENDED, file, int((on & final).sum()))
    report.count(EMPTY, file, int((on & (end == tick)).sum()))
    return np.column_stack([tick, end, events[:, 2:4], events[:, 1] & 15, events[:, 4]])[on]


def _events(tracks: Sequence[Track]) -> tuple[Table, Table, Table]:
    """Return events by key and then as in the file, shape (M, 5); the key of each; its track's last tick."""
    sizes = [len(track.notes) for track in tracks]
    flat = chain.from_iterable(chain.from_iterable(track.notes for track in tracks))
    events = np.fromiter(flat, np.int64, count=5 * sum(sizes)).reshape(-1, 5)
    if (events[:, 2:4] > 127).any():
        raise HachimachiError(f"damaged: a note of pitch or velocity {events[:, 2:4].max()}, expected at most 127")
    number = np.repeat(np.arange(len(tracks)), sizes)
    key = (number * 16 + (events[:, 1] & 15)) * 128 + events[:, 2]
    order = np.argsort(key, kind="stable")
    last = np.array([track.last for track in tracks], dtype=np.int64)
    return events[order], key[order], last[number[order]]


def _late_ends(events: Table, key: Table) -> Table:
    """Return where a start comes just before the end, on the same tick, of the note its key still holds."""
    tick, on = events[:, 0], _is_on(events)
    same_key = (key[:-2] == key[1:-1]) & (key[1:-1] == key[2:])
    restart = on[:-2] & on[1:-1] & (tick[:-2] < tick[1:-1])
    return np.flatnonzero(same_key & restart & ~on[2:] & (tick[1:-1] == tick[2:])) + 1


def _is_on(events: Table) -> NDArray[np.bool_]:
    return (events[:, 1] >= 0x90) & (events[:, 3] > 0)  # a velocity of 0 ends a note
