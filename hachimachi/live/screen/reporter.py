"""What a screen shows, taken from an ensemble in the pauses between notes; and the screen that is lines of text."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from hachimachi.live.instrument import Ensemble, Instrument
from hachimachi.live.screen.snapshot import ModelState, Screen, Snapshot, Trace, clean

ROOM_SECONDS = 0.003
"""A snapshot takes a fraction of a millisecond; where less than this is left before the next note it waits,"""
PATIENCE_SECONDS = 0.5
"""but no longer than this."""


class Reporter:
    """A chore of an ensemble: sends a snapshot when something has changed, and rests when nothing has.

    Args:
        ensemble: The ensemble.
        screen: Where to.
        traces: What each instrument heard and played, in their order.
        hears: Where it is heard on.
        plays_to: Where it is played to.
        clock: Seconds that never go back, those of the events.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        screen: Screen,
        traces: Sequence[Trace],
        hears: Sequence[str] = (),
        plays_to: Sequence[str] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._ensemble, self._screen, self._traces = ensemble, screen, traces
        self._hears, self._plays_to = tuple(hears), tuple(plays_to)
        self._clock = clock
        self._lines: list[str] = []
        self._known: object = None  # what the screen shows
        self._next = -1.0  # when it may be sent the next snapshot

    def say(self, line: str) -> None:
        """Show a line with the next snapshot."""
        self._lines.append(line)

    def __call__(self) -> float | None:
        """Send a snapshot if it is time; return when it will be, ``None`` while nothing has changed."""
        now, state = self._clock(), self._fingerprint()
        if state == self._known and not self._lines:
            return None
        if now < self._next:
            return self._next
        coming = min(
            (at for each in self._ensemble.instruments if (at := each.performer.next) is not None), default=None
        )
        if coming is not None and coming - now < ROOM_SECONDS and now < self._next + PATIENCE_SECONDS:
            return now + ROOM_SECONDS
        self._known, self._next = state, now + self._screen.interval
        self._screen.send(self.snapshot(now))
        self._lines.clear()
        return None

    def finish(self) -> None:
        """Send a last snapshot: how things stand at the end."""
        self._screen.send(self.snapshot(self._clock()))
        self._lines.clear()

    def snapshot(self, now: float) -> Snapshot:
        """Return how things stand."""
        states = tuple(
            self._describe(instrument, trace)
            for instrument, trace in zip(self._ensemble.instruments, self._traces, strict=True)
        )
        return Snapshot(now, self._hears, self._plays_to, states, tuple(self._lines))

    def _fingerprint(self) -> object:
        return self._ensemble.refusals.total, *(
            (
                each.model.name,
                each.stopped,
                each.steering.sampling,
                (status := each.performer.status()).state,
                status.mode,
                status.speed,
                status.heard,
                status.played,
                status.cancelled,
            )
            for each in self._ensemble.instruments
        )

    def _describe(self, instrument: Instrument, trace: Trace) -> ModelState:
        status = instrument.performer.status()
        steering = [" ".join(_text(word) for word in line) for line in instrument.steering_lines]
        return ModelState(
            name=instrument.model.name,
            features=status.features,
            mode=status.mode,
            state=instrument.state,
            steering=(*([f"speed {status.speed:g}"] if status.speed != 1 else []), *steering),
            heard=status.heard,
            skipped=status.skipped,
            played=status.played,
            cancelled=status.cancelled,
            refused=self._ensemble.refusals.total,
            pending=status.pending,
            late=status.latency.in_ms() if status.latency.count else None,
            events=trace.take(),
        )


def _text(word: str | float) -> str:
    return word if isinstance(word, str) else f"{word:g}"


COUNT_SECONDS = 60.0
"""Seconds between two lines of counts."""
COUNTED = ("heard", "skipped", "played", "cancelled", "refused")


class PlainLog:
    """Lines on standard output when something changes: a `hachimachi.live.screen.snapshot.Screen`.

    What goes wrong is printed on standard error.

    Args:
        quiet: Print only what goes wrong.
    """

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
            _print(f"hxmx: {line}", sys.stderr)
        if self._quiet:
            return
        counts = [", ".join(f"{name} {getattr(state, name):,}" for name in COUNTED) for state in snapshot.models]
        if previous is None:
            for state in snapshot.models:
                _print(f"ready: {'; '.join([state.name, state.mode, *state.steering])}")
        else:
            for i, state in enumerate(snapshot.models):
                for change in _changes(previous.models[i] if i < len(previous.models) else None, state):
                    _print(change)
        if previous is not None and snapshot.at >= self._next:
            for i, (state, line) in enumerate(zip(snapshot.models, counts, strict=True)):
                if line not in self._counts[i : i + 1]:
                    late = "; late p50 {:.2f}, p99 {:.2f}, max {:.2f} ms".format(*state.late) if state.late else ""
                    _print(f"{state.name}: {line}{late}")
        if previous is None or snapshot.at >= self._next:
            self._counts, self._next = counts, snapshot.at + COUNT_SECONDS

    def close(self) -> None:
        """Print nothing more: the account at the end is the command's."""


def _changes(previous: ModelState | None, state: ModelState) -> list[str]:
    if previous is None:
        return [f"ready: {state.name}"]
    changes = [f"{previous.name} gives way to {state.name}"] if previous.name != state.name else []
    if previous.mode != state.mode:
        changes.append(f"{state.name}: mode {state.mode}")
    if previous.steering != state.steering:
        changes.append(f"{state.name}: {'; '.join(state.steering) or 'as learned'}")
    return changes


def _print(line: str, stream: TextIO | None = None) -> None:
    stream = stream or sys.stdout
    with contextlib.suppress(OSError, ValueError):  # nobody reads any more
        encoding = getattr(stream, "encoding", None) or "utf-8"
        print(clean(line).encode(encoding, "replace").decode(encoding), file=stream, flush=True)
