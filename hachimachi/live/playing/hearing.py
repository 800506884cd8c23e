"""A model and what it has heard: when the last event was, which inputs are its own come back, how fast time goes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.live.instrumentalist import Instrumentalist, Row
from hachimachi.live.playing.echoes import Echoes
from hachimachi.live.playing.inputs import InputForm
from hachimachi.live.playing.recents import Recents
from hachimachi.live.playing.tempo import Tempo
from hachimachi.live.refusals import Refused

LARGEST_SENT = float(np.finfo(np.float32).max)
"""OSC carries numbers as float32."""
CATCH_UP = 64
"""Events that a model hears of the past when it takes over from another."""


class Past(NamedTuple):
    """What a model has heard, to come back to."""

    memory: object
    last: float | None
    events: int


class Hearing:
    """What a model has heard, and when. Features are those of the stage, shape (F,); rows are the model's.

    Args:
        player: The model.
        lookahead: Seconds by which outputs are told, and so heard, ahead of time.
    """

    def __init__(self, player: Instrumentalist, lookahead: float = 0.0) -> None:
        self._lookahead = lookahead
        self._unheard, self._own = Echoes(), Echoes()  # outputs that the model has not heard yet, and those that it has
        self._recents = Recents()
        self._last: float | None = None  # when the event that was heard last happened
        self.tempo = Tempo(player.features)  # another model that takes over has the same
        self._take(player)

    @property
    def last(self) -> float | None:
        """When the event that was heard last happened."""
        return self._last

    @property
    def speed(self) -> float:
        """Seconds of the model in one of the stage."""
        return self.tempo.speed

    def set_speed(self, speed: float, now: float) -> None:
        """Let the model's time go by faster or slower from now on; the time since the last event stays what it is."""
        if self._last is not None:
            self._last = now - (now - self._last) * self.speed / speed
        self.tempo.speed = speed

    def claim(self, features: Row, now: float) -> tuple[float | None, bool]:
        """Return when the output was due of which an input is the echo, ``None`` if it is none; and whether the model
        has heard it already."""
        known = self._own.claim(features, now)
        return (known, True) if known is not None else (self._unheard.claim(features, now), False)

    def expect(self, features: Row, at: float, now: float, known: bool) -> None:
        """Keep an output that may come back, whether or not the model knows it already."""
        (self._own if known else self._unheard).add(at, max(at, now), features)

    def hear(self, features: Row, at: float, own: bool) -> None:
        """Let the model hear an event that happened at a moment; ``own`` if the model had played it."""
        row = self.tempo.to_model(features)
        if self.player.temporal:
            row = np.concatenate(([self._since_last(at)], row))
        self.player.hear(row)
        self._recents.add(at, row, own)
        # An event that comes with an older time than the last is simultaneous with it. Its time counts on from here
        # even so, unless it is the lookahead that put the last one ahead: one time tag from the future must not hold
        # up all that come after it.
        if self._last is None or not 0 < self._last - at <= self._lookahead:
            self._last = at

    def foretell(self) -> tuple[float, Row]:
        """Draw the next event: in how many seconds of the stage, and its features.

        Raises:
            Refused: Nothing finite can be drawn; the model is back in its start state.
        """
        try:
            row = np.asarray(self.player.sample(), dtype=np.float64)
        except HachimachiError as error:
            self.restart()
            raise Refused("model", f"{error}; the model starts afresh") from error
        between, row = (float(row[0]), row[1:]) if self.player.temporal else (0.0, row)
        features = self.tempo.to_stage(row)
        if not all(abs(value) <= LARGEST_SENT for value in features.tolist()):  # NaN is not either
            self.restart()
            raise Refused("model", f"the prediction is {row}, expected finite numbers; the model starts afresh")
        # a first event has no time before it
        return (max(0.0, between) / self.speed if math.isfinite(between) else 0.0), features

    def remember(self) -> Past:
        """Return what was heard so far."""
        return Past(self.player.remember(), self._last, self._recents.total)

    def go_back(self, past: Past) -> None:
        """Unhear what was heard since; the model must be the same."""
        self.player.recall(past.memory)
        self._last = past.last
        self._recents.drop(self._recents.total - past.events)

    def skip_to(self, now: float) -> None:
        """Take the last event to have happened now."""
        self._last = now

    def restart(self) -> None:
        """Go back to the start state, as if nothing had been heard."""
        self.player.reset()
        self._forget()

    def recall(self, memory: object, now: float) -> None:
        """Go on from a state that the model has been in, as if its last event were now."""
        self.player.recall(memory)
        self._forget()
        self._last = now

    def recall_phrase(self, seconds: float, now: float) -> int:
        """Go on from what the player has played in the last seconds; return how many events that are.

        Raises:
            Refused: There are none; nothing has changed.
        """
        phrase = self._recents.phrase(now - seconds, self.player.temporal, self.speed)
        if not phrase:
            raise Refused("value", f"/prime last: nothing was played to it in the last {seconds:g} s")
        self.player.reset()
        for heard in phrase:
            self.player.hear(heard.row)
        self._forget()
        self._last = now
        for heard in phrase:
            self._recents.add(*heard)
        return len(phrase)

    def check(self, player: Instrumentalist) -> None:
        """Check that another model could take over.

        Raises:
            Refused: Its events are others.
        """
        ours, theirs = (describe_events(each) for each in (self.player, player))
        if ours != theirs:
            raise Refused("value", f"/load: it plays {theirs}, this one {ours}; start another hxmx run for it")

    def exchange(self, player: Instrumentalist, start: object = None) -> None:
        """Let another model with the same events take over; it hears the last of the past.

        Args:
            player: The model.
            start: What it remembers of the primer that came before that past; ``None`` for its start state.
        """
        self._take(player)
        player.reset()
        if start is not None:
            player.recall(start)
        for row in self._recents.last(CATCH_UP):
            player.hear(row)

    def _take(self, player: Instrumentalist) -> None:
        self.player = player
        self.form = InputForm(player.features, player.constants)

    def _forget(self) -> None:
        self._unheard.clear()
        self._own.clear()
        self._recents.clear()
        self._last = None

    def _since_last(self, at: float) -> float:
        """Return how long after the last event another happened, in seconds of the model; NaN for a first."""
        return math.nan if self._last is None else max(0.0, at - self._last) * self.speed


def describe_events(player: Instrumentalist) -> str:
    """Say what an event of a model is, so that equal words mean equal events."""
    names = " ".join(f"~{feature.name}" if feature.masked else feature.name for feature in player.features)
    return f"{names} {'in time' if player.temporal else 'without time'}"
