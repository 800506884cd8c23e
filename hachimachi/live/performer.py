"""A model in time: what it has heard, what it is about to play, and when. No sockets, no sleep."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hachimachi.live.history import History
from hachimachi.live.notes import NoteOutput
from hachimachi.live.protocols import Address, Listener, Listeners, Playable, Refused, as_playable, quote
from hachimachi.live.schedule import Counts, Input, Pending, Planner, Prediction, Schedule


@dataclass(frozen=True)
class Mode:
    """What a performer does when it hears and when it has played.

    Args:
        name: How it is asked for.
        answers: An input is answered by a prediction.
        alone: It hears what it plays, and goes on by itself.
        gives_way: An input cancels what waits.
        after_silence: It goes on alone once the player has been silent for a while, and listens until then.
    """

    name: str
    answers: bool = False
    alone: bool = False
    gives_way: bool = True
    after_silence: bool = False


MODES = {
    mode.name: mode
    for mode in (
        Mode("follow", answers=True),
        Mode("loop", alone=True, gives_way=False),
        Mode("respond", alone=True, after_silence=True),
        Mode("duet", answers=True, alone=True),
    )
}
"""By name. In all of them ``/output`` may be fed back to ``/input``."""


def find_mode(name: str, *, temporal: bool, one_pending: bool) -> Mode:
    """Return a mode by its name.

    Args:
        name: What was asked for.
        temporal: Whether the model has time.
        one_pending: Whether a newer prediction takes the place of one that waits.

    Raises:
        Refused: There is none, or it does not go with the model or with what is pending.
    """
    mode = MODES.get(name)
    if mode is None:
        raise Refused("value", f"mode {quote(name)} is unknown, expected one of {' '.join(MODES)}")
    if mode.alone and not temporal:
        why = "this model has no time and would never pause; feed /output back at your own pace"
        raise Refused("value", f"mode {name}: {why}")
    if mode.alone and not one_pending:
        raise Refused("value", f"mode {name} with --pending all: every input would add a voice for ever")
    return mode


RETRY_SECONDS = 1.0
"""After this time a model that plays alone tries again when it could not foretell anything."""


class TurnTaking:
    """The part of a performer that decides who has the floor.

    Args:
        mode: How model and player share the stage.
        silence: Seconds without an input after which it is the model's turn, in modes that wait for that.
    """

    def __init__(self, mode: Mode, silence: float) -> None:
        self.mode = mode
        self.silence = silence
        self.paused = False
        self.alone = False
        """Whether it goes on by itself at this moment."""
        self.next: float | None = None
        """When it begins to, if that is decided."""
        self._started = False

    def start(self) -> None:
        """End a pause, and go on alone where the mode does."""
        self.paused, self._started, self.next = False, True, None
        self.alone = self.mode.alone

    def stop(self) -> None:
        """Go on no more, until `start` or, in some modes, an input."""
        self._started = self.alone = False
        self.next = None

    def begin_anew(self) -> bool:
        """After a reset or in another mode: return whether it goes on alone from here."""
        self.next = None
        self.alone = self._started and self.mode.alone and not self.mode.after_silence
        return self.alone

    def hear(self, came: float) -> None:
        """An input came: it is redirected by it, or gives the floor and waits for silence."""
        if self.mode.answers:
            self.alone = self.mode.alone
        elif self.mode.after_silence:
            self.alone, self.next = False, came + self.silence

    def fail(self, at: float) -> None:
        """Nothing could be foretold: try again in a while, if it plays alone."""
        if self.alone:
            self.next = at + RETRY_SECONDS

    def succeed(self) -> None:
        """Something was foretold: there is no need to try again."""
        if self.alone:
            self.next = None

    def take_turn(self, now: float) -> bool:
        """Return whether it begins to go on alone now."""
        if self.next is None or now < self.next:
            return False
        self.next, self.alone = None, True
        return True


BEHIND_SECONDS = 1.0
"""A model that plays alone and is later than this goes on from now, rather than catch up in a burst."""


class Performer:
    """State and clock of one model that plays.

    ``hear`` every event that has arrived, then ``play``: it answers the newest, sounds what is due and
    returns when to call again.

    Args:
        player: The model, or who plays it, where it has random numbers or sampling of its own.
        listeners: Who is told what happens.
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
        player: Playable,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.perf_counter,
        *,
        mode: str = "follow",
        pending: Pending = "one",
        silence: float = 2.0,
        lookahead: float = 0.0,
    ) -> None:
        self._listeners, self._clock, self._lookahead = Listeners(listeners), clock, lookahead
        player = as_playable(player)
        self.turns = TurnTaking(find_mode(mode, temporal=player.temporal, one_pending=pending == "one"), silence)
        self.history = History(player, lookahead)
        self.schedule = Schedule(one=pending == "one")
        self.notes = NoteOutput(player.features, self._listeners, clock)
        self.planner = Planner(self.history, self.schedule)

    @property
    def counts(self) -> Counts:
        """What has happened so far."""
        return self.schedule.counts

    @property
    def next(self) -> float | None:
        """When ``play`` is due, in seconds of the clock; ``None`` if nothing waits."""
        if self.turns.alone and self.schedule.to_extend:
            return -math.inf
        told = [at - self._lookahead for at in (self.schedule.next, self.notes.next) if at is not None]
        return min([*told, *([] if self.turns.next is None else [self.turns.next])], default=None)

    def reset(self) -> None:
        """Back to the start state; what waits is dropped, and notes end. A model that plays alone begins anew."""
        self.end()
        self.history.restart()
        self._begin()

    def start(self) -> None:
        """Play alone, in the modes that do; end a pause in any."""
        self.turns.start()
        if self.turns.alone and self.schedule.empty:
            self.sample()

    def pause(self) -> None:
        """Hear, but play nothing more; what waits is dropped, and what sounds goes on to its end."""
        self.planner.drop()
        self.turns.stop()
        self.turns.paused = True

    def panic(self) -> None:
        """Drop what waits and end every note. A model that plays alone stands still until ``start``."""
        self.end()
        self.turns.stop()

    def set_mode(self, name: str) -> None:
        """Play in another way; what waits is dropped, and notes end.

        Raises:
            Refused: No such mode, or one that does not go with every prediction being played.
        """
        mode = find_mode(name, temporal=self.history.player.temporal, one_pending=self.schedule.one)
        self.end()
        self.turns.mode = mode
        self._go_on()

    def set_speed(self, speed: float) -> None:
        """Play so many times as fast as was learned, from now on; what waits comes sooner or later accordingly."""
        self.planner.set_speed(speed, self._clock())

    def redraw(self) -> None:
        """Draw anew what waits: its time is no longer what is asked for."""
        if len(self.schedule) and self.schedule.one:
            now = self._clock()
            self._predict(now if self.history.last is None else self.history.last, now)

    def prime(self, memory: object) -> None:
        """Go on from a past that the model has been given before, as if its last event were now; see
        `PlayableModel.remember`."""
        self.end()
        self.history.recall(memory, self._clock())
        self._begin()

    def prime_with_last(self, seconds: float) -> int:
        """Forget all but what the player has played in the last seconds; return how many events that are.

        Raises:
            Refused: There are none; nothing has changed.
        """
        self.planner.unhear()
        count = self.history.recall_phrase(seconds, self._clock())
        self.end()
        self._begin()
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
        features, now = self.history.form.row(values), self._clock()
        echoed, known = self.history.claim(features, now)
        if known:
            return
        at = echoed if echoed is not None else now if at is None else at
        if not self.schedule.one:
            self.answer()
        elif self.turns.mode.gives_way:
            self.planner.drop()
        else:
            self.planner.unhear()
        self.history.hear(features, at, own=echoed is not None)
        self.counts.heard += 1
        if echoed is None:
            self._listeners.heard(features, at)
        self._react(Input(at, now, asker))

    def answer(self) -> None:
        """Predict what follows the newest input, if it has not been answered.

        Raises:
            Refused: Nothing could be predicted; the model is back in its start state.
        """
        if (heard := self.schedule.take_input()) is not None:
            self._predict(*heard)

    def sample(self, at: float | None = None, asker: Address | None = None) -> None:
        """Predict once from the present state; it sounds its dt after ``at`` (now, if not given)."""
        self.answer()
        now = self._clock()
        self._predict(now if at is None else at, now, asker)

    def play(self) -> float | None:
        """Answer, sound what is due, and return the next deadline, ``None`` if nothing waits. Where a model plays
        simultaneous events alone it may have passed: look at what has arrived and call again."""
        if self.turns.take_turn(self._clock()):
            self.sample()
        self.answer()
        now = self._clock() + self._lookahead
        due = self.schedule.pop_due(now)
        for deadline, prediction in due:  # first of all: the last note of a chord waits for the others
            self.notes.sound(deadline, prediction)
        self.counts.played += len(due)
        if due:
            self._follow_up(due)
        self.notes.end_due(now)
        if self.turns.alone and self.schedule.to_extend:
            self._try(self.planner.draw_ahead)
        return self.next

    def rehearse(self) -> None:
        """Go through the motions of what sounds next, to no effect; see `Listener`."""
        if (first := self.schedule.first) is not None:
            self.notes.rehearse(first.features)

    def end(self) -> None:
        """Drop what waits, and end every note."""
        self.planner.drop()
        self.notes.end_all()

    def _begin(self) -> None:
        self._listeners.began()
        self._go_on()

    def _go_on(self) -> None:
        """Play alone from here, if that is what it was asked to do."""
        if self.turns.begin_anew():
            self.sample()

    def _react(self, heard: Input) -> None:
        if self.turns.paused:
            self.counts.skipped += self.turns.mode.answers
            return
        self.turns.hear(heard.came)
        if self.turns.mode.answers:
            self.schedule.ask(heard)

    def _predict(self, at: float, asked: float, asker: Address | None = None) -> None:
        self._try(lambda: self.planner.predict(at, asked, asker))

    def _try(self, draw: Callable[[], None]) -> None:
        try:
            draw()
        except Refused:
            self._listeners.began()
            if self.schedule.empty:
                self.turns.fail(self._clock())
            raise
        self.turns.succeed()

    def _follow_up(self, sounded: Sequence[tuple[float, Prediction]]) -> None:
        """Go on after events that have sounded."""
        now, at = self._clock(), sounded[-1][0]
        for deadline, prediction in sounded:
            self.history.expect(prediction.features, deadline, now, known=self.turns.alone)
            if self.turns.alone and prediction.before is None:
                self.history.hear(prediction.features, deadline, own=True)
        if self.turns.alone and now - at >= BEHIND_SECONDS:
            self.planner.drop()
            self.history.skip_to(now)
            at = now
        if self.turns.alone and not len(self.schedule):
            self._predict(at, at)
