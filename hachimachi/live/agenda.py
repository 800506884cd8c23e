"""What a performer has still to do: an input to answer, predictions to play; and the count of what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hachimachi.live.instrumentalist import Row
from hachimachi.live.outlet import Address
from hachimachi.live.scheduler import Scheduler


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
    """What is to sound: features, shape (F,); when they were asked for; and by whom."""

    features: Row
    asked: float
    asker: Address | None


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
        return self._predictions.next

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
        """Keep a prediction until its deadline, in place of the one that waits if there may be but one."""
        if self.one:
            self.counts.cancelled += self._predictions.clear()
        self._predictions.add(deadline, prediction)
        self.counts.predicted += 1

    def pop_due(self, now: float) -> list[tuple[float, Prediction]]:
        """Take out the predictions whose deadline has come, with that deadline, earliest first."""
        return self._predictions.pop_due(now)

    def drop(self) -> None:
        """Leave undone all there is to do."""
        self.counts.skipped += self._unanswered is not None
        self._unanswered = None
        self.counts.cancelled += self._predictions.clear()
