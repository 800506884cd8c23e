"""What a performer hears and plays, kept for the next snapshot."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Protocol

from hachimachi.live.instrumentalist import Row
from hachimachi.live.screen.snapshot import CUT, MODEL, YOU, Seen, shown

MOST_NOTES, MOST_VALUES = 64, 8
"""Events of each side kept between two snapshots, an eighth of a second and one column of the picture apart: a
column shows no more notes than these, and one value. Of a flood, its end is drawn."""


_time = itemgetter(0)


class Pitched(Protocol):
    """What is needed of a note that ends."""

    @property
    def pitch(self) -> int:
        """MIDI note number, 0 to 127."""
        ...


class Trace:
    """An outlet that remembers the last events, in bounded memory and under a microsecond each.

    Args:
        features: Names of all features, in column order.
        most: How many events of the player, and as many of the model, are kept until they are taken; by default
            as many as can be drawn.

    >>> import numpy as np
    >>> trace = Trace(["pitch", "velocity"])
    >>> trace.heard(np.array([60.0, 80.0]), 1.5)
    >>> trace.take(), trace.take()
    ((Seen(at=1.5, who=0, values=(60.0,)),), ())
    """

    def __init__(self, features: Sequence[str], most: int | None = None) -> None:
        self._columns = shown(features)
        most = most or (MOST_NOTES if "pitch" in features else MOST_VALUES)
        self._heard: deque[tuple[float, int, list[float]]] = deque(maxlen=most)
        self._played: deque[tuple[float, int, list[float]]] = deque(maxlen=most)

    def began(self) -> None:
        """Nothing: a screen shows time, and sequences are not told apart in it."""

    def heard(self, row: Row, at: float) -> None:
        """Keep an event of the player: features (F,), seconds of the clock."""
        self._heard.append((at, YOU, row.tolist()))

    def played(self, row: Row, at: float, asker: tuple[str, int] | None) -> None:  # noqa: ARG002  (the same to the eye)
        """Keep an event of the model: features (F,), when it was due."""
        self._played.append((at, MODEL, row.tolist()))

    def rehearse(self, row: Row) -> None:
        """Nothing: it is quick enough."""

    def ended(self, note: Pitched, at: float, early: bool) -> None:
        """Keep that a note was cut short; where it was not, its duration has told when it ends."""
        if early:
            self._played.append((at, CUT, [float(note.pitch)]))

    def take(self) -> tuple[Seen, ...]:
        """Return what was kept, oldest first, and forget it."""
        seen = tuple(
            Seen(round(at, 3), who, tuple(values) if who == CUT else tuple(values[i] for i in self._columns))
            for at, who, values in sorted((*self._heard, *self._played), key=_time)
        )
        self._heard.clear()
        self._played.clear()
        return seen
