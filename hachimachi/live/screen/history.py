"""What the panel draws: the last seconds of a performance, sorted into columns of an eighth of a second.

Columns are those of a clock and not of a screen, so that what scrolls never flickers between two of them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from hachimachi.live.screen.snapshot import CUT, MODEL, YOU, ModelState, Seen, Snapshot, shown

STEP = 1 / 8
"""Seconds a column."""
KEPT = 256
"""Columns kept: half a minute, more than the widest panel shows."""
KEPT_SECONDS = KEPT * STEP
RATE_SECONDS = 2.0
BY_YOU, BY_MODEL, YOU_BEGIN, MODEL_BEGINS = 1, 2, 4, 8
"""What is in a cell, as bits."""
LOWEST, HIGHEST = 0, 127

Cells = dict[int, int]


def column_of(time: float) -> int:
    """Return the column in which a moment lies."""
    return math.floor(time / STEP)


class ModelHistory:
    """The last seconds of one model.

    Attributes:
        state: The last that was told of it.
        roll: Of notes: column → pitch → bits of the cell.
        values: Of other events: column → bits, and the newest values of the shown features.
    """

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self.notes = "pitch" in state.features
        self.names = [state.features[column] for column in shown(state.features)]
        self.roll: dict[int, Cells] = {}
        self.values: dict[int, tuple[int, list[float]]] = {}
        self.newest = -KEPT
        self._counts: deque[tuple[float, int, int]] = deque()

    def add(self, state: ModelState, late: float, now: float) -> None:
        """Take in what is new; its times are ``late`` seconds behind those of ``now``."""
        self.state = state
        for event in state.events:
            if math.isfinite(event.at):
                self._see(event, min(max(event.at + late, now - 2 * KEPT_SECONDS), now + KEPT_SECONDS), now)
        self._counts.append((now, state.heard, state.played))
        while len(self._counts) > 2 and self._counts[1][0] < now - 2 * RATE_SECONDS:
            self._counts.popleft()
        for columns in (self.roll, self.values):
            for old in [column for column in columns if column < column_of(now) - KEPT]:
                del columns[old]

    def rates(self, now: float) -> tuple[float, float]:
        """Return events heard and played per second, over the last two seconds."""
        if not self._counts:
            return 0.0, 0.0
        before = self._counts[0]
        for told in self._counts:
            if told[0] <= now - RATE_SECONDS:
                before = told
        _, heard, played = self._counts[-1]
        return max(0, heard - before[1]) / RATE_SECONDS, max(0, played - before[2]) / RATE_SECONDS

    def _see(self, event: Seen, at: float, now: float) -> None:
        column = column_of(at)
        if column < column_of(now) - KEPT:
            return
        if event.who == CUT:
            self._cut(event.values, column)
        elif event.who not in (YOU, MODEL):
            return
        elif self.notes:
            self._note(event, at, column)
        else:
            bits, values = self.values.get(column, (0, [math.nan] * len(self.names)))
            new = [new if math.isfinite(new) else old for new, old in zip(event.values, values, strict=False)]
            self.values[column] = bits | 1 << event.who, new + values[len(new) :]
            self.newest = max(self.newest, column)

    def _note(self, event: Seen, at: float, column: int) -> None:
        if not event.values or not math.isfinite(event.values[0]):
            return
        pitch = round(min(max(event.values[0], LOWEST), HIGHEST))
        seconds = event.values[1] if len(event.values) > 1 and math.isfinite(event.values[1]) else 0.0
        last = max(column, column_of(at + min(max(seconds, 0.0), KEPT_SECONDS) - STEP / 2))
        mine = 1 << event.who
        for place in range(column, last + 1):
            cells = self.roll.setdefault(place, {})
            cells[pitch] = cells.get(pitch, 0) | mine
        self.roll[column][pitch] |= mine << 2
        self.newest = max(self.newest, last)

    def _cut(self, values: Sequence[float], column: int) -> None:
        for place, cells in self.roll.items():
            if place > column and values and values[0] in cells:
                cells[int(values[0])] &= ~(BY_MODEL | MODEL_BEGINS)


class History:
    """The last seconds of a performance; snapshots go in, `hachimachi.live.screen.panel` draws it."""

    def __init__(self) -> None:
        self.latest: Snapshot | None = None
        self.models: list[ModelHistory] = []
        self.said: deque[str] = deque(maxlen=4)
        self._late = math.inf

    def add(self, snapshot: Snapshot, now: float) -> None:
        """Take in a snapshot that came at ``now``, in seconds of the clock by which it is drawn."""
        self.latest = snapshot
        self.said.extend(snapshot.said)
        if math.isfinite(snapshot.at):
            # two clocks that tick alike: the quickest delivery tells how far apart they are
            self._late = min(self._late, now - snapshot.at)
        late = self._late if math.isfinite(self._late) else 0.0
        kept = dict(enumerate(self.models))
        self.models = []
        for number, state in enumerate(snapshot.models):
            known = kept.get(number)
            model = known if known and known.state.features == state.features else ModelHistory(state)
            model.add(state, late, now)
            self.models.append(model)

    def moves(self, now: float, width: int) -> bool:
        """Return whether a picture of so many columns changes by itself, since not all has scrolled out of it."""
        return any(model.newest + min(width, KEPT) + 1 >= column_of(now) for model in self.models)
