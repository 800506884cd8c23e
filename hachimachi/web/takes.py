"""What was heard and played, kept in memory, and written as `hxmx gen` writes it."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import Report
from hachimachi.io.formats import LOSSY, WRITERS, find_module
from hachimachi.live.record.dataset import PLAYER, Recorded, make_sequences
from hachimachi.live.screen.snapshot import MODEL, RELEASED, YOU, ScreenEvent

MOST_EVENTS = 250_000
"""The last of a performance, an hour and a half at fifty events a second; in memory 12 MB with four features."""
LAST = 64  # events heard that may be told again, by another model
SUFFIXES = (".mid", ".json", ".wav")


class Take:
    """The events of models that have the same features, in the order in which they were told.

    Args:
        who: Names, ``you`` first.
    """

    def __init__(self, features: Sequence[Feature], who: Sequence[str]) -> None:
        self.features, self.who = tuple(features), tuple(who)
        self._names = [feature.name for feature in features]
        self._rows = array("d")  # moment, index in ``who`` and values of each event
        self._size = len(self.features) + 2
        self._heard: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=LAST)
        self._held: dict[tuple[float, ...], int] = {}  # a player's notes that have not ended: pitch, channel → offset

    def __len__(self) -> int:
        return len(self._rows) // self._size

    def add(self, event: ScreenEvent) -> None:
        """Keep an event, if it is one that was heard or played; the end of a player's note tells how long that was."""
        if event.who == RELEASED:
            offset = self._held.pop(event.values, None)
            if offset is not None:
                self._rows[offset + 2 + self._names.index("duration")] = max(0.0, event.at - self._rows[offset])
        elif event.who in (YOU, MODEL) and len(event.values) == len(self.features):
            if event.who == YOU:
                if (event.at, event.values) in self._heard:
                    return
                self._heard.append((event.at, event.values))
                self._hold(event.values)
            self._rows.extend((event.at, event.model + 1 if event.who == MODEL else 0, *event.values))
            if len(self) >= MOST_EVENTS:
                del self._rows[: MOST_EVENTS // 8 * self._size]
                self._held.clear()

    def _hold(self, values: tuple[float, ...]) -> None:
        if {"pitch", "duration"} <= set(self._names):
            of = dict(zip(self._names, values, strict=True))
            channel = of.get("channel", of.get("instrument"))
            note = (of["pitch"],) if channel is None or np.isnan(channel) else (of["pitch"], channel)
            if np.isnan(of["duration"]) and not np.isnan(of["pitch"]):
                self._held[tuple(float(round(each)) for each in note)] = len(self._rows)

    def sequence(self, seconds: float | None = None) -> EventSequence:
        """Return the last seconds, or all, as one sequence with the column ``player``: 0 is the player, 1 the first model.
        Raises `HachimachiError`: nothing was heard or played.
        """
        rows = np.array(self._rows).reshape(-1, self._size)
        if seconds is not None and len(rows):
            rows = rows[rows[:, 0] >= rows[:, 0].max() - seconds]
        if not len(rows):
            raise HachimachiError("nothing has been played yet")
        player, number = rows[:, 1].astype(np.intp), np.zeros(len(rows), np.intp)
        recorded = Recorded(
            self.features, self.who, True, rows[:, 0], player, rows[:, 2:], number, next=len(rows), skipped=0, cleared=0
        )
        [sequence], _ = make_sequences(recorded, one=True)
        return sequence

    def render(self, name: str, seconds: float | None = None) -> bytes:
        """Return the file of this name, .mid, .json or .wav. Raises `HachimachiError`: nothing was played, or events that
        the format cannot hold.
        """
        suffix = PurePath(name).suffix
        if suffix not in SUFFIXES:
            raise HachimachiError(f"{name}: expected one of {' '.join(SUFFIXES)}")
        sequence = self.sequence(seconds)
        if suffix == ".mid" and "track" not in self._names:  # a track for the player and one for each model
            features = [Feature("track") if each.name == PLAYER else each for each in sequence.features]
            data = sequence.data.copy()
            data[:, -1] += PLAYER in [each.name for each in sequence.features]
            sequence = EventSequence(tuple(features), data, sequence.time)
        options = (Report(), name) if suffix in LOSSY else ()
        return find_module(PurePath(name), WRITERS, "write").render([sequence], *options)  # type: ignore[arg-type]
