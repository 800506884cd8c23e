"""Which notes of the model sound, and when each of them ends: so that none is left hanging."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import NamedTuple

from hachimachi.events import Feature
from hachimachi.live.instrumentalist import Row


class Note(NamedTuple):
    """What a note-off has to name."""

    pitch: int
    channel: int | None = None
    """Value of the feature ``channel`` or ``instrument``, where there is one."""


class Ledger:
    """The notes that sound.

    A note ends after its feature ``duration``, in seconds. Where the model has none, the next event that comes later
    ends it. The same note begun again ends the one before.

    Args:
        features: The model's features. Events are notes if one of them is called ``pitch``; else nothing sounds.

    >>> import numpy as np
    >>> ledger = Ledger([Feature("pitch"), Feature("duration")])
    >>> ledger.begin(np.array([60, 0.5]), at=10.0), ledger.next
    ([], 10.5)
    >>> ledger.begin(np.array([60, 0.5]), at=10.2)
    [Note(pitch=60, channel=None)]
    >>> ledger.pop_due(now=10.7)
    [(10.7, Note(pitch=60, channel=None))]
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        places = {feature.name: place for place, feature in enumerate(features)}
        self._pitch, self._duration = places.get("pitch"), places.get("duration")
        self._channel = places.get("channel", places.get("instrument"))
        self._sounding: dict[Note, tuple[float, float]] = {}  # when each began, and when it ends
        self._ends: list[tuple[float, Note]] = []  # a heap; what is no longer so in `_sounding` does not count

    def __len__(self) -> int:
        return len(self._sounding)

    @property
    def next(self) -> float | None:
        """When the next note ends; ``None`` if that is not known of any."""
        while self._ends and self._sounding.get(self._ends[0][1], (0.0, math.nan))[1] != self._ends[0][0]:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def begin(self, row: Row, at: float) -> list[Note]:
        """Note down the note of an event, features of shape (F,), and return those that it ends."""
        if self._pitch is None:
            return []
        channel = None if self._channel is None else round(float(row[self._channel]))
        note = Note(round(float(row[self._pitch])), channel)
        if self._duration is None:
            ended = [each for each, (began, _) in self._sounding.items() if began < at or each == note]
            end = math.inf
        else:
            ended, end = [note] if note in self._sounding else [], at + max(0.0, float(row[self._duration]))
            heapq.heappush(self._ends, (end, note))
        for each in ended:
            del self._sounding[each]
        self._sounding[note] = (at, end)
        return ended

    def pop_due(self, now: float) -> list[tuple[float, Note]]:
        """Take out the notes that have ended, with the moment, earliest first."""
        due: list[tuple[float, Note]] = []
        while (at := self.next) is not None and at <= now:
            _, note = heapq.heappop(self._ends)
            del self._sounding[note]
            due.append((at, note))
        return due

    def clear(self) -> list[tuple[float, Note]]:
        """Take out all notes that sound, with the moment at which each began."""
        notes = [(began, note) for note, (began, _) in self._sounding.items()]
        self._sounding.clear()
        self._ends.clear()
        return notes
