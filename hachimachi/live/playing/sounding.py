"""What sounds: told to whoever plays or keeps it, ended in time, and counted where it was late."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hachimachi.events import Feature
from hachimachi.live.instrumentalist import Row
from hachimachi.live.outlet import Outlets
from hachimachi.live.playing.agenda import Prediction
from hachimachi.live.playing.lateness import Lateness
from hachimachi.live.playing.ledger import Ledger


class Sounding:
    """The sounding side of a performer.

    Args:
        features: Those of the model, F of them.
        outlets: Who is told.
        clock: Seconds that never go back.
    """

    def __init__(self, features: Sequence[Feature], outlets: Outlets, clock: Callable[[], float]) -> None:
        self.lateness, self._unsaid = Lateness(), Lateness()
        self._ledger, self._scrap = Ledger(features), Ledger(features)
        self._outlets = outlets
        self._clock = clock

    def __len__(self) -> int:
        """Return how many notes sound."""
        return len(self._ledger)

    @property
    def next(self) -> float | None:
        """When the next note ends; ``None`` if that is not known of any."""
        return self._ledger.next

    def sound(self, deadline: float, prediction: Prediction) -> None:
        """Let a prediction sound, and end the notes that end before it."""
        self.end_due(deadline)
        for note in self._ledger.begin(prediction.features, deadline):
            self._outlets.ended(note, deadline, False)
        self._outlets.played(prediction.features, deadline, prediction.asker)
        self.lateness.add(self._clock() - max(deadline, prediction.asked))

    def rehearse(self, features: Row) -> None:
        """Go through the motions of `sound`, to no effect."""
        self._scrap.begin(features, 0.0)
        self._scrap.clear()
        self._unsaid.add(0.001)
        self._outlets.rehearse(features)

    def end_due(self, now: float) -> None:
        """End the notes whose time has come."""
        for at, note in self._ledger.pop_due(now):
            self._outlets.ended(note, at, False)

    def end_all(self) -> None:
        """End every note, before its time."""
        now = self._clock()
        for began, note in self._ledger.clear():  # one that was told ahead of time ends when it begins
            self._outlets.ended(note, max(now, began), True)
