"""What was received and played, kept in memory, and written as `hxmx gen` writes it."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import Report
from hachimachi.io.formats import LOSSY, WRITERS, find_module
from hachimachi.live.midi.mapping import NoteNames
from hachimachi.live.record.dataset import DURATION, Recorded, make_sequences
from hachimachi.live.screen.snapshot import MODEL, RELEASED, YOU, ScreenEvent

MOST_EVENTS = 250_000  # the last, an hour and a half at fifty a second; in memory 12 MB with four features


class Take:
    """The events, as the feed has them, of models with the same features; of ``who`` the first is the player."""

    def __init__(self, features: Sequence[Feature], who: Sequence[str]) -> None:
        self.features, self._who, self._size = tuple(features), tuple(who), len(features) + 2
        self._rows = array("d")  # moment, index in ``who`` and values of each event
        self._inputs: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=64)  # which each model reports
        self._names = NoteNames(features)
        self._duration = next((i + 2 for i, each in enumerate(features) if each.name == DURATION), None)
        self._held: dict[tuple[float, ...], int] = {}  # a player's notes that have not ended → offset of the event

    def add(self, event: ScreenEvent) -> None:
        """Keep an input or output event; the end of a player's note gives its duration."""
        if event.who == RELEASED and (offset := self._held.pop(event.values, None)) is not None:
            self._rows[offset + (self._duration or 0)] = max(0.0, event.at - self._rows[offset])
        if event.who not in (YOU, MODEL) or len(event.values) != len(self.features):
            return
        if event.who == YOU:
            if (event.at, event.values) in self._inputs:
                return
            self._inputs.append((event.at, event.values))
            note = self._names.of(event.values)
            if note is not None and self._duration is not None and math.isnan(event.values[self._duration - 2]):
                self._held[tuple(float(each) for each in note if each is not None)] = len(self._rows)
        self._rows.extend((event.at, event.model + 1 if event.who == MODEL else 0, *event.values))
        if len(self._rows) >= MOST_EVENTS * self._size:
            del self._rows[: MOST_EVENTS // 8 * self._size]
            self._held.clear()

    def render(self, name: str, seconds: float = math.inf) -> bytes:
        """Return the last seconds as the file of this name, .mid, .json or .wav; ``player``, in MIDI the track, is 0 of
        the player, 1 of the first model. `HachimachiError`: nothing was played, or what the format cannot hold."""
        rows = np.array(self._rows).reshape(-1, self._size)
        rows = rows[rows[:, 0] >= rows[:, 0].max(initial=-math.inf) - seconds]
        if not len(rows):
            raise HachimachiError("nothing has been played yet")
        player, number = rows[:, 1].astype(np.intp), np.zeros(len(rows), np.intp)
        recorded = Recorded(self.features, self._who, True, rows[:, 0], player, rows[:, 2:], number, len(rows), 0, 0)
        [sequence], _ = make_sequences(recorded, one=True)
        suffix = PurePath(name).suffix
        if suffix == ".mid" and "track" not in [each.name for each in self.features]:
            data = sequence.data + np.eye(1, self._size - 1, self._size - 2)  # tracks are counted from 1
            sequence = EventSequence((*self.features, Feature("track")), data, sequence.time)
        options = (Report(), name) if suffix in LOSSY else ()
        return find_module(PurePath(name), WRITERS, "write").render([sequence], *options)  # type: ignore[arg-type]
