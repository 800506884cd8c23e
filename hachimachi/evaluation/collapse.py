"""Collapse: a sequence that repeats itself for ever, falls silent, or stays away from the training range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.augment.apply import extent
from hachimachi.columns import BEYOND, Categories, Column
from hachimachi.events import TIME, EventSequence

CYCLE = 8  # events in the longest cycle that is searched for
REPEATS = 64  # events that a cycle may fill
SILENCE = 10.0  # seconds that may pass between two events
ASTRAY = 8
"""Events in a row that may have a value far beyond the training range: a stray one is no collapse, staying away is."""
CLOSE = 0.02, 0.2
"""Times that differ by so many seconds, or by such a share, are the same: small noise hides no repetition."""


@dataclass(frozen=True)
class CollapseStats:
    """How one sequence behaves."""

    repeats: int  # events in the longest stretch that is one event or a cycle of up to :data:`CYCLE` events
    silence: float  # longest time between two events in seconds, 0 without time
    astray: int  # most events in a row with a value of one feature far beyond its training range
    beyond: float = 0.0  # share of events with a value beyond the training range, however near; no collapse by itself
    allowed: float = SILENCE  # silence that is no collapse

    @property
    def limits(self) -> dict[str, float]:
        """What ``repeats``, ``silence`` and ``astray`` may be at most."""
        return {"repeats": REPEATS, "silence": self.allowed, "astray": ASTRAY}

    @property
    def failures(self) -> tuple[str, ...]:
        """In which ways it collapses; none for what goes on as it should."""
        return tuple(name for name, limit in self.limits.items() if getattr(self, name) > limit)


def measure_collapse(sequence: EventSequence, columns: Sequence[Column]) -> CollapseStats:
    """Return how a sequence behaves."""
    between = np.diff(sequence.time) if sequence.time is not None else np.zeros(0)
    near, far = (_outside(sequence, columns, margin) for margin in (0.0, BEYOND))
    # a controller, not music, may rest as long as it did in training if that is more
    rests = sequence.temporal and all(column.name != "pitch" for column in columns)
    allowed = max(SILENCE, extent(columns[0])[1]) if rests else SILENCE
    return CollapseStats(
        repeats=_longest_cycle(sequence, columns),
        silence=float(between.max(initial=0.0)),
        astray=max((_longest_run(flags) for flags in far.T), default=0),
        beyond=float(near.any(1).mean()) if len(near) else 0.0,
        allowed=allowed,
    )


def _longest_cycle(sequence: EventSequence, columns: Sequence[Column]) -> int:
    """Return the number of events in the longest cycle, at least twice around; 1 where nothing comes again. Two notes
    are the same if their pitch and categories are, other events if all their input features are."""
    features = columns[-len(sequence.features) :]
    notes = any(column.name == "pitch" for column in features)
    compared = [
        column.grid.index(values)
        for column, values in zip(features, sequence.data.T, strict=True)
        if (column.name == "pitch" or isinstance(column.grid, Categories) if notes else not column.feature.masked)
    ]
    bins = np.stack(compared, axis=1) if compared else np.zeros((len(sequence), 1), dtype=np.int64)  # (N, K)
    between, longest = sequence.rows()[:, 0], min(len(bins), 1)
    for period in range(1, min(CYCLE, len(bins) - 1) + 1):
        same = (bins[period:] == bins[:-period]).all(1)
        if sequence.temporal:
            some, others = between[period:], between[:-period]
            apart = np.abs(some - others)  # NaN before the first event
            same &= np.isnan(apart) | (apart <= np.maximum(CLOSE[0], CLOSE[1] * np.maximum(some, others)))
        run = _longest_run(same)
        longest = max(longest, run + period if run >= period else 1)
    return longest


def _outside(sequence: EventSequence, columns: Sequence[Column], margin: float) -> NDArray[np.bool_]:
    """Return which numbers lie beyond the training range widened by a share of its width, shape (N, numbers), without
    inter-event time: another tempo is no collapse."""
    flags = []
    for column, values in zip(columns, sequence.rows().T, strict=True):
        if column.name != TIME and not isinstance(column.grid, Categories):
            low, high = extent(column)
            beyond = column.grid.resolution / 2 + margin * (high - low)
            flags.append((values < low - beyond) | (values > high + beyond))
    return np.stack(flags, axis=1) if flags else np.zeros((len(sequence), 0), dtype=bool)


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
