"""What a performer has still to do: an input to answer, predictions to play; and the count of what became of them."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, NamedTuple

from hachimachi.live.history import Past
from hachimachi.live.protocols import Address, Row

Pending = Literal["one", "all"]  # how many predictions may wait
# a model that plays alone samples so far ahead, and no more events: the notes of a chord are all there when it sounds
AHEAD_SECONDS, MOST_AHEAD = 0.03, 32
_deadline = attrgetter("deadline")


@dataclass
class Counts:
    """Counts so far. In the modes that answer, each input heard is answered, or skipped for a newer one; each
    prediction is played, cancelled or pending. What is released, the end of a player's note, is no input heard."""

    heard: int = 0
    released: int = 0
    answered: int = 0
    skipped: int = 0
    predicted: int = 0
    played: int = 0
    cancelled: int = 0


class Input(NamedTuple):
    """An event that was observed: when it happened, when it arrived, and who sent it."""

    at: float
    arrived: float
    asker: Address | None


class Prediction(NamedTuple):
    """What is to sound, when and why. ``before``: What the model had observed until then, if it observed it ahead."""

    deadline: float
    features: Row
    requested: float
    asker: Address | None = None
    before: Past | None = None


class Schedule:
    """At most one input to answer, and predictions (``one`` or more) in the order of deadlines, then of arrival."""

    def __init__(self, one: bool) -> None:
        self.one = one
        self.counts = Counts()
        self._unanswered: Input | None = None
        self.waiting: list[Prediction] = []  # for their time, the nearest first

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self._unanswered is None and not self.waiting

    @property
    def next(self) -> float | None:
        """The nearest deadline."""
        return self.waiting[0].deadline if self.waiting else None

    def answer_later(self, arrived: Input) -> None:
        """Keep an input to answer; one that waits is skipped."""
        self.counts.skipped += self._unanswered is not None
        self._unanswered = arrived

    def take_input(self) -> Input | None:
        """Take out the input to answer."""
        arrived, self._unanswered = self._unanswered, None
        self.counts.answered += arrived is not None
        return arrived

    def add(self, prediction: Prediction) -> None:
        """Keep a prediction until its deadline."""
        insort(self.waiting, prediction, key=_deadline)
        self.counts.predicted += 1

    def pop_due(self, now: float) -> list[Prediction]:
        """Take out every prediction whose deadline has come, earliest first."""
        count = bisect_right(self.waiting, now, key=_deadline)
        due, self.waiting = self.waiting[:count], self.waiting[count:]
        return due

    def update(self, change: Callable[[Prediction], Prediction]) -> None:
        """Change every prediction that waits."""
        self.waiting = sorted(map(change, self.waiting), key=_deadline)

    @property
    def to_extend(self) -> Prediction | None:
        """The last prediction, if the one that follows it should be sampled now."""
        if not self.waiting or self.waiting[-1].before is not None or len(self.waiting) >= MOST_AHEAD:
            return None
        first, last = self.waiting[0], self.waiting[-1]
        return last if last.deadline - first.deadline <= AHEAD_SECONDS else None

    def mark_observed(self, before: Past) -> None:
        """Note that the model has observed the last prediction, and what it had observed before."""
        self.waiting[-1] = self.waiting[-1]._replace(before=before)

    def drop_ahead(self) -> Past | None:
        """Drop all predictions but the first, take it for not observed, and return what was before it, if anything."""
        if not self.waiting or (before := self.waiting[0].before) is None:
            return None
        self.counts.predicted -= len(self.waiting) - 1  # nobody was to know of them yet
        self.waiting = [self.waiting[0]._replace(before=None)]
        return before

    def drop(self) -> None:
        """Leave undone all there is to do."""
        self.counts.skipped += self._unanswered is not None
        self.counts.cancelled += len(self.waiting)
        self._unanswered, self.waiting = None, []
