"""What a screen shows of a performance: snapshots, taken in pauses and sent as JSON, and the screen of plain lines."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from hachimachi.console import printer
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.live.instrument import Ensemble
    from hachimachi.live.protocols import Note, Row

YOU, MODEL, CUT, SCHEDULED, CANCELLED, RELEASED = range(6)
"""Who an event is from, or what becomes of it. ``CUT``: a note of the model ends before its time, ``RELEASED``: one of
the player ends; values are pitch and channel. ``SCHEDULED``: the model is to play it, ``CANCELLED``: it will not."""
MOST_TRACES = 8  # features drawn; more are counted
MOST_FEATURES = 32  # features of an event that other programs are told
MOST_NOTES, MOST_VALUES = 64, 8  # events of a side kept between snapshots: a column shows no more; of a flood, the end
LARGEST = 60_000  # bytes of a snapshot, which has to fit into one datagram
ROOM_SECONDS = 0.003  # a snapshot takes a fraction of a millisecond; where less is left before the next note it waits
PATIENCE_SECONDS = 0.5  # but no longer than this
MOST_WORDS = 12  # of a constraint that are shown
SAME = ("features", "mode", "heard", "released", "skipped", "played", "cancelled", "pending")  # as in a `Status`
COUNT_SECONDS = 60.0  # between two lines of counts
COUNTED = ("heard", "skipped", "played", "cancelled", "refused")


class ScreenEvent(NamedTuple):
    """An event as it is drawn: seconds of the playing clock, who or what, values of features (on a terminal the `shown`
    ones), the number from 1 under which it is scheduled, played or cancelled, and the index of the model."""

    at: float
    who: int
    values: tuple[float, ...]
    number: int = 0
    model: int = 0


@dataclass(frozen=True)
class ModelState:
    """One model, as it stands. Counts are those since the start. ``steering``: What differs from sampling as learned, a
    text each: ``temperature 0.8``. ``late``: Median, 99th percentile, maximum in ms; ``None`` before any output."""

    name: str
    features: tuple[str, ...]
    mode: str = "follow"
    state: str = "playing"
    steering: tuple[str, ...] = ()
    heard: int = 0
    released: int = 0
    skipped: int = 0
    played: int = 0
    cancelled: int = 0
    refused: int = 0
    pending: int = 0
    late: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Snapshot:
    """A whole performance at one moment, and since the previous one: ``lines``, refusals and warnings to be shown;
    ``events``, oldest first; ``status``, route and values of each such message; ``about`` the models, in the feed."""

    at: float
    hears: tuple[str, ...] = ()
    plays_to: tuple[str, ...] = ()
    models: tuple[ModelState, ...] = ()
    lines: tuple[str, ...] = ()
    events: tuple[ScreenEvent, ...] = ()
    status: tuple[tuple[str | float, ...], ...] = ()
    about: tuple[dict[str, Any], ...] = ()

    def to_bytes(self) -> bytes:
        """Return it as JSON of at most `LARGEST` bytes, without what is empty: where there is too much, the oldest
        events are cut, then the names of features that are not drawn. NaN and infinities are Python's."""
        snapshot, packet = self, b""
        for most in (None, 4 * MOST_NOTES, MOST_NOTES, MOST_NOTES // 4, 0):
            if most is not None:
                models = self.models if most else tuple(map(_without_hidden, self.models))
                snapshot = replace(self, models=models, events=self.events[-most:] if most else ())
            fields = {key: value for key, value in vars(snapshot).items() if value or key == "at"}
            packet = json.dumps(fields, default=vars, separators=(",", ":")).encode()
            if len(packet) <= LARGEST:
                break
        return packet

    @classmethod
    def from_bytes(cls, packet: bytes) -> Snapshot:
        """Read what `to_bytes` returned. Raises `HachimachiError`: bytes that are no snapshot."""
        try:
            fields = {key: _to_tuples(value) for key, value in json.loads(packet).items() if key != "models"}
            states = json.loads(packet).get("models", [])
            models = tuple(ModelState(**{key: _to_tuples(value) for key, value in one.items()}) for one in states)
            fields["events"] = tuple(ScreenEvent(*each) for each in fields.get("events", ()))
            return cls(**fields, models=models)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise HachimachiError(f"not a snapshot: {packet[:40]!r}, expected what Snapshot.to_bytes writes") from error


def _without_hidden(state: ModelState) -> ModelState:
    drawn = shown(state.features)
    return replace(state, features=tuple(name if i in drawn else "" for i, name in enumerate(state.features)))


class Screen(Protocol):
    """Shows a performance: a panel, lines of text, or a feed."""

    interval: float  # seconds between two snapshots; more often is of no use

    def send(self, snapshot: Snapshot) -> None:
        """Show a snapshot. It does not raise, and does not wait for long."""


def shown(features: Sequence[str]) -> list[int]:
    """Return the columns that a screen draws: of notes pitch and duration, else the first few.

    >>> shown(["velocity", "pitch", "duration"]), shown(["x", "y"])
    ([1, 2], [0, 1])
    """
    if "pitch" in features:
        return [features.index(name) for name in ("pitch", "duration") if name in features]
    return list(range(min(len(features), MOST_TRACES)))


def _to_tuples(value: Any) -> Any:
    return tuple(map(_to_tuples, value)) if isinstance(value, list) else value


class Trace:
    """A listener that keeps the last events, in bounded memory and under a microsecond each. ``whole``: Whether all
    features are kept, and the end of notes without duration, not only what a terminal shows.

    >>> import numpy as np
    >>> trace = Trace(["pitch", "velocity"])
    >>> trace.heard(np.array([60.0, 80.0]), 1.5)
    >>> trace.take(), trace.take()
    ((ScreenEvent(at=1.5, who=0, values=(60.0,), number=0, model=0),), ())
    """

    def __init__(self, features: Sequence[str], *, whole: bool = False) -> None:
        self._columns = list(range(min(len(features), MOST_FEATURES))) if whole else shown(features)
        self._open = whole and "duration" not in features
        most = MOST_NOTES if whole or "pitch" in features else MOST_VALUES
        self._heard: deque[tuple[float, int, Row | Note]] = deque(maxlen=most)
        self._played: deque[tuple[float, int, Row | Note]] = deque(maxlen=most)

    def began(self) -> None:
        """Nothing: a screen shows time, and not where a sequence begins."""

    def heard(self, row: Row, at: float) -> None:
        """Keep an event of the player: features (F,), seconds of the clock."""
        self._heard.append((at, YOU, row))

    def released(self, note: Note, at: float) -> None:
        """Keep the end of a player's note; a terminal does not show it."""
        self._heard.append((at, RELEASED, note))

    def played(self, row: Row, at: float, asker: tuple[str, int] | None) -> None:  # noqa: ARG002  (the same to the eye)
        """Keep an event of the model: features (F,), when it was due."""
        self._played.append((at, MODEL, row))

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Keep that a note was cut short; where it was not, it ends after its duration."""
        if early or self._open:
            self._played.append((at, CUT, note))

    def take(self, number: Callable[[Any], int] = lambda _: 0) -> tuple[ScreenEvent, ...]:
        """Return what was kept, oldest first, and forget it; ``number`` finds that of an event of the model."""
        events: list[ScreenEvent] = []
        for at, who, what in sorted((*self._heard, *self._played), key=itemgetter(0)):
            if who in (CUT, RELEASED):
                values = tuple(float(each) for each in what if each is not None)
            else:
                row = cast("Row", what).tolist()
                values = tuple(row[i] for i in self._columns)
            events.append(ScreenEvent(round(at, 6), who, values, number(what) if who == MODEL else 0))
        self._heard.clear()
        self._played.clear()
        return tuple(events)


def clean(text: str) -> str:
    """Return a text on one line, without control characters, marks of direction and lone surrogates.

    >>> clean("a\\x1b[2Jb\\n")
    'a�[2Jb�'
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "�" for sign in text)


@dataclass(frozen=True)
class Signs:
    """What a terminal can draw: signs of the player and, thicker, of the model, in a cell's upper half, lower, both."""

    you: str = "▔▁═"
    model: str = "▀▄█"
    levels: str = "▁▂▃▄▅▆▇█"
    halves: bool = True
    dot: str = "·"
    line: str = "─"

    def show(self, text: str) -> str:
        """Return a text as this terminal can show it."""
        text = clean(text)
        return text if self.halves else text.encode("ascii", "replace").decode("ascii")


BLOCKS = Signs()
ASCII = Signs(you="---", model="###", levels="0123456789", halves=False, dot="-", line="-")


class Reporter:
    """A chore of an ensemble: sends a snapshot when something has changed, and rests when nothing has."""

    def __init__(
        self,
        ensemble: Ensemble,
        screen: Screen,
        traces: Sequence[Trace],
        hears: Sequence[str] = (),
        plays_to: Sequence[str] = (),
    ) -> None:
        self._ensemble, self._screen, self._traces = ensemble, screen, traces
        self._hears, self._plays_to = tuple(hears), tuple(plays_to)
        self._lines: list[str] = []
        self._known: object = None  # what the screen shows
        self._next = -1.0  # when it may be sent the next snapshot

    def say(self, line: str) -> None:
        """Show a line with the next snapshot."""
        self._lines.append(line)

    def __call__(self) -> float | None:
        """Send a snapshot if it is time; return when it will be, ``None`` while nothing has changed."""
        now, instruments = time.perf_counter(), self._ensemble.instruments
        state: list[object] = [self._ensemble.refusals.total]
        for each in instruments:
            status = each.performer.status()
            state += each.model.name, each.stopped, each.steering.sampling, status.state
            state += status.mode, status.speed, status.heard, status.released, status.played, status.cancelled
        if state == self._known and not self._lines:
            return None
        if now < self._next:
            return self._next
        coming = min((at for each in instruments if (at := each.performer.next) is not None), default=None)
        if coming is not None and coming - now < ROOM_SECONDS and now < self._next + PATIENCE_SECONDS:
            return now + ROOM_SECONDS
        self._known, self._next = state, now + self._screen.interval
        self._screen.send(self.snapshot(now))
        self._lines.clear()
        return None

    def finish(self) -> None:
        """Send a last snapshot: how things stand at the end."""
        self._screen.send(self.snapshot(time.perf_counter()))
        self._lines.clear()

    def snapshot(self, now: float) -> Snapshot:
        """Return how things stand."""
        states: list[ModelState] = []
        for instrument in self._ensemble.instruments:
            status = instrument.performer.status()
            steering = [f"speed {status.speed:g}"] if status.speed != 1 else []
            for line in instrument.steering_lines:
                words = [word if isinstance(word, str) else f"{word:g}" for word in line[:MOST_WORDS]]
                steering.append(" ".join([*words, *["…"] * (len(line) > MOST_WORDS)]))
            state = ModelState(
                name=instrument.model.name,
                state=instrument.state,
                steering=tuple(steering),
                refused=self._ensemble.refusals.total,
                late=status.latency.in_ms() if status.latency.count else None,
                **{key: getattr(status, key) for key in SAME},
            )
            states.append(state)
        events = [each._replace(model=i) for i, trace in enumerate(self._traces) for each in trace.take()]
        events.sort(key=itemgetter(0))
        return Snapshot(now, self._hears, self._plays_to, tuple(states), tuple(self._lines), tuple(events))


class PlainLog:
    """A `Screen` of lines: what changes on standard output, unless ``quiet``; what goes wrong on standard error."""

    interval = 1.0

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._previous: Snapshot | None = None
        self._counts: list[str] = []
        self._next = 0.0

    def send(self, snapshot: Snapshot) -> None:
        """Print what is new since the previous snapshot."""
        previous, self._previous = self._previous, snapshot
        for line in snapshot.lines:
            printer(clean(f"hxmx: {line}"), sys.stderr)
        if self._quiet:
            return
        counts = [", ".join(f"{name} {getattr(state, name):,}" for name in COUNTED) for state in snapshot.models]
        if previous is None:
            for state in snapshot.models:
                printer(clean(f"ready: {'; '.join([state.name, state.mode, *state.steering])}"))
        for before, state in zip(previous.models if previous else (), snapshot.models, strict=False):
            changes = (
                (before.name != state.name, f"{before.name} gives way to {state.name}"),
                (before.mode != state.mode, f"{state.name}: mode {state.mode}"),
                (before.steering != state.steering, f"{state.name}: {'; '.join(state.steering) or 'as learned'}"),
            )
            for changed, line in changes:
                if changed:
                    printer(clean(line))
        if previous is not None and snapshot.at >= self._next:
            for i, (state, line) in enumerate(zip(snapshot.models, counts, strict=True)):
                if line not in self._counts[i : i + 1]:
                    late = "; late p50 {:.2f}, p99 {:.2f}, max {:.2f} ms".format(*state.late) if state.late else ""
                    printer(clean(f"{state.name}: {line}{late}"))
        if previous is None or snapshot.at >= self._next:
            self._counts, self._next = counts, snapshot.at + COUNT_SECONDS

    def close(self) -> None:
        """Print what is still to be; the summary at the end is the command's."""
        printer.wait()
