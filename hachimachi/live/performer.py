"""A model in time: what it observes, what it is about to play, and when. No sockets, no sleep."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from hachimachi.events import TIME
from hachimachi.live.history import History, ObservedEvent
from hachimachi.live.notes import LatencyHistogram, NoteOutput
from hachimachi.live.protocols import Address, Listener, Note, Refused, quote
from hachimachi.live.schedule import Counts, Input, Pending, Prediction, Schedule
from hachimachi.sampling import Sampling

if TYPE_CHECKING:
    from hachimachi.models.event_model import EventModel
    from hachimachi.player.engine import Player, PlayerState

RETRY_SECONDS = 1.0  # after this time a model that plays alone tries again when nothing could be predicted
STEPS = 8  # events of the past that a model observes in one step
BEHIND_SECONDS = 1.0  # a model that plays alone and is later goes on from now, rather than catch up in a burst


@dataclass(frozen=True)
class Mode:
    """What a performer does after an input and after it has played. ``gives_way``: An input cancels what waits.
    ``after_silence``: It goes on alone once there has been no input for a while, and listens until then."""

    name: str
    answers: bool = False
    alone: bool = False
    gives_way: bool = True
    after_silence: bool = False


MODES = {  # in all of them ``/output`` may be fed back to ``/input``
    mode.name: mode
    for mode in (
        Mode("follow", answers=True),
        Mode("loop", alone=True, gives_way=False),
        Mode("respond", alone=True, after_silence=True),
        Mode("duet", answers=True, alone=True),
    )
}


def find_mode(name: str, *, temporal: bool, one_pending: bool) -> Mode:
    """Return a mode by its name. Raises `Refused`: there is none, or not with this model or what is pending."""
    mode = MODES.get(name)
    if mode is None:
        raise Refused("value", f"mode {quote(name)} is unknown, expected one of {' '.join(MODES)}")
    if mode.alone and not temporal:
        why = "this model has no time and would never pause; feed /output back at your own pace"
        raise Refused("value", f"mode {name}: {why}")
    if mode.alone and not one_pending:
        raise Refused("value", f"mode {name} with --pending all: every input would add a voice for ever")
    return mode


@dataclass(kw_only=True)
class Status(Counts):
    """How a performer stands at one moment. ``shortest_input``: Names of the fewest values that an input may carry.
    ``speed``: Seconds of the model in one of the clock. ``latency``: How late outputs were; it goes on counting."""

    features: tuple[str, ...]
    shortest_input: tuple[str, ...]
    mode: str
    paused: bool
    alone: bool
    silence: float
    speed: float
    pending: int
    sounding: int
    latency: LatencyHistogram

    @property
    def state(self) -> str:
        """``paused``, ``playing`` or ``listening``."""
        return "paused" if self.paused else "playing" if self.alone else "listening"


class Performer:
    """State and clock of one model that plays. ``hear`` every event that has arrived, then ``play``: it answers the
    newest, sounds what is due and returns when to call again. ``pending``: ``one``: an input cancels the prediction
    that waits; ``all``: all are played. ``lookahead``: Seconds that outputs are sent ahead. Raises as `find_mode`."""

    def __init__(
        self,
        player: EventModel | Player,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.perf_counter,
        *,
        mode: str = "follow",
        pending: Pending = "one",
        silence: float = 2.0,
        lookahead: float = 0.0,
    ) -> None:
        if not hasattr(player, "sample"):  # a torch model, of which nothing is imported to ask for it
            from hachimachi.player.engine import Player

            player = Player(cast("EventModel", player))
        model = cast("Player", player)
        self._listeners, self._clock, self._lookahead = tuple(listeners), clock, lookahead
        self._mode, self._silence = find_mode(mode, temporal=model.temporal, one_pending=pending == "one"), silence
        self._paused = self._started = False
        self._alone = False  # whether it goes on by itself at this moment
        self._takes_turn: float | None = None  # when it begins to, if that is decided
        self.history = History(model, lookahead)
        self._schedule = Schedule(one=pending == "one")
        self._notes = NoteOutput(model.features, self._listeners, clock)
        self.counts = self._schedule.counts

    def status(self) -> Status:
        """Return how it stands now."""
        form = self.history.form
        return Status(
            **vars(self.counts),
            features=form.names,
            shortest_input=form.shortest,
            mode=self._mode.name,
            paused=self._paused,
            alone=self._alone,
            silence=self._silence,
            speed=self.history.speed,
            pending=len(self._schedule.waiting),
            sounding=len(self._notes.active),
            latency=self._notes.latency,
        )

    @property
    def scheduled(self) -> Sequence[Prediction]:
        """What is to sound, the nearest first."""
        return self._schedule.waiting

    @property
    def next(self) -> float | None:
        """When ``play`` is due, in seconds of the clock; ``None`` if nothing waits."""
        if self._alone and self._schedule.to_extend:
            return -math.inf
        ahead = [at - self._lookahead for at in (self._schedule.next, self._notes.active.next) if at is not None]
        return min([*ahead, *([] if self._takes_turn is None else [self._takes_turn])], default=None)

    def reset(self) -> None:
        """Back to the start state; what waits is dropped, and notes end. A model that plays alone begins anew."""
        self.end()
        self.history.restart()
        self._begin()

    def start(self) -> None:
        """Play alone, in the modes that do; end a pause in any."""
        self._paused, self._started, self._takes_turn = False, True, None
        self._alone = self._mode.alone
        if self._alone and self._schedule.empty:
            self.sample()

    def pause(self) -> None:
        """Observe, but play nothing more; what waits is dropped, and what sounds goes on to its end."""
        self._drop()
        self._paused, self._started, self._alone, self._takes_turn = True, False, False, None

    def panic(self) -> None:
        """Drop what waits and end every note. A model that plays alone stands still until ``start``."""
        self.end()
        self._started, self._alone, self._takes_turn = False, False, None

    def set_mode(self, name: str) -> None:
        """Play in another way; what waits is dropped, and notes end. Raises as `find_mode`."""
        mode = find_mode(name, temporal=self.history.player.temporal, one_pending=self._schedule.one)
        self.end()
        self._mode = mode
        self._go_on()

    def set_silence(self, seconds: float) -> None:
        """Wait so long without an input before the mode ``respond`` goes on alone."""
        self._silence = seconds

    def set_speed(self, speed: float) -> None:
        """Play so many times as fast as was learned, from now on; what waits comes sooner or later accordingly."""
        self._rewind()
        now, before, scale = self._clock(), self.history.speed, self.history.scale_duration
        self.history.set_speed(speed, now)
        self._schedule.update(
            lambda each: each._replace(
                deadline=now + (each.deadline - now) * (before / speed),
                features=scale(scale(each.features, before), 1 / speed),
            )
        )

    def set_sampling(self, sampling: Sampling) -> None:
        """Sample otherwise from now on; what waits is sampled anew only where another constraint of time holds. Raises
        `Refused`: nothing could be predicted; the model is back in its start state."""
        model = self.history.player
        before, model.sampling = model.sampling, sampling
        self._rewind()
        constrained = sampling.of(TIME).constraint != before.of(TIME).constraint
        if constrained and self._schedule.waiting and self._schedule.one:
            now = self._clock()
            self._predict(now if self.history.last is None else self.history.last, now)

    def reseed(self, seed: int) -> None:
        """Begin the random numbers anew; the next event only is one of those before."""
        self.history.player.reseed(seed)
        self._rewind()

    def prepare(self, player: Player, start: PlayerState | None, heard: ObservedEvent | None) -> ObservedEvent | None:
        """Let a model that is to take over observe a little more of the past; what is no past yet is taken back."""
        self._rewind()
        return self.history.catch_up(player, heard, start, STEPS)

    def exchange(self, player: Player, start: PlayerState | None = None, heard: ObservedEvent | None = None) -> None:
        """Let another model with the same events take over; see `History.exchange`. What waits still sounds."""
        self._rewind()
        self.history.exchange(player, start, heard)

    def prime(self, memory: PlayerState) -> None:
        """Go on from a state of the model, as if its last event were now; see `Player.remember`."""
        self.end()
        self.history.recall(memory, self._clock())
        self._begin()

    def prime_with_last(self, seconds: float) -> int:
        """Forget all but the inputs of the last seconds; return how many. Raises as `History.recall_phrase`."""
        self._rewind()
        count = self.history.recall_phrase(seconds, self._clock())
        self.end()
        self._begin()
        return count

    def hear(self, values: Sequence[object], at: float | None = None, asker: Address | None = None) -> None:
        """Let the model observe an event. The answer comes with ``play``; of several events before it, the newest is
        answered. A velocity of 0 is no event: it ends the player's note, see `velocity_of_releases`. ``values``: All
        features, or fewer as `InputForm` allows. ``at``: When it happened, in seconds of the clock; else now.
        ``asker``: Who sent it. Raises `Refused`: values that are no event; nothing has changed."""
        features, now = self.history.form.row(values), self._clock()
        echo_of, observed = self.history.claim(features, now)
        if observed:
            return
        if echo_of is None and (note := self.history.find_release(features)) is not None:
            self.release(note, now if at is None else at)
            return
        at = echo_of if echo_of is not None else now if at is None else at
        if not self._schedule.one:
            self.answer()
        elif self._mode.gives_way:
            self._drop()
        else:
            self._rewind()
        self.history.observe(features, at, own=echo_of is not None)
        self.counts.heard += 1
        if echo_of is None:
            for listener in self._listeners:
                listener.heard(features, at)
        if self._paused:
            self.counts.skipped += self._mode.answers
            return
        if self._mode.answers:
            self._alone = self._mode.alone
            self._schedule.answer_later(Input(at, now, asker))
        elif self._mode.after_silence:  # it gives the turn
            self._alone, self._takes_turn = False, now + self._silence

    def release(self, note: Note, at: float) -> None:
        """End a player's note, if one had begun, at a moment in seconds of the clock. Nothing that waits changes."""
        self.counts.released += 1
        self.history.release(note, at)
        for listener in self._listeners:
            if (released := getattr(listener, "released", None)) is not None:  # those of before this was told have none
                released(note, at)

    def answer(self) -> None:
        """Predict what follows the newest input, if it has not been answered. Raises as `History.predict`."""
        if (newest := self._schedule.take_input()) is not None:
            self._predict(*newest)

    def sample(self, at: float | None = None, asker: Address | None = None) -> None:
        """Predict once from the present state; it sounds its dt after ``at`` (now, if not given)."""
        self.answer()
        now = self._clock()
        self._predict(now if at is None else at, now, asker)

    def play(self) -> float | None:
        """Answer, sound what is due, and return the next deadline, ``None`` if nothing waits. Where a model plays
        simultaneous events alone it may have passed: look at what has arrived and call again."""
        history = self.history
        if self._takes_turn is not None and self._clock() >= self._takes_turn:
            self._takes_turn, self._alone = None, True
            self.sample()
        self.answer()
        now = self._clock() + self._lookahead
        due = self._schedule.pop_due(now)
        polyphony = history.player.sampling.polyphony
        # first of all: the last note of a chord waits for the others
        sounded = [self._notes.sound(prediction, polyphony) for prediction in due]
        self.counts.played += sum(sounded)
        self.counts.cancelled += len(due) - sum(sounded)
        if due:
            sent, at = self._clock(), due[-1].deadline
            for prediction, sounds in zip(due, sounded, strict=True):
                if sounds:
                    history.expect(prediction.features, prediction.deadline, sent, observed=self._alone)
                if self._alone and prediction.before is None:
                    history.observe(prediction.features, prediction.deadline, own=True)
            if self._alone and sent - at >= BEHIND_SECONDS:
                self._drop()
                history.last = at = sent
            if self._alone and not self._schedule.waiting:
                self._predict(at, at)
        self._notes.end_due(now)
        if self._alone and (last := self._schedule.to_extend) is not None:
            before = history.remember()
            history.observe(last.features, last.deadline, own=True)
            self._schedule.mark_observed(before)
            self._sample(last.deadline, last.deadline)
        return self.next

    def end(self) -> None:
        """Drop what waits, and end every note."""
        self._drop()
        self._notes.end_all()

    def _begin(self) -> None:
        self._report_began()
        self._go_on()

    def _go_on(self) -> None:
        """After a reset or in another mode: go on alone from here, if it had been started."""
        self._takes_turn = None
        self._alone = self._started and self._mode.alone and not self._mode.after_silence
        if self._alone:
            self.sample()

    def _report_began(self) -> None:
        for listener in self._listeners:
            listener.began()

    def _rewind(self) -> None:
        """Let the model forget what it has observed ahead of time, and keep of that the next event only."""
        if (before := self._schedule.drop_ahead()) is not None:
            self.history.rewind(before)

    def _drop(self) -> None:
        self._rewind()
        self._schedule.drop()

    def _predict(self, at: float, requested: float, asker: Address | None = None) -> None:
        """Sample what follows, in place of what waits if there may be but one."""
        if self._schedule.one:
            self._drop()
        self._sample(at, requested, asker)

    def _sample(self, at: float, requested: float, asker: Address | None = None) -> None:
        try:
            between, features = self.history.predict()
        except Refused:
            self._report_began()
            if self._alone and self._schedule.empty:
                self._takes_turn = self._clock() + RETRY_SECONDS
            raise
        if self._alone:
            self._takes_turn = None
        deadline = at + between if self.history.player.temporal else requested
        self._schedule.add(Prediction(deadline, features, requested, asker))
