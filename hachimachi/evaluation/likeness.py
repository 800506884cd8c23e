"""How like real music generations are: distances between distributions, one aspect at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import Categories, Column
from hachimachi.events import TIME, EventSequence

TIMES = 2.0  # how many times as far as two halves of real music are from each other a generation may be from it
SEVERAL = 5  # from this many sequences on, halves are of whole sequences; else each is cut in the middle
LONGEST = 1e7  # seconds from which on a sequence is no music, and has no density
SECOND = 1.0  # density is the number of events in each stretch of so many seconds
FINEST = 0.1  # steps of the grid: real halves nearer to each other than that count as so far apart

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """How far generations are from real music in one aspect, Wasserstein-1, and two real halves from each other."""

    aspect: str
    distance: float
    real: float
    step: float  # the least distance between halves that counts, in the unit of the values

    @property
    def ratio(self) -> float:
        """Distance as a multiple of that between the halves."""
        return self.distance / max(self.real, self.step)


Distance = Callable[[Values, Values], float]
Aspects = dict[str, tuple[Callable[[EventSequence], Values], Distance, float]]
"""Values of a sequence, their distance, and the step that counts, by the name of an aspect."""


def measure_likeness(
    generated: Sequence[EventSequence], real: Sequence[EventSequence], columns: Sequence[Column]
) -> tuple[Likeness, ...]:
    """Compare generations to real music, one aspect at a time.

    Notes are compared by inter-event time, pitch class (on a circle of twelve), interval, velocity, duration and
    density; other data by inter-event time, density, and the values and steps of each feature, categories by the share
    that would have to change. What has one value only, or none, is left out.
    """
    halves = real[::2], real[1::2]
    if len(real) < SEVERAL:
        halves = [each[: len(each) // 2] for each in real], [each[len(each) // 2 :] for each in real]
    found = []
    for name, (values, distance, step) in _aspects(columns).items():
        pools = (np.concatenate([np.zeros(0), *map(values, part)]) for part in (generated, real, *halves))
        made, whole, some, others = pools
        if all(map(len, (made, some, others))) and len(np.unique(np.concatenate([made, whole]))) > 1:
            found.append(Likeness(name, distance(made, whole), distance(some, others), FINEST * step))
    return tuple(found)


def wasserstein(some: Values, others: Values) -> float:
    """Return the Wasserstein-1 distance of two samples on a line: the area between their distribution functions."""
    points = np.sort(np.concatenate([some, others]))
    shares = [np.searchsorted(np.sort(part), points[:-1], side="right") / len(part) for part in (some, others)]
    return float(np.abs(shares[0] - shares[1]) @ np.diff(points))


def circular_wasserstein(some: Values, others: Values) -> float:
    """Return the same for whole numbers on a circle of twelve, where the last is next to the first: the area on a line
    for the best point to begin at, a median (Rabin, Delon & Gousseau 2011, https://doi.org/10.1007/s10851-011-0284-0).
    """
    counts = [np.bincount(np.mod(part, 12).astype(np.int64), minlength=12) for part in (some, others)]
    gap = np.cumsum(counts[0] / len(some) - counts[1] / len(others))
    return float(np.abs(gap - np.median(gap)).sum())


def total_variation(some: Values, others: Values) -> float:
    """Return the share of categories that would have to change: Wasserstein-1 where all are equally far apart."""
    values = np.unique(np.concatenate([some, others]))
    shares = [(part[:, None] == values).mean(0) for part in (some, others)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _aspects(columns: Sequence[Column]) -> Aspects:
    names = {column.name for column in columns}
    notes, aspects = "pitch" in names, {}
    if TIME in names:
        aspects |= {TIME: (lambda s: s.rows()[1:, 0], wasserstein, 0.01), "density": (_density, wasserstein, 1.0)}
    if notes:
        aspects["pitch class"] = lambda s: np.rint(s.column("pitch")) % 12, circular_wasserstein, 1.0
        aspects["interval"] = lambda s: np.diff(s.column("pitch")), wasserstein, 1.0
    for column in columns:
        name, grid = column.name, column.grid
        if name not in ({"velocity", "duration"} if notes else names - {TIME}):
            continue
        if isinstance(grid, Categories):
            aspects[name] = partial(EventSequence.column, name=name), total_variation, 0.01
            continue
        aspects[name] = partial(EventSequence.column, name=name), wasserstein, grid.resolution
        if not notes:
            aspects[f"{name} step"] = lambda s, name=name: np.diff(s.column(name)), wasserstein, grid.resolution
    return aspects


def _density(sequence: EventSequence) -> Values:
    if sequence.time is None or not SECOND <= sequence.seconds < LONGEST:
        return np.zeros(0)
    whole = int(sequence.seconds / SECOND)
    stretch = ((sequence.time - sequence.time[0]) / SECOND).astype(np.int64)
    return np.bincount(stretch, minlength=whole)[:whole].astype(np.float64)
