"""A performance in few lines of text, where there is no terminal: for services, files and pipes."""

from __future__ import annotations

import contextlib
import sys
from typing import TextIO

from hachimachi.live.screen.snapshot import ModelState, Snapshot
from hachimachi.live.screen.text import clean

EVERY = 60.0
"""Seconds between two lines of counts."""


class PlainLog:
    """Lines on standard output when something changes: a `hachimachi.live.screen.snapshot.Screen`.

    What goes wrong is said on standard error.

    Args:
        quiet: Say only what goes wrong.
    """

    interval = 1.0

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._before: Snapshot | None = None
        self._counted: list[str] = []
        self._next = 0.0

    def send(self, snapshot: Snapshot) -> None:
        """Say what is new since the snapshot before."""
        before, self._before = self._before, snapshot
        for line in snapshot.said:
            _print(f"hxmx: {line}", sys.stderr)
        if self._quiet:
            return
        if before is None:
            self._begin(snapshot)
            return
        for place, state in enumerate(snapshot.models):
            for change in _changes(before.models[place] if place < len(before.models) else None, state):
                _print(change)
        if snapshot.at >= self._next:
            self._count(snapshot)

    def close(self) -> None:
        """Nothing more to say: who plays gives the account."""

    def _begin(self, snapshot: Snapshot) -> None:
        for state in snapshot.models:
            _print(f"ready: {'; '.join([state.name, state.mode, *state.steering])}")
        self._counted = [_counts(state) for state in snapshot.models]
        self._next = snapshot.at + EVERY

    def _count(self, snapshot: Snapshot) -> None:
        counted = [_counts(state) for state in snapshot.models]
        for place, (state, line) in enumerate(zip(snapshot.models, counted, strict=True)):
            if line not in self._counted[place : place + 1]:
                _print(f"{state.name}: {line}{_late(state)}")
        self._counted, self._next = counted, snapshot.at + EVERY


def _changes(before: ModelState | None, state: ModelState) -> list[str]:
    if before is None:
        return [f"ready: {state.name}"]
    changes = [f"{before.name} gives way to {state.name}"] if before.name != state.name else []
    if before.mode != state.mode:
        changes.append(f"{state.name}: mode {state.mode}")
    if before.steering != state.steering:
        changes.append(f"{state.name}: {'; '.join(state.steering) or 'as learned'}")
    return changes


def _counts(state: ModelState) -> str:
    told = ("heard", "skipped", "played", "cancelled", "refused")
    return ", ".join(f"{name} {getattr(state, name):,}" for name in told)


def _late(state: ModelState) -> str:
    return "" if state.late is None else "; late p50 {:.2f}, p99 {:.2f}, max {:.2f} ms".format(*state.late)


def _print(line: str, stream: TextIO | None = None) -> None:
    stream = stream or sys.stdout
    with contextlib.suppress(OSError, ValueError):  # nobody reads any more
        encoding = getattr(stream, "encoding", None) or "utf-8"
        print(clean(line).encode(encoding, "replace").decode(encoding), file=stream, flush=True)
