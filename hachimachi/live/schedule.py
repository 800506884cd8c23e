"""What a performer has still to do: an input to answer, predictions to play; and the count of what became of them."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np

from hachimachi.live.history import History, Past
from hachimachi.live.protocols import Address, PlayableModel, Row

Item = TypeVar("Item")
_deadline = itemgetter(0)


class Scheduler(Generic[Item]):
    """Items in the order of their deadlines; of two with one deadline, the one added first comes first.

    >>> scheduler = Scheduler[str]()
    >>> scheduler.add(2.0, "later")
    >>> scheduler.add(1.0, "sooner")
    >>> scheduler.pop_due(now=1.5), scheduler.first
    ([(1.0, 'sooner')], (2.0, 'later'))
    """

    def __init__(self) -> None:
        self._queue: list[tuple[float, Item]] = []

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def first(self) -> tuple[float, Item] | None:
        """The item with the nearest deadline, and that deadline in seconds of the clock; ``None`` if nothing waits."""
        return self._queue[0] if self._queue else None

    @property
    def last(self) -> tuple[float, Item] | None:
        """The item with the farthest deadline, and that deadline."""
        return self._queue[-1] if self._queue else None

    def add(self, deadline: float, item: Item) -> None:
        """Keep an item until its deadline, in seconds of the clock."""
        insort(self._queue, (deadline, item), key=_deadline)

    def pop_due(self, now: float) -> list[tuple[float, Item]]:
        """Take out every item whose deadline has come, with that deadline, earliest first."""
        count = bisect_right(self._queue, now, key=_deadline)
        due, self._queue = self._queue[:count], self._queue[count:]
        return due

    def pop_last(self) -> tuple[float, Item]:
        """Take out the item with the farthest deadline.

        Raises:
            IndexError: Nothing waits.
        """
        return self._queue.pop()

    def clear(self) -> int:
        """Drop all that waits and return how many that were."""
        dropped = len(self._queue)
        self._queue.clear()
        return dropped


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


class Schedule:
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


NOTHING = np.empty(0)
"""Features that are not drawn yet."""


class Planner:
    """Draws predictions into an agenda.

    A model that plays alone is drawn ahead of time, so that the notes of a chord need not wait for each other. It has
    then heard what is still to sound; `unhear` takes that back.

    Args:
        hearing: The model and what it has heard.
        agenda: What it is to play.
    """

    def __init__(self, hearing: History, agenda: Schedule) -> None:
        self._hearing, self._agenda = hearing, agenda

    def predict(self, at: float, asked: float, asker: Address | None = None) -> None:
        """Draw what follows, in place of what waits if there may be but one; it sounds its dt after ``at``.

        Raises:
            Refused: Nothing could be predicted; the model is back in its start state.
        """
        if self._agenda.one:
            self.drop()
        self._draw(at, Prediction(NOTHING, asked, asker))

    def draw_ahead(self) -> None:
        """Draw one event more, if it comes soon after those that wait.

        Raises:
            Refused: Nothing could be predicted; the model is back in its start state.
        """
        if (last := self._agenda.to_extend) is not None:
            deadline, prediction = last
            before = self._hearing.remember()
            self._hearing.hear(prediction.features, deadline, own=True)
            self._agenda.mark_heard(before)
            self._draw(deadline, Prediction(NOTHING, deadline))

    def unhear(self) -> None:
        """Let the model forget what has not sounded yet, and keep of it the next event only."""
        if (before := self._agenda.forget_ahead()) is not None:
            self._hearing.go_back(before)

    def set_speed(self, speed: float, now: float) -> None:
        """Let the model's time go by faster or slower from now on, for what waits, too."""
        self.unhear()
        slower = self._hearing.speed / speed
        waiting = [(at, each, self._hearing.tempo.to_model(each.features)) for at, each in self._agenda.take_all()]
        self._hearing.set_speed(speed, now)
        for deadline, prediction, features in waiting:
            sounds = prediction._replace(features=self._hearing.tempo.to_stage(features))
            self._agenda.put_back(now + (deadline - now) * slower, sounds)

    def exchange(self, player: PlayableModel, start: object = None) -> None:
        """Let another model take over; see `History.exchange`. What waits still sounds."""
        self.unhear()
        self._hearing.exchange(player, start)

    def drop(self) -> None:
        """Leave undone all there is to do."""
        self.unhear()
        self._agenda.drop()

    def _draw(self, at: float, prediction: Prediction) -> None:
        between, features = self._hearing.foretell()
        deadline = at + between if self._hearing.player.temporal else prediction.asked
        self._agenda.add(deadline, prediction._replace(features=features))
