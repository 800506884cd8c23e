"""From ticks to seconds, over the tempo changes of all tracks; exact up to one rounding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.midi_audit import track_of
from hachimachi.io.midi_chunks import MidiChunks
from hachimachi.io.midi_events import META, Events
from hachimachi.io.midi_walk import Bytes, Index

TEMPO = 500_000
"""Microseconds per quarter note until a file says otherwise."""
MOST_TICKS = 2**38
"""Ticks that a track may last: times a tempo, below 2²⁴, they must fit in 63 bits."""
_SET_TEMPO = 0x51


class Clock:
    """Time lines, on each of which some tracks lie.

    Args:
        events: What the tracks hold.
        values: All bytes.
        line: Time line of each track, from 0, shape (T,).
        chunks: The file of each time line.
        beats: Count quarter notes instead of seconds.
    """

    def __init__(self, events: Events, values: Bytes, line: Index, chunks: Sequence[MidiChunks], beats: bool) -> None:
        self.elsewhere = self.zero = np.empty(0, np.int64)
        """Track of each tempo change that is not in the first track of its time line, and of each tempo of 0."""
        metric = np.array([not beats and not each.ticks_per_second for each in chunks])
        per = [each.ticks_per_second or each.ticks_per_quarter * (1 if beats else 1e6) for each in chunks]
        self._per = np.array(per, np.float64)
        lines, self._at = np.arange(len(chunks)), np.zeros(len(chunks), np.int64)
        self._tempo = np.where(metric, TEMPO, 1)
        if metric.any():
            track, tick, tempo = self._read_tempos(events, values, line)
            used = np.flatnonzero(metric[line[track]])
            key = np.append(lines * MOST_TICKS, line[track[used]] * MOST_TICKS + np.minimum(tick[used], MOST_TICKS - 1))
            order = np.argsort(key, kind="stable")  # of several tempos at one tick, the last holds
            lines, self._at = np.divmod(key[order], MOST_TICKS)
            self._tempo = np.append(self._tempo, tempo[used])[order]
        self._line, self._key = lines, lines * MOST_TICKS + self._at
        spent = np.append(0, np.cumsum(np.diff(self._at) * self._tempo[:-1]))  # wraps from line to line, and back
        first = np.searchsorted(lines, lines)
        self._spent = spent - spent[first]  # microseconds × ticks per quarter, whole numbers

    def _read_tempos(self, events: Events, values: Bytes, line: Index) -> tuple[Index, Index, Index]:
        """Return the track, tick and microseconds per quarter note of each tempo change."""
        event = np.flatnonzero((events.status == META) & (events.first == _SET_TEMPO) & (events.second == 3))
        byte = values[events.at[event][:, None] + [2, 3, 4]].astype(np.int64)
        track, tempo = track_of(event, events.counts), byte @ [1 << 16, 1 << 8, 1]
        first = np.searchsorted(line, line)  # track of each time line
        self.elsewhere, self.zero = track[track != first[track]], track[tempo == 0]
        real = np.flatnonzero(tempo)
        return track[real], events.tick[event[real]], tempo[real]

    def seconds(self, line: Index, tick: Index) -> NDArray[np.float64]:
        """Return the seconds (or quarter notes) of ticks on time lines; all of one shape."""
        if self._at.any():
            segment = np.searchsorted(self._key, line * MOST_TICKS + tick, side="right") - 1
            passed = self._spent.take(segment) + (tick - self._at.take(segment)) * self._tempo.take(segment)
        else:
            passed = tick * self._tempo.take(np.searchsorted(self._line, line, side="right") - 1)
        return passed / self._per.take(line)
