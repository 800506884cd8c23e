"""What was heard lately, by whom: so that another model can take over, and a phrase become a primer."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from hachimachi.live.instrumentalist import Row

KEPT = 512
"""Events; a longer past changes little in what a model of this size foretells."""


class Heard(NamedTuple):
    """One event that the model heard."""

    at: float
    row: Row
    own: bool
    """Whether the model itself had played it."""


class Recents:
    """The last events that a model heard."""

    def __init__(self) -> None:
        self._heard: deque[Heard] = deque(maxlen=KEPT)
        self.total = 0
        """How many there have been, those included that are no longer kept."""

    def add(self, at: float, row: Row, own: bool) -> None:
        """Keep an event: when it happened, and the row that the model heard."""
        self._heard.append(Heard(at, row, own))
        self.total += 1

    def last(self, count: int) -> list[Row]:
        """Return the last rows as they were heard."""
        return [heard.row for heard in list(self._heard)[-count:]]

    def phrase(self, since: float, temporal: bool, speed: float) -> list[Heard]:
        """Return what the player, not the model, played since a moment, with rows as of a sequence of its own.

        Args:
            since: Seconds of the clock.
            temporal: Whether rows begin with the time since the one before.
            speed: Seconds of the model in one of the clock.
        """
        played = [heard for heard in self._heard if not heard.own and heard.at >= since]
        if not temporal:
            return played
        between = (np.diff([heard.at for heard in played], prepend=np.nan) * speed).clip(0)
        rows = (np.concatenate(([dt], heard.row[1:])) for dt, heard in zip(between, played, strict=True))
        return [heard._replace(row=row) for heard, row in zip(played, rows, strict=True)]

    def drop(self, count: int) -> None:
        """Forget the last events."""
        for _ in range(min(count, len(self._heard))):
            self._heard.pop()
        self.total -= count

    def clear(self) -> None:
        """Forget all."""
        self._heard.clear()
