"""A model in time: what it has heard, what it is about to play, and when. No sockets, no sleep."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.live.echoes import Echoes
from hachimachi.live.inputs import InputForm
from hachimachi.live.instrumentalist import Instrumentalist, Row
from hachimachi.live.refusals import Refused
from hachimachi.live.scheduler import Scheduler

Sink = Callable[[Row, float], None]
"""Is given the features of an event, shape (F,), and the moment for which it was scheduled, in seconds of
the clock."""
Pending = Literal["one", "all"]
LARGEST_SENT = float(np.finfo(np.float32).max)
"""OSC carries numbers as float32."""
BEHIND_SECONDS = 1.0
"""A model that plays with itself and is later than this goes on from now, rather than catch up in a burst."""


@dataclass
class Counts:
    """What has happened so far: each answered input is predicted once, and each prediction played,
    cancelled or pending."""

    heard: int = 0
    skipped: int = 0
    predicted: int = 0
    played: int = 0
    cancelled: int = 0


@dataclass(frozen=True)
class _Prediction:
    row: Row
    asked: float  # when it could be known at the earliest: nothing is late before that


class Performer:
    """State and clock of one model that plays.

    ``hear`` every event that has arrived, then ``play``: it answers the newest, sounds what is due and
    returns when to call again.

    Args:
        player: The model.
        sink: Receives what sounds.
        clock: Seconds that never go back.
        loop: Whether the model hears its own outputs and goes on alone.
        pending: ``one``: a new input cancels the prediction that waits; ``all``: every prediction is played.

    Raises:
        HachimachiError: A loop of a model without time, or of more than one pending prediction.
    """

    def __init__(
        self,
        player: Instrumentalist,
        sink: Sink,
        clock: Callable[[], float] = time.perf_counter,
        *,
        loop: bool = False,
        pending: Pending = "one",
    ) -> None:
        if loop and not player.temporal:
            raise HachimachiError(
                "--loop: this model has no time and would never pause; feed /output back at your own pace"
            )
        if loop and pending == "all":
            raise HachimachiError(
                "--loop with --pending all: every input would add a voice for ever; leave one of them out"
            )
        self.player = player
        self.form = InputForm(player.features, player.constants)
        self.counts = Counts()
        self.lateness: deque[float] = deque(maxlen=100_000)  # seconds; enough for percentiles, bounded for ever
        self.latest = 0.0
        self._sink = sink
        self._clock = clock
        self._loop = loop
        self._one = pending == "one"
        self._scheduler: Scheduler[_Prediction] = Scheduler()
        self._echoes = Echoes()
        self._last: float | None = None  # when the event that was heard last happened
        self._waiting: tuple[float, float] | None = None  # an input not yet answered: when it happened, when it came

    @property
    def pending(self) -> int:
        """How many predictions wait for their time."""
        return len(self._scheduler)

    @property
    def next(self) -> float | None:
        """When ``play`` is due, in seconds of the clock; ``None`` if nothing waits."""
        return self._scheduler.next

    def warm(self) -> None:
        """Let the model take a few steps for itself, so that its first answer is as quick as the others."""
        for _ in range(10):
            self.player.hear(self.player.sample())
        self.player.reset()

    def reset(self) -> None:
        """Back to the start state, as if nothing had been heard; what waits is dropped. A loop begins here."""
        self.player.reset()
        self.counts.cancelled += self._scheduler.clear()
        self.counts.skipped += self._waiting is not None
        self._echoes.clear()
        self._last = self._waiting = None
        if self._loop:
            self.sample()

    def hear(self, values: Sequence[object], at: float | None = None) -> None:
        """Let the model hear an event. The answer comes with ``play``; of several events before it, the
        newest is answered.

        Args:
            values: All features, or fewer as `InputForm` allows.
            at: When it happened, in seconds of the clock; now, if not given.

        Raises:
            Refused: Values that cannot be heard; nothing has changed.
        """
        row, now = self.form.row(values), self._clock()
        # In a loop the model has heard its outputs already: an input that equals one is somebody who plays
        # the same, and nothing was added to the echoes.
        echoed = self._echoes.claim(row, now)
        at = echoed if echoed is not None else now if at is None else at
        if self._one:
            self.counts.skipped += self._waiting is not None
            self.counts.cancelled += self._scheduler.clear()
        else:
            self.answer()
        self._waiting = None
        self._advance(row, at)
        self._waiting = (at, now)
        self.counts.heard += 1

    def answer(self) -> None:
        """Predict what follows the newest input, if it has not been answered.

        Raises:
            Refused: The prediction is not finite; the model is back in its start state.
        """
        if self._waiting is not None:
            at, came = self._waiting
            self._waiting = None
            self._predict(at, came)

    def sample(self, at: float | None = None) -> None:
        """Predict once from the present state; it sounds its dt after ``at`` (now, if not given)."""
        self.answer()
        now = self._clock()
        self._predict(now if at is None else at, now)

    def play(self) -> float | None:
        """Answer, sound what is due, and return the next deadline, ``None`` if nothing waits.

        In a loop of simultaneous events that deadline may have passed: look at what has arrived and call
        again.
        """
        self.answer()
        for deadline, prediction in self._scheduler.pop_due(self._clock()):
            self._sound(deadline, prediction)
        return self._scheduler.next

    def _advance(self, row: Row, at: float) -> None:
        if self.player.temporal:
            # An event that comes with an older time than the last is simultaneous with it. Its time counts
            # on from here even so: one time tag from the future must not hold up all that come after it.
            between = np.nan if self._last is None else max(0.0, at - self._last)
            row = np.concatenate(([between], row))
        self.player.hear(row)
        self._last = at

    def _predict(self, at: float, asked: float) -> None:
        row = np.asarray(self.player.sample(), dtype=np.float64)
        deadline = asked
        if self.player.temporal:
            between, row = float(row[0]), row[1:]
            deadline = at + (max(0.0, between) if np.isfinite(between) else 0.0)  # a first event has no time before it
        if not all(abs(value) <= LARGEST_SENT for value in row.tolist()):  # NaN is not either
            self.player.reset()
            self._last = None
            raise Refused("model", f"the prediction is {row}, expected finite numbers; the model starts afresh")
        if self._one:
            self.counts.cancelled += self._scheduler.clear()
        self._scheduler.add(deadline, _Prediction(row, asked))
        self.counts.predicted += 1

    def _sound(self, deadline: float, prediction: _Prediction) -> None:
        self._sink(prediction.row, deadline)
        now = self._clock()
        late = max(0.0, now - max(deadline, prediction.asked))
        self.lateness.append(late)
        self.latest = max(self.latest, late)
        self.counts.played += 1
        at = deadline if now - deadline < BEHIND_SECONDS else now
        if self._loop:
            self._advance(prediction.row, at)
            self._predict(at, at)
        else:
            self._echoes.add(at, now, prediction.row)
