"""A model in time: what it has heard, what it is about to play, and when. No sockets, no sleep."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Literal

from hachimachi.live.instrumentalist import Instrumentalist
from hachimachi.live.outlet import Address, Outlet, Outlets
from hachimachi.live.playing.agenda import Agenda, Counts, Input, Prediction
from hachimachi.live.playing.foresight import Foresight
from hachimachi.live.playing.hearing import Hearing
from hachimachi.live.playing.lateness import Lateness
from hachimachi.live.playing.modes import Mode, find_mode
from hachimachi.live.playing.solo import Solo
from hachimachi.live.playing.sounding import Sounding
from hachimachi.live.refusals import Refused

Pending = Literal["one", "all"]
BEHIND_SECONDS = 1.0
"""A model that plays alone and is later than this goes on from now, rather than catch up in a burst."""


class Performer:
    """State and clock of one model that plays.

    ``hear`` every event that has arrived, then ``play``: it answers the newest, sounds what is due and
    returns when to call again.

    Args:
        player: The model.
        outlets: Who is told what happens.
        clock: Seconds that never go back.
        mode: Name of one of `MODES`.
        pending: ``one``: a new input cancels the prediction that waits; ``all``: every prediction is played.
        silence: Seconds after which the mode ``respond`` goes on alone.
        lookahead: Seconds by which what sounds is told ahead of time.

    Raises:
        Refused: No such mode, or one other than ``follow`` with more than one pending prediction.
    """

    def __init__(
        self,
        player: Instrumentalist,
        outlets: Sequence[Outlet] = (),
        clock: Callable[[], float] = time.perf_counter,
        *,
        mode: str = "follow",
        pending: Pending = "one",
        silence: float = 2.0,
        lookahead: float = 0.0,
    ) -> None:
        self.hearing = Hearing(player, lookahead)
        self.solo = Solo(find_mode(mode, temporal=player.temporal, one_pending=pending == "one"), silence)
        self._outlets = Outlets(outlets)
        self._clock = clock
        self._agenda = Agenda(one=pending == "one")
        self._foresight = Foresight(self.hearing, self._agenda)
        self._lookahead = lookahead
        self._sounding = Sounding(player.features, self._outlets, clock)

    @property
    def mode(self) -> Mode:
        """How model and player share the stage."""
        return self.solo.mode

    @property
    def counts(self) -> Counts:
        """What has happened so far."""
        return self._agenda.counts

    @property
    def pending(self) -> int:
        """How many predictions wait for their time."""
        return len(self._agenda)

    @property
    def sounding(self) -> int:
        """How many notes sound."""
        return len(self._sounding)

    @property
    def lateness(self) -> Lateness:
        """How late what sounded was."""
        return self._sounding.lateness

    @property
    def next(self) -> float | None:
        """When ``play`` is due, in seconds of the clock; ``None`` if nothing waits."""
        if self.solo.alone and self._agenda.to_extend:
            return -math.inf
        told = [at - self._lookahead for at in (self._agenda.next, self._sounding.next) if at is not None]
        return min([*told, *([] if self.solo.next is None else [self.solo.next])], default=None)

    def reset(self) -> None:
        """Back to the start state; what waits is dropped, and notes end. A model that plays alone begins anew."""
        self.end()
        self.hearing.restart()
        self._outlets.began()
        self._go_on()

    def start(self) -> None:
        """Play alone, in the modes that do; end a pause in any."""
        self.solo.start()
        if self.solo.alone and self._agenda.empty:
            self.sample()

    def pause(self) -> None:
        """Hear, but play nothing more; what waits is dropped, and what sounds goes on to its end."""
        self._foresight.drop()
        self.solo.stop()
        self.solo.paused = True

    def panic(self) -> None:
        """Drop what waits and end every note. A model that plays alone stands still until ``start``."""
        self.end()
        self.solo.stop()

    def set_mode(self, name: str) -> None:
        """Play in another way; what waits is dropped, and notes end.

        Raises:
            Refused: No such mode, or one that does not go with every prediction being played.
        """
        mode = find_mode(name, temporal=self.hearing.player.temporal, one_pending=self._agenda.one)
        self.end()
        self.solo.mode = mode
        self._go_on()

    def exchange(self, player: Instrumentalist) -> None:
        """Let another model with the same events take over: it knows the last of the past, and what waits still sounds.

        Raises:
            Refused: Its events are others; nothing has changed.
        """
        self._foresight.unhear()
        self.hearing.exchange(player)

    def prime(self, memory: object) -> None:
        """Go on from a past that the model has been given before, as if its last event were now; see
        `Instrumentalist.remember`."""
        self.end()
        self.hearing.recall(memory, self._clock())
        self._outlets.began()
        self._go_on()

    def prime_with_last(self, seconds: float) -> int:
        """Forget all but what the player has played in the last seconds; return how many events that are.

        Raises:
            Refused: There are none; nothing has changed.
        """
        count = self.hearing.recall_phrase(seconds, self._clock())
        self.end()
        self._outlets.began()
        self._go_on()
        return count

    def hear(self, values: Sequence[object], at: float | None = None, asker: Address | None = None) -> None:
        """Let the model hear an event. The answer comes with ``play``; of several events before it, the
        newest is answered.

        Args:
            values: All features, or fewer as `InputForm` allows.
            at: When it happened, in seconds of the clock; now, if not given.
            asker: Who sent it.

        Raises:
            Refused: Values that cannot be heard; nothing has changed.
        """
        features, now = self.hearing.form.row(values), self._clock()
        echoed, known = self.hearing.claim(features, now)
        if known:
            return
        at = echoed if echoed is not None else now if at is None else at
        if not self._agenda.one:
            self.answer()
        elif self.mode.gives_way:
            self._foresight.drop()
        else:
            self._foresight.unhear()
        self.hearing.hear(features, at, own=echoed is not None)
        self.counts.heard += 1
        if echoed is None:
            self._outlets.heard(features, at)
        self._react(Input(at, now, asker))

    def answer(self) -> None:
        """Predict what follows the newest input, if it has not been answered.

        Raises:
            Refused: Nothing could be predicted; the model is back in its start state.
        """
        if (heard := self._agenda.take_input()) is not None:
            self._predict(*heard)

    def sample(self, at: float | None = None, asker: Address | None = None) -> None:
        """Predict once from the present state; it sounds its dt after ``at`` (now, if not given)."""
        self.answer()
        now = self._clock()
        self._predict(now if at is None else at, now, asker)

    def play(self) -> float | None:
        """Answer, sound what is due, and return the next deadline, ``None`` if nothing waits.

        When a model plays simultaneous events alone that deadline may have passed: look at what has arrived and call
        again.
        """
        if self.solo.take_turn(self._clock()):
            self.sample()
        self.answer()
        now = self._clock() + self._lookahead
        for deadline, prediction in self._agenda.pop_due(now):
            self._sound(deadline, prediction)
        self._sounding.end_due(now)
        if self.solo.alone and self._agenda.to_extend:
            self._try(self._foresight.draw_ahead)
        return self.next

    def end(self) -> None:
        """Drop what waits, and end every note."""
        self._foresight.drop()
        self._sounding.end_all()

    def _go_on(self) -> None:
        """Play alone from here, if that is what it was asked to do."""
        if self.solo.begin_anew():
            self.sample()

    def _react(self, heard: Input) -> None:
        if self.solo.paused:
            self.counts.skipped += self.mode.answers
            return
        self.solo.hear(heard.came)
        if self.mode.answers:
            self._agenda.ask(heard)

    def _predict(self, at: float, asked: float, asker: Address | None = None) -> None:
        self._try(lambda: self._foresight.predict(at, asked, asker))

    def _try(self, draw: Callable[[], None]) -> None:
        try:
            draw()
        except Refused:
            self._outlets.began()
            self.solo.fail(self._clock())
            raise
        self.solo.succeed()

    def _sound(self, deadline: float, prediction: Prediction) -> None:
        self._sounding.sound(deadline, prediction)
        now = self._clock()
        self.counts.played += 1
        self.hearing.expect(prediction.features, deadline, now, known=self.solo.alone)
        if self.solo.alone:
            self._follow_up(deadline, prediction, now)

    def _follow_up(self, deadline: float, prediction: Prediction, now: float) -> None:
        """Go on alone after an event that has sounded."""
        if prediction.before is None:
            self.hearing.hear(prediction.features, deadline, own=True)
        if now - deadline >= BEHIND_SECONDS:
            self._foresight.drop()
            self.hearing.skip_to(now)
        if not len(self._agenda):
            at = deadline if now - deadline < BEHIND_SECONDS else now
            self._predict(at, at)
