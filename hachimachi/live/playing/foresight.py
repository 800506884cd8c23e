"""What a model is about to play: drawn from what it has heard, and taken back when something else comes."""

from __future__ import annotations

import numpy as np

from hachimachi.live.instrumentalist import Instrumentalist
from hachimachi.live.outlet import Address
from hachimachi.live.playing.agenda import Agenda, Prediction
from hachimachi.live.playing.hearing import Hearing

NOTHING = np.empty(0)
"""Features that are not drawn yet."""


class Foresight:
    """Draws predictions into an agenda.

    A model that plays alone is drawn ahead of time, so that the notes of a chord need not wait for each other. It has
    then heard what is still to sound; `unhear` takes that back.

    Args:
        hearing: The model and what it has heard.
        agenda: What it is to play.
    """

    def __init__(self, hearing: Hearing, agenda: Agenda) -> None:
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

    def exchange(self, player: Instrumentalist, start: object = None) -> None:
        """Let another model take over; see `Hearing.exchange`. What waits still sounds."""
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
