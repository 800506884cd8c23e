"""Descriptors of how events sound: key, density, silence, notes at once; of controllers density, range, jumps.

Each is one number, to be read beside that of the real events (Yang & Lerch 2020, On the evaluation of generative models
in music, https://doi.org/10.1007/s00521-018-3849-7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.augment.apply import EventLayout
from hachimachi.columns import Categories, Column, UniformGrid, histogram_nats
from hachimachi.events import TIME, EventSequence

WINDOW, HOP = 100, 50  # notes in a window whose pitch classes are counted, and from one window to the next
NAMES = 0.5, 0.9
"""Nats by which steps cost more than values where numbers are names: of as few as a drum kit has, and of any.

Measured: piano lies from -0.6 to 0.85, the highest with 24 keys or more; drummers from 0.6 to 1.4."""
KIT = 22  # drums in a large kit
EXTENT = 1.0, 99.0  # percentiles between which the range of a feature lies: a stray value is none
INSTANT = 0.005  # seconds within which notes are struck at once, where time has no coarser grid
AIMS = {
    "key": (-0.1, np.inf),
    "density": (-0.2, 0.2),
    "silence": (-0.1, 0.1),
    "polyphony": (-0.25, 0.25),
    "range": (-0.25, 0.25),
    "jumps": (-np.inf, 0.01),
}
"""How far below and above real events a descriptor may lie: a difference, of :data:`RATIOS` a share of the real one."""
RATIOS = ("density", "polyphony")  # descriptors that are compared by how many times as high they are

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Descriptor:
    """A descriptor of generations beside the same of real events, either NaN where it is not known."""

    name: str
    generated: float
    real: float

    @property
    def gap(self) -> float:
        """How far generations lie above the real events: a difference, or a share of :data:`RATIOS`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = np.float64(self.generated) / self.real - 1 if self.name in RATIOS else self.generated - self.real
        return float(gap)

    @property
    def beyond(self) -> int:
        """-1 where generations lie too low, 1 where too high, 0 where all is well or nothing is known or aimed at."""
        low, high = AIMS.get(self.name.partition(" ")[0], (-np.inf, np.inf))
        return int(self.gap > high) - int(self.gap < low)


class Reference:
    """Real events that others are described beside.

    Of notes ``key``: the histogram of pitch classes of each window of 100 notes, drums left out, correlated (Pearson)
    with that of the one real sequence, or of several, which may be in any key, with the rest of its own; mean over
    windows. ``silence``: share of the time from the first event to the last in which no note sounds; ``polyphony``:
    mean number of notes while any does. ``velocity``: mean. Shares of the events: ``repetition``, with the pitch of
    the previous one; ``unisons``, that strike a key of an instrument once more at the same instant. Of other events
    ``range NAME``: the width from the 1st percentile to the 99th, as a multiple of that of the real events; ``jumps``:
    share of the steps that are larger than any real one. Of all ``density``, events a second. Each second, or event,
    counts as much, whichever sequence it is of.
    """

    def __init__(self, real: Sequence[EventSequence], columns: Sequence[Column]) -> None:
        self.columns = {column.name: column for column in columns}
        self.notes, self.layout = "pitch" in self.columns, EventLayout(tuple(columns))
        time = self.columns[TIME].grid if TIME in self.columns else None
        self.instant = max(INSTANT, time.resolution / 2 if isinstance(time, UniformGrid) else 0.0)
        if self.notes:
            pitches = [self._pitches(each) for each in real]
            named = not {"instrument", "channel"} & set(self.columns) and _are_names(pitches)
            self.profile = None if len(pitches) != 1 else _count_classes(pitches[0])[-1]
            self.pitched = not named
        else:
            self.numbers = [c.name for c in columns if c.name != TIME and not isinstance(c.grid, Categories)]
            self.widths = {name: _width([each.column(name) for each in real]) for name in self.numbers}
            grids = {column.name: column.grid for column in columns if isinstance(column.grid, UniformGrid)}
            self.steps = {name: _steps(name, real).max(initial=0) + grids[name].resolution for name in self.numbers}
        self.own = self.measure(real)

    def compare(self, sequences: Sequence[EventSequence]) -> list[Descriptor]:
        """Return the descriptors of sequences beside those of the real ones."""
        return [Descriptor(name, value, self.own[name]) for name, value in self.measure(sequences).items()]

    def measure(self, sequences: Sequence[EventSequence]) -> dict[str, float]:
        """Return the descriptors of sequences by name, NaN where one is not known: no time, no duration, too few."""
        seconds = sum(each.seconds for each in sequences)
        density = _divide(sum(len(each) - 1 for each in sequences if each.seconds), seconds)
        if self.notes:
            return self._notes(sequences, density)
        widths = {name: _width([each.column(name) for each in sequences]) for name in self.numbers}
        ranges = {f"range {name}": _divide(width, self.widths[name]) for name, width in widths.items()}
        jumps = np.any([_steps(name, sequences) > self.steps[name] for name in self.numbers] or [[]], axis=0)
        return {"density": density, **ranges, "jumps": _mean(jumps)}

    def _notes(self, sequences: Sequence[EventSequence], density: float) -> dict[str, float]:
        sounding = np.array([_sound(each) for each in sequences if "duration" in self.columns and each.temporal])
        span, silent, held = sounding.sum(0) if len(sounding) else (0.0, 0.0, 0.0)
        repeated = np.concatenate([np.diff(np.rint(each.column("pitch"))) == 0 for each in sequences])
        unisons = np.concatenate([self._unisons(each) for each in sequences])
        velocity = [each.column("velocity") for each in sequences if "velocity" in self.columns]
        return {
            "key": self._key(sequences),
            "density": density,
            "silence": _divide(silent, span),
            "polyphony": _divide(held, span - silent),
            "velocity": _mean(np.concatenate([np.zeros(0), *velocity])),
            "repetition": _mean(repeated),
            "unisons": _mean(unisons),
        }

    def _pitches(self, sequence: EventSequence) -> NDArray[np.int64]:
        kept = ~self.layout.drums(sequence.rows()[None])[0]
        return np.rint(sequence.column("pitch")[kept]).astype(np.int64)

    def _key(self, sequences: Sequence[EventSequence]) -> float:
        if not self.pitched:
            return float("nan")
        correlations = [np.zeros(0)]
        for sequence in sequences:
            counts = _count_classes(self._pitches(sequence))  # (N + 1, 12), rising
            starts = np.arange(0, len(counts) - WINDOW, HOP)
            windows = counts[starts + WINDOW] - counts[starts]
            others = counts[-1] - windows if self.profile is None else np.broadcast_to(self.profile, windows.shape)
            windows, others = (rows - rows.mean(1, keepdims=True) for rows in (windows, others))
            scale = np.sqrt((windows**2).sum(1) * (others**2).sum(1))
            correlations.append((windows * others).sum(1) / np.where(scale > 0, scale, np.nan))  # NaN where constant
        return float(np.nanmean(found)) if not np.isnan(found := np.concatenate(correlations)).all() else float("nan")

    def _unisons(self, sequence: EventSequence) -> Flags:
        """Return which events strike a key that another has struck at the same instant."""
        keys = [name for name in ("pitch", "instrument", "channel") if name in self.columns]
        if sequence.time is None or not len(sequence):
            return np.zeros(0, dtype=bool)
        instants = np.cumsum(np.diff(sequence.time, prepend=sequence.time[0]) >= self.instant)
        struck = np.column_stack([instants, *(np.rint(sequence.column(name)) for name in keys)])
        again = np.ones(len(struck), dtype=bool)
        again[np.unique(struck, axis=0, return_index=True)[1]] = False
        return again


def _count_classes(pitches: NDArray[np.int64]) -> Numbers:
    """Return how often each pitch class occurred before each note and after the last, shape (N + 1, 12)."""
    counts = np.zeros((len(pitches) + 1, 12))
    counts[np.arange(1, len(counts)), pitches % 12] = 1
    return counts.cumsum(0)


def _are_names(pitches: Sequence[NDArray[np.int64]]) -> bool:
    """Return whether pitches are names, as of the drums of a kit: then the step from the previous says little. A
    histogram of one half of the values, and one of the steps, is asked for the other half."""
    halves = [each[: len(each) // 2] for each in pitches], [each[len(each) // 2 :] for each in pitches]

    def nats(step: int) -> float:
        some, others = (np.concatenate([np.diff(each, step) for each in half]) for half in halves)
        if not (len(some) and len(others)):
            return 0.0
        costs = []
        for learned, held_out in ((some, others), (others, some)):
            values, counts = np.unique(learned, return_counts=True)
            costs.append(histogram_nats(values, counts, held_out, int(np.ptp(learned)) + 2).mean())
        return float(np.mean(costs))

    return nats(1) - nats(0) > NAMES[len(np.unique(np.concatenate(pitches))) > KIT]


def _sound(notes: EventSequence) -> tuple[float, float, float]:
    """Return the seconds from the first event to the last, those in which none sounds, and those of all notes."""
    assert notes.time is not None
    if len(notes) < 2:
        return 0.0, 0.0, 0.0
    last = notes.time[-1]
    ends = np.minimum(notes.time + np.maximum(notes.column("duration"), 0), last)
    silent = np.maximum(notes.time[1:] - np.maximum.accumulate(ends[:-1]), 0).sum()
    return notes.seconds, float(silent), float((ends - notes.time).sum())


def _width(values: Sequence[Numbers]) -> float:
    whole = np.concatenate([np.zeros(0), *values])
    return float(np.ptp(np.percentile(whole, EXTENT))) if len(whole) else float("nan")


def _steps(name: str, sequences: Sequence[EventSequence]) -> Numbers:
    return np.concatenate([np.zeros(0), *(np.abs(np.diff(each.column(name))) for each in sequences)])


def _divide(number: float, by: float) -> float:
    return float(number / by) if by > 0 else float("nan")


def _mean(values: Numbers | Flags) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
