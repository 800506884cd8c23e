"""The feed: what a performance tells other programs on this machine, such as the page in a browser.

Who sends ``/feed`` is sent `Snapshot` as JSON, one a datagram, for `LAPSE_SECONDS`: events and answers at once, the state of
the models when it changes, and what they are (``about``) at first. docs/live.md has the format.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from hachimachi.columns import Categories, Column
from hachimachi.events import TIME
from hachimachi.live.midi.mapping import median, trained_values, velocity_of_releases
from hachimachi.live.protocols import Address, Listener, Note, Refused, Row
from hachimachi.live.screen.snapshot import (
    CANCELLED,
    CUT,
    LARGEST,
    MODEL,
    RELEASED,
    SCHEDULED,
    YOU,
    Reporter,
    ScreenEvent,
    Snapshot,
)

if TYPE_CHECKING:
    from hachimachi.live.instrument import Ensemble, Instrument
    from hachimachi.live.loop import Loop

LAPSE_SECONDS = 3.0
"""So long after its last ``/feed`` a program is sent the feed."""
MOST_READERS = 8
MOST_EVENTS, MOST_FEATURES, MOST_VALUES = 256, 32, 128
"""Events kept between two turns, features of an event, and values of a column that are listed: a datagram is finite."""
ROOM_SECONDS = 0.0003  # before the next note nothing is sent: it takes a tenth of this


class FeedTrace(Listener):
    """Keeps what one performer hears and plays until the next turn has been played.

    Args:
        durations: Whether the model tells durations; of others every note's end is kept, not the early ones alone.
    """

    def __init__(self, durations: bool) -> None:
        self._durations = durations
        self.events: deque[tuple[float, int, Row]] = deque(maxlen=MOST_EVENTS)

    def heard(self, row: Row, at: float) -> None:
        """Keep an event of the player."""
        self.events.append((at, YOU, row))

    def played(self, row: Row, at: float, asker: Address | None) -> None:  # noqa: ARG002  (of Listener)
        """Keep an event of the model."""
        self.events.append((at, MODEL, row))

    def released(self, note: Note, at: float) -> None:
        """Keep the end of a player's note."""
        self.events.append((at, RELEASED, _row(note)))

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Keep the end of a model's note, if its duration does not tell it."""
        if early or not self._durations:
            self.events.append((at, CUT, _row(note)))


def _row(note: Note) -> Row:
    return np.array([note.pitch] if note.channel is None else [note.pitch, note.channel], np.float64)


class Feed(Reporter):
    """A chore of an ensemble, and its own screen: sends datagrams to who asks for them, and nothing while nobody does.

    Args:
        loop: Its socket sends them, without waiting.
    """

    interval = 1 / 8

    def __init__(self, ensemble: Ensemble, loop: Loop, traces: Sequence[FeedTrace], **where: Any) -> None:
        super().__init__(ensemble, self, (), **where)
        self._loop, self._feed_traces = loop, traces
        self.readers: dict[Address, float] = {}
        """Who reads, and until when."""
        loop.readers = self.readers
        self._status: deque[tuple[str | float, ...]] = deque(maxlen=MOST_EVENTS)
        self._scheduled: list[dict[int, tuple[int, float, Row]]] = [{} for _ in traces]  # by the identity of the row
        self._count = 0  # of what was scheduled
        self._about: object = None  # names of the models that readers know of
        models = [model for instrument in ensemble.instruments for model in instrument.models.values()]
        self._columns = {model.name: _describe(model.player.columns) for model in models}  # now: it takes a while

    def subscribe(self, reader: Address | None) -> None:
        """Send to a program for a while. Raises `Refused`: one of another machine, or too many."""
        if reader is None or not self._loop.is_here(reader[0]):
            raise Refused("value", "/feed: only programs on this machine are sent it")
        if reader not in self.readers:
            if len(self.readers) >= MOST_READERS:
                raise Refused("value", f"/feed: {MOST_READERS} programs read it already")
            self._known = self._about = None  # all is told anew
        self.readers[reader] = time.perf_counter() + LAPSE_SECONDS
        self._send({"at": time.perf_counter()})  # that somebody is there

    def note_status(self, route: str, *values: str | float) -> None:
        """Tell readers what is sent as ``/status``."""
        if self.readers:
            self._status.append((route, *values))

    def __call__(self) -> float | None:
        """Send what has happened; return when to be called again."""
        if not self.readers:
            return None
        now, instruments = time.perf_counter(), self._ensemble.instruments
        for reader in [reader for reader, until in self.readers.items() if until < now]:
            del self.readers[reader]
        coming = min((at for each in instruments if (at := each.performer.next) is not None), default=math.inf)
        if 0 < coming - now < ROOM_SECONDS:
            return coming
        if events := self._take():
            self.send(Snapshot(now, events=events, status=tuple(self._status)))
        elif self._status:
            self.send(Snapshot(now, status=tuple(self._status)))
        self._status.clear()
        names = [each.model.name for each in instruments]
        if names != self._about:
            self._about = names
            self._send({"at": now, "about": [self._describe(instrument) for instrument in instruments]})
        return super().__call__()

    def send(self, snapshot: Snapshot) -> None:
        """Send a snapshot to all who read. What a reader does not take at once is lost to it."""
        self._send(snapshot.to_bytes())

    def _send(self, content: bytes | dict[str, Any]) -> None:
        packet = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
        for reader in self.readers if len(packet) <= LARGEST else ():
            with contextlib.suppress(OSError):  # full, or the reader is gone
                self._loop.send_to(packet, reader)

    def _take(self) -> tuple[ScreenEvent, ...]:
        """Return what has happened since the previous turn: of what is scheduled, the difference to what was."""
        events: list[ScreenEvent] = []
        for i, (instrument, trace) in enumerate(zip(self._ensemble.instruments, self._feed_traces, strict=True)):
            before, now = self._scheduled[i], dict[int, tuple[int, float, Row]]()
            for at, who, row in trace.events:
                number = before.pop(id(row), (0,))[0] if who == MODEL else 0
                events.append(ScreenEvent(at, who, tuple(row[:MOST_FEATURES].tolist()), number, i))
            trace.events.clear()
            for prediction in instrument.performer.scheduled[:MOST_EVENTS]:
                at, row = prediction.deadline, prediction.features
                known = before.pop(id(row), None)
                if known is not None and known[1] == at:
                    now[id(row)] = known
                    continue
                if known is not None:
                    events.append(ScreenEvent(known[1], CANCELLED, (), known[0], i))
                self._count += 1
                now[id(row)] = self._count, at, row
                events.append(ScreenEvent(at, SCHEDULED, tuple(row[:MOST_FEATURES].tolist()), self._count, i))
            events += [ScreenEvent(at, CANCELLED, (), number, i) for number, at, _ in before.values()]
            self._scheduled[i] = now
        return tuple(sorted(events, key=itemgetter(0))) if len(self._feed_traces) > 1 else tuple(events)

    def _describe(self, instrument: Instrument) -> dict[str, Any]:
        """Return what a model is and what may be asked of it."""
        model = instrument.model
        return {
            "name": model.name,
            "prefix": instrument.prefix,
            "temporal": model.player.temporal,
            "releases": velocity_of_releases(model.player.columns) is not None,
            "input": list(instrument.performer.status().shortest_input[:MOST_FEATURES]),
            "models": list(instrument.models)[:MOST_VALUES],
            "primers": list(model.primers)[:MOST_VALUES],
            "columns": self._columns[model.name],
        }


def _describe(columns: Sequence[Column]) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = []
    for column in columns[: MOST_FEATURES + (columns[0].name == TIME)]:
        values, feature, grid = trained_values(column), column.feature, column.grid
        categorical = isinstance(grid, Categories)
        each = {
            "name": column.name,
            "kind": "categorical" if categorical else feature.kind,
            "low": values[0] if feature.min is None else feature.min,
            "high": values[-1] if feature.max is None else feature.max,
            "step": None if isinstance(grid, Categories) else grid.resolution,
            "whole": column.whole,
            "masked": feature.masked,
            "median": median(column),
            "values": values if categorical and len(values) <= MOST_VALUES else [],
        }
        described.append(each)
    return described
