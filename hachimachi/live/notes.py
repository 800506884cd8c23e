"""What sounds: sent to whoever plays or keeps it, ended in time; and how late it was."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate

from hachimachi.events import Feature
from hachimachi.live.midi.mapping import NoteNames
from hachimachi.live.protocols import Listener, Note, Row
from hachimachi.live.schedule import Prediction

INSTANT = 0.005  # seconds: notes that begin closer together are one chord
FINEST = 1e-6  # seconds; what is less late is on time
PER_E_FOLD = 50  # bins for each factor of e: a percentile is read to within 2 %


class ActiveNotes:
    """The notes that sound: events of models with a feature ``pitch``; of others nothing sounds. A note ends after its
    feature ``duration``, in seconds; without one when the next event comes later, or the same note."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._duration = next((i for i, feature in enumerate(features) if feature.name == "duration"), None)
        self._names = NoteNames(features)
        self._sounding: dict[Note, tuple[float, float]] = {}  # when each began, and when it ends
        self._ends: list[tuple[float, Note]] = []  # a heap; an entry that disagrees with `_sounding` is out of date

    def __len__(self) -> int:
        return len(self._sounding)

    @property
    def next(self) -> float | None:
        """When the next note ends; ``None`` if that is not known of any."""
        while self._ends and self._sounding.get(self._ends[0][1], (0.0, math.nan))[1] != self._ends[0][0]:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def steal(self, at: float) -> Note | None:
        """Take out the note that began first, for one more (voice stealing); ``None`` where all have begun just now."""
        note, (began, _) = next(iter(self._sounding.items()))
        if at - began < INSTANT:
            return None
        del self._sounding[note]
        return note

    def begin(self, row: Row, at: float) -> list[Note]:
        """Add the note of an event, features of shape (F,), and return those that it ends."""
        note = self._names.of(row.tolist())
        if note is None:
            return []
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


class LatencyHistogram:
    """A histogram of seconds on a logarithmic scale.

    >>> latency = LatencyHistogram()
    >>> for milliseconds in range(1, 101):
    ...     latency.add(milliseconds / 1000)
    >>> round(latency.percentile(50), 3), round(latency.percentile(99), 3), latency.largest
    (0.05, 0.1, 0.1)
    """

    def __init__(self) -> None:
        self.count, self.largest = 0, 0.0
        self._bins: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one; negative is on time."""
        self._bins[0 if seconds <= FINEST else 1 + int(PER_E_FOLD * math.log(seconds / FINEST))] += 1
        self.count += 1
        self.largest = max(self.largest, seconds)

    def percentile(self, share: float) -> float:
        """Return the percentile ``share``, from 0 to 100, in seconds; 0 if there were none."""
        bins = sorted(self._bins)
        seen = list(accumulate(self._bins[i] for i in bins))
        i = bins[bisect_left(seen, share / 100 * self.count)] if bins else 0
        return min(FINEST * math.exp(i / PER_E_FOLD), self.largest) if i else 0.0

    def in_ms(self) -> tuple[float, float, float]:
        """Return median, 99th percentile and largest in milliseconds."""
        return self.percentile(50) * 1e3, self.percentile(99) * 1e3, self.largest * 1e3


class NoteOutput:
    """Lets predictions sound and notes end, and reports both to listeners."""

    def __init__(self, features: Sequence[Feature], listeners: Sequence[Listener], clock: Callable[[], float]) -> None:
        self.active, self.latency = ActiveNotes(features), LatencyHistogram()
        self._listeners, self._clock = listeners, clock

    def sound(self, prediction: Prediction, polyphony: int | None) -> bool:
        """Let a prediction sound, and end the notes that end before it, and one where too many would sound; return
        whether it did: in a chord of more notes than may sound, the last do not."""
        deadline = prediction.deadline
        self.end_due(deadline)
        if polyphony is not None and len(self.active) >= polyphony:
            if (stolen := self.active.steal(deadline)) is None:
                return False
            self._end(stolen, deadline, early=True)
        for note in self.active.begin(prediction.features, deadline):
            self._end(note, deadline, early=False)
        for listener in self._listeners:
            listener.played(prediction.features, deadline, prediction.asker)
        self.latency.add(self._clock() - max(deadline, prediction.requested))
        return True

    def end_due(self, now: float) -> None:
        """End the notes whose time has come."""
        for at, note in self.active.pop_due(now):
            self._end(note, at, early=False)

    def end_all(self) -> None:
        """End every note, before its time."""
        now = self._clock()
        for began, note in self.active.clear():  # one that was sent ahead of time ends when it begins
            self._end(note, max(now, began), early=True)

    def _end(self, note: Note, at: float, early: bool) -> None:
        for listener in self._listeners:
            listener.ended(note, at, early)
