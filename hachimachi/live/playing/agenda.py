"""What a performer has still to do: an input to answer, predictions to play; and the count of what became of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hachimachi.live.instrumentalist import Row
from hachimachi.live.outlet import Address
from hachimachi.live.playing.hearing import Past
from hachimachi.live.playing.scheduler import Scheduler

Pending = Literal["one", "all"]
"""How many predictions may wait."""


@dataclass
class Counts:
    """What has happened so far.

    Each input is heard. In the modes that answer, each input heard is answered, or skipped for a newer one. Each
    prediction is played, cancelled or pending.
    """

    heard: int = 0
    answered: int = 0
    skipped: int = 0
    predicted: int = 0
    played: int = 0
    cancelled: int = 0


class Input(NamedTuple):
    """An event that was heard: when it happened, when it arrived, and who sent it."""

    at: float
    came: float
    asker: Address | None


class Prediction(NamedTuple):
    """What is to sound."""

    features: Row
    """Shape (F,)."""
    asked: float
    """When it was asked for: nothing is late before that."""
    asker: Address | None = None
    """By whom, if by somebody."""
    before: Past | None = None
    """What the model had heard before this, if it has heard this ahead of time."""


AHEAD_SECONDS = 0.03
"""A model that plays alone draws so much ahead of the next event: the notes of a chord are all there when it sounds."""
MOST_AHEAD = 32
"""And no more events than these."""


class Agenda:
    """At most one input to answer, and predictions by their deadlines.

    Args:
        one: Whether at most one prediction waits.
    """

    def __init__(self, one: bool) -> None:
        self.one = one
        self.counts = Counts()
        self._unanswered: Input | None = None
        self._predictions: Scheduler[Prediction] = Scheduler()

    def __len__(self) -> int:
        """Return how many predictions wait for their time."""
        return len(self._predictions)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self._unanswered is None and not len(self)

    @property
    def next(self) -> float | None:
        """The nearest deadline of a prediction."""
        return None if self._predictions.first is None else self._predictions.first[0]

    @property
    def first(self) -> Prediction | None:
        """What is to sound next."""
        return None if self._predictions.first is None else self._predictions.first[1]

    def ask(self, heard: Input) -> None:
        """Keep an input to answer; one that waits is skipped."""
        self.counts.skipped += self._unanswered is not None
        self._unanswered = heard

    def take_input(self) -> Input | None:
        """Take out the input to answer."""
        heard, self._unanswered = self._unanswered, None
        self.counts.answered += heard is not None
        return heard

    def add(self, deadline: float, prediction: Prediction) -> None:
        """Keep a prediction until its deadline."""
        self._predictions.add(deadline, prediction)
        self.counts.predicted += 1

    @property
    def to_extend(self) -> tuple[float, Prediction] | None:
        """The last prediction and its deadline, if the one that follows it should be drawn now."""
        first, last = self._predictions.first, self._predictions.last
        if first is None or last is None or last[1].before is not None or len(self) >= MOST_AHEAD:
            return None
        return last if last[0] - first[0] <= AHEAD_SECONDS else None

    def mark_heard(self, before: Past) -> None:
        """Note that the model has heard the last prediction, and what it had heard before."""
        deadline, prediction = self._predictions.pop_last()
        self._predictions.add(deadline, prediction._replace(before=before))

    def forget_ahead(self) -> Past | None:
        """Drop all predictions but the first, and take it for unheard; return what the model had heard before it,
        ``None`` if it has heard nothing ahead."""
        if self._predictions.first is None or self._predictions.first[1].before is None:
            return None
        deadline, first = self._predictions.first
        self.counts.predicted -= self._predictions.clear() - 1  # nobody was to know of them yet
        self._predictions.add(deadline, first._replace(before=None))
        return first.before

    def pop_due(self, now: float) -> list[tuple[float, Prediction]]:
        """Take out the predictions whose deadline has come, with that deadline, earliest first."""
        return self._predictions.pop_due(now)

    def take_all(self) -> list[tuple[float, Prediction]]:
        """Take out all predictions, to be put back."""
        return self._predictions.pop_due(math.inf)

    def put_back(self, deadline: float, prediction: Prediction) -> None:
        """Keep a prediction that was taken out."""
        self._predictions.add(deadline, prediction)

    def drop(self) -> None:
        """Leave undone all there is to do."""
        self.counts.skipped += self._unanswered is not None
        self._unanswered = None
        self.counts.cancelled += self._predictions.clear()
