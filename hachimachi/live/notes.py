"""What sounds: told to whoever plays or keeps it, ended in time, and counted where it was late."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence

from hachimachi.events import Feature
from hachimachi.live.protocols import Listeners, Note, Row
from hachimachi.live.schedule import Prediction


class ActiveNotes:
    """The notes that sound.

    A note ends after its feature ``duration``, in seconds. Where the model has none, the next event that comes later
    ends it. The same note begun again ends the one before.

    Args:
        features: The model's features. Events are notes if one of them is called ``pitch``; else nothing sounds.

    >>> import numpy as np
    >>> ledger = ActiveNotes([Feature("pitch"), Feature("duration")])
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


FINEST = 1e-6
"""Seconds; what is less late is on time."""
PER_E_FOLD = 50
"""Bins for each factor of e: a percentile is read to within 2 %."""
BINS = math.ceil(PER_E_FOLD * math.log(1e9))  # up to 1,000 s


class LatencyHistogram:
    """A histogram of seconds on a logarithmic scale.

    >>> lateness = LatencyHistogram()
    >>> for milliseconds in range(1, 101):
    ...     lateness.add(milliseconds / 1000)
    >>> round(lateness.percentile(50), 3), round(lateness.percentile(99), 3), lateness.largest
    (0.05, 0.1, 0.1)
    """

    def __init__(self) -> None:
        self.count = 0
        self.largest = 0.0
        """The largest, in seconds."""
        self._bins = [0] * (BINS + 1)

    def add(self, seconds: float) -> None:
        """Count one; negative is on time."""
        place = 0 if seconds <= FINEST else min(1 + int(PER_E_FOLD * math.log(seconds / FINEST)), BINS)
        self._bins[place] += 1
        self.count += 1
        self.largest = max(self.largest, seconds)

    def percentile(self, share: float) -> float:
        """Return, in seconds, what so many per cent were not later than; 0 if there were none."""
        wanted, seen = share / 100 * self.count, 0
        for place, count in enumerate(self._bins):
            seen += count
            if seen >= wanted and count:
                return min(FINEST * math.exp(place / PER_E_FOLD), self.largest) if place else 0.0
        return 0.0

    def in_ms(self) -> tuple[float, float, float]:
        """Return median, 99th percentile and largest in milliseconds."""
        return self.percentile(50) * 1e3, self.percentile(99) * 1e3, self.largest * 1e3


class NoteOutput:
    """The sounding side of a performer.

    Args:
        features: Those of the model, F of them.
        listeners: Who is told.
        clock: Seconds that never go back.
    """

    def __init__(self, features: Sequence[Feature], listeners: Listeners, clock: Callable[[], float]) -> None:
        self.lateness, self._unsaid = LatencyHistogram(), LatencyHistogram()
        self._ledger, self._scrap = ActiveNotes(features), ActiveNotes(features)
        self._listeners = listeners
        self._clock = clock

    def __len__(self) -> int:
        """Return how many notes sound."""
        return len(self._ledger)

    @property
    def next(self) -> float | None:
        """When the next note ends; ``None`` if that is not known of any."""
        return self._ledger.next

    def sound(self, deadline: float, prediction: Prediction) -> None:
        """Let a prediction sound, and end the notes that end before it."""
        self.end_due(deadline)
        for note in self._ledger.begin(prediction.features, deadline):
            self._listeners.ended(note, deadline, False)
        self._listeners.played(prediction.features, deadline, prediction.asker)
        self.lateness.add(self._clock() - max(deadline, prediction.asked))

    def rehearse(self, features: Row) -> None:
        """Go through the motions of `sound`, to no effect."""
        self._scrap.begin(features, 0.0)
        self._scrap.clear()
        self._unsaid.add(0.001)
        self._listeners.rehearse(features)

    def end_due(self, now: float) -> None:
        """End the notes whose time has come."""
        for at, note in self._ledger.pop_due(now):
            self._listeners.ended(note, at, False)

    def end_all(self) -> None:
        """End every note, before its time."""
        now = self._clock()
        for began, note in self._ledger.clear():  # one that was told ahead of time ends when it begins
            self._listeners.ended(note, max(now, began), True)
