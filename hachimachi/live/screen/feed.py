"""The feed: what a performance tells other programs on this machine, such as the page in a browser.

Who sends ``/feed`` is sent `Snapshot` as JSON, one a datagram, for `LAPSE_SECONDS`: events and answers at once, the
state of the models when it changes, and what they are (``about``) at first. docs/reference/osc.md has the format.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from hachimachi.columns import Categories
from hachimachi.live.midi.mapping import median, trained_values, velocity_of_releases
from hachimachi.live.protocols import Address, Refused
from hachimachi.live.schedule import Prediction
from hachimachi.live.screen.snapshot import CANCELLED, MOST_FEATURES, SCHEDULED, Reporter, ScreenEvent, Snapshot, Trace

if TYPE_CHECKING:
    from hachimachi.live.instrument import Ensemble, LoadedModel
    from hachimachi.live.loop import Loop

LAPSE_SECONDS = 3.0  # so long after its last ``/feed`` a program is sent the feed
MOST_READERS, MOST_LISTED = 8, 128  # the second: of answers in a datagram, of what is scheduled, of a column's values
ROOM_SECONDS = 0.0003  # before the next note nothing is sent: it takes a tenth of this


class Feed(Reporter):
    """A chore of an ensemble, and its own screen: sends datagrams to who asks, by the loop's socket, never waiting."""

    interval = 1 / 8

    def __init__(self, ensemble: Ensemble, loop: Loop, traces: Sequence[Trace]) -> None:
        super().__init__(ensemble, self, ())
        self._loop, self._feed_traces = loop, traces
        self.readers: dict[Address, float] = {}  # who reads, and until when
        loop.readers = self.readers
        self._status: deque[tuple[str | float, ...]] = deque(maxlen=MOST_LISTED)
        # by the identity of its row, what is scheduled and its number
        self._scheduled: list[dict[int, tuple[int, Prediction]]] = [{} for _ in traces]
        self._count = 0  # of what was scheduled
        self._about: object = None  # names of the models that readers know of
        models = [model for instrument in ensemble.instruments for model in instrument.models.values()]
        self._described = {model.name: _describe(model) for model in models}  # now: it takes a while

    def subscribe(self, reader: Address | None) -> None:
        """Send to a program for a while. Raises `Refused`: one of another machine, or too many."""
        if reader is None or not self._loop.is_here(reader[0]):
            raise Refused("value", "/feed: only programs on this machine are sent it")
        if reader not in self.readers:
            if len(self.readers) >= MOST_READERS:
                raise Refused("value", f"/feed: {MOST_READERS} programs read it already")
            self._known = self._about = None  # all is told anew
        self.readers[reader] = time.perf_counter() + LAPSE_SECONDS
        self.send(Snapshot(time.perf_counter()))  # that somebody is there

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
        if self._about != (names := [each.model.name for each in instruments]):
            self._about = names
            about = [
                (self._described.get(each.model.name) or _describe(each.model))
                | {"prefix": each.prefix, "models": list(each.models)[:MOST_LISTED]}
                | {"input": each.performer.status().shortest_input[:MOST_FEATURES]}
                for each in instruments
            ]
            self.send(Snapshot(now, about=tuple(about)))
        events, status = self._take(), tuple(self._status)
        self._status.clear()
        if events or status:
            self.send(Snapshot(now, events=events, status=status))
        return super().__call__() if now >= self._next else self._next

    def send(self, snapshot: Snapshot) -> None:
        """Send a snapshot to all who read. What a reader does not take at once is lost to it."""
        packet = snapshot.to_bytes()
        for reader in self.readers:
            with contextlib.suppress(OSError):  # full, or the reader is gone, or it is too long
                self._loop.send_to(packet, reader)

    def _take(self) -> tuple[ScreenEvent, ...]:
        """Return what has happened since the previous turn: of what is scheduled, the difference to what was."""
        events: list[ScreenEvent] = []
        for i, (instrument, trace) in enumerate(zip(self._ensemble.instruments, self._feed_traces, strict=True)):
            before, now = self._scheduled[i], dict[int, tuple[int, Prediction]]()
            taken = trace.take(lambda row, before=before: before.pop(id(row), (0,))[0])
            for each in instrument.performer.scheduled[:MOST_LISTED]:
                known = before.get(id(each.features))
                if known is not None and known[1].deadline == each.deadline:
                    now[id(each.features)] = before.pop(id(each.features))
                    continue
                self._count += 1
                now[id(each.features)] = self._count, each
                values = tuple(each.features[:MOST_FEATURES].tolist())
                events.append(ScreenEvent(each.deadline, SCHEDULED, values, self._count, i))
            events += [each._replace(model=i) for each in taken]
            events += [ScreenEvent(each.deadline, CANCELLED, (), number, i) for number, each in before.values()]
            self._scheduled[i] = now
        return tuple(sorted(events, key=itemgetter(0)))


def _describe(model: LoadedModel) -> dict[str, Any]:
    """Return what a model is and what may be asked of it."""
    columns, temporal = model.player.columns, model.player.temporal
    described: list[dict[str, Any]] = []
    for column in columns[: MOST_FEATURES + temporal]:
        values, feature = trained_values(column), column.feature
        each = {key: getattr(feature, key) for key in ("name", "kind", "masked")} | {
            "low": values[0] if feature.min is None else feature.min,
            "high": values[-1] if feature.max is None else feature.max,
            "whole": column.whole,
            "median": median(column),
            "values": values if isinstance(column.grid, Categories) and len(values) <= MOST_LISTED else [],
        }
        described.append(each)
    releases, primers = velocity_of_releases(columns) is not None, list(model.primers)[:MOST_LISTED]
    return {"name": model.name, "temporal": temporal, "releases": releases, "primers": primers, "columns": described}
