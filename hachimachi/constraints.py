"""What a column may play: intervals of values, and the bins that they leave."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import Categories, Column, UniformGrid
from hachimachi.errors import HachimachiError

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "ionian": (0, 2, 4, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "natural minor": (0, 2, 3, 5, 7, 8, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole tone": (0, 2, 4, 6, 8, 10),
    "octatonic": (0, 2, 3, 5, 6, 8, 9, 11),
    "diminished": (0, 2, 3, 5, 6, 8, 9, 11),
    "chromatic": tuple(range(12)),
}
"""Semitones above the tonic. Melodic minor is the rising one; diminished, or octatonic, begins with a whole step."""
TONICS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
NOTES = range(128)  # the notes of MIDI


def notes_of_scale(name: str) -> tuple[int, ...]:
    """Return the MIDI notes of a scale in all octaves: ``C minor``, ``F# dorian``, ``Bb blues``.

    A tonic alone is major; ``chromatic`` needs none. HachimachiError for a tonic or a scale that is not known.

    >>> notes_of_scale("Eb minor pentatonic")[:5]
    (1, 3, 6, 8, 10)
    """
    words = " ".join(re.split(r"[\s_-]+", name.strip().lower()))
    found = re.fullmatch(r"([a-g])([#♯b♭]?)(?: (.+))?", words)
    if words == "chromatic":
        tonic, steps = 0, SCALES["chromatic"]
    elif found and (found[3] or "major") in SCALES:
        tonic, steps = TONICS[found[1]] + ACCIDENTALS[found[2]], SCALES[found[3] or "major"]
    else:
        expected = f"expected a note and a scale, such as 'C# dorian'; scales are {', '.join(SCALES)}"
        raise HachimachiError(f"scale {name!r}: {expected}")
    return tuple(note for note in NOTES if (note - tonic) % 12 in steps)


Interval = tuple[float, float]
NEARLY = 1e-9  # share of a bin by which a bound may miss a value: 0.3 is not 3 · 0.1 in double precision
SHOWN = 8  # as many values of a clause are shown


@dataclass(frozen=True)
class Clause:
    """One of the things that a column is limited to."""

    kind: str  # ``range``, ``scale``, ``values`` or an option's name
    intervals: tuple[Interval, ...]  # what it allows
    name: str = ""  # what a scale is called

    @property
    def words(self) -> tuple[str | float, ...]:
        """How it was put: a scale's name, the ends of ranges with ``-`` for none, or values."""
        if self.name:
            return (self.name,)
        if self.kind == "range":
            return tuple("-" if math.isinf(end) else end for ends in self.intervals for end in ends)
        return tuple(low for low, _ in self.intervals)

    def __str__(self) -> str:
        words = [word if isinstance(word, str) else f"{word:g}" for word in self.words]
        more = (f"and {len(words) - SHOWN} more",) if len(words) > SHOWN and self.kind != "range" else ()
        return " ".join((self.kind, *(words[:SHOWN] if more else words), *more))


@dataclass(frozen=True)
class Constraint:
    """Values that a column may take: closed intervals, kept ascending and apart. Constraints are equal that allow the
    same. HachimachiError for a lowest value above the highest."""

    intervals: tuple[Interval, ...]  # lowest and highest values, infinite where there is no bound
    clauses: tuple[Clause, ...] = field(default=(), compare=False, repr=False)  # what leaves them

    def __post_init__(self) -> None:
        merged: list[Interval] = []
        for low, high in sorted(self.intervals):
            if not low <= high:
                raise HachimachiError(f"range {low:g} to {high:g}: expected two numbers, the lower one first")
            if merged and low <= merged[-1][1]:
                low, high = merged[-1][0], max(high, merged.pop()[1])  # noqa: PLW2901  (they are one interval)
            merged.append((low, high))
        object.__setattr__(self, "intervals", tuple(merged))

    @staticmethod
    def between(low: float, high: float) -> Constraint:
        """Allow the values from one to another, both included."""
        return Constraint(((low, high),)).called("range")

    @staticmethod
    def among(values: Iterable[float]) -> Constraint:
        """Allow single values."""
        return Constraint(tuple((value, value) for value in values)).called("values")

    @staticmethod
    def scale(name: str) -> Constraint:
        """Allow the notes of a scale; see :func:`~hachimachi.constraints.notes_of_scale`."""
        return Constraint.among(notes_of_scale(name)).called("scale", " ".join(name.split()))

    def called(self, kind: str, name: str = "") -> Constraint:
        """Return the same as one :class:`Clause`."""
        return Constraint(self.intervals, (Clause(kind, self.intervals, name),))

    def __and__(self, other: Constraint) -> Constraint:
        """Return what both allow."""
        both: list[Interval] = []
        mine, theirs = list(reversed(self.intervals)), list(reversed(other.intervals))
        while mine and theirs:
            low, high = max(mine[-1][0], theirs[-1][0]), min(mine[-1][1], theirs[-1][1])
            if low <= high:
                both.append((low, high))
            (mine if mine[-1][1] < theirs[-1][1] else theirs).pop()
        return Constraint(tuple(both), self.clauses + other.clauses)

    def allows(self, value: float) -> bool:
        """Return whether a value may be played."""
        i = bisect_right(self._lows, value) - 1
        return i >= 0 and value <= self.intervals[i][1]

    @cached_property
    def _lows(self) -> tuple[float, ...]:
        return tuple(low for low, _ in self.intervals)

    def nearest(self, value: float) -> float:
        """Return the allowed value nearest to a value."""
        return min((min(max(value, *ends[:1]), ends[1]) for ends in self.intervals), key=lambda near: abs(near - value))

    def draw(self, low: float, high: float, random: Random) -> float:
        """Draw evenly from what is allowed between two values."""
        parts = (self & Constraint.between(low, high)).intervals
        lengths = [b - a for a, b in parts]
        offset = random.random() * sum(lengths)
        for (a, b), length in zip(parts, lengths, strict=True):
            if offset < length:
                return min(a + offset, b)
            offset -= length
        return parts[int(random.random() * len(parts))][0]  # single values


@dataclass(frozen=True)
class Bins:
    """Bins of a column, by index."""

    start: int  # the first
    stop: int  # one past the last
    allowed: NDArray[np.bool_] | None = None  # which of them count, shape (stop − start,); ``None`` for all

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return self.start >= self.stop

    def __contains__(self, index: int) -> bool:
        """Return whether a bin counts."""
        return self.start <= index < self.stop and (self.allowed is None or bool(self.allowed[index - self.start]))

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Which of them count, shape (stop − start,)."""
        return np.ones(self.stop - self.start, dtype=bool) if self.allowed is None else self.allowed

    @property
    def only(self) -> int | None:
        """The index of the bin, where there is just one."""
        return self.start if self.stop - self.start == 1 else None


def number_bins(grid: UniformGrid, whole: bool, constraint: Constraint) -> Bins:
    """Return the bins of numbers in which something may be played, where ``whole`` only by their middles. A bin that a
    bound cuts counts whole in probability; its values are played within the bound."""
    spans: list[tuple[int, int]] = []
    for lowest, highest in constraint.intervals:
        low, high = max(lowest / grid.resolution, grid.low), min(highest / grid.resolution, grid.high)
        if low > high + NEARLY:
            continue
        if whole:
            first, last = math.ceil(low - NEARLY), math.floor(high + NEARLY)
        else:
            first, last = math.floor(low + 0.5), math.floor(high + 0.5)
            # the zero bin of a time plays its middle only
            first += grid.log and first == grid.low and low > grid.low + NEARLY
        if first <= last:
            spans.append((first - grid.low, last - grid.low))
    if len(spans) < 2:
        return Bins(spans[0][0], spans[0][1] + 1) if spans else Bins(0, 0)
    start, stop = spans[0][0], max(last for _, last in spans) + 1
    allowed = np.zeros(stop - start, dtype=bool)
    for first, last in spans:
        allowed[first - start : last - start + 1] = True
    return Bins(start, stop, allowed)


def category_bins(grid: Categories, constraint: Constraint) -> Bins:
    """Return the known categories that may be played."""
    allowed = np.array([constraint.allows(value) for value in grid.values])
    found = np.flatnonzero(allowed).tolist() or [0, -1]
    start, stop = found[0], found[-1] + 1
    return Bins(start, stop, allowed[start:stop])


NO_NOTES = ("time", "duration", "velocity", "instrument", "channel")
"""Columns that a scale says nothing of, whatever their numbers are."""


def allowed_bins(column: Column, constraint: Constraint) -> Bins:
    """Return the bins of a column in which something may be played; HachimachiError if none, or a scale of no notes."""
    grid = column.grid
    scale = next((clause for clause in constraint.clauses if clause.kind == "scale"), None)
    whole = column.whole and isinstance(grid, UniformGrid) and grid.resolution == 1
    if scale and column.name != "pitch" and (not whole or column.name in NO_NOTES):
        raise HachimachiError(f"{column.name}: {scale} is of notes; expected pitch, or whole numbers that may be notes")
    bins = (
        category_bins(grid, constraint) if isinstance(grid, Categories) else number_bins(grid, column.whole, constraint)
    )
    if not bins.empty:
        return bins
    if isinstance(grid, Categories):
        few = ", ".join(f"{value:g}" for value in grid.values[: 2 * SHOWN])
        playable = f"one of {few}" + ", …" * (len(grid.values) > 2 * SHOWN)
    else:
        ends = f"{grid.low * grid.resolution:g} to {grid.high * grid.resolution:g}"
        playable = f"{ends} in steps of {grid.resolution:g}" if column.whole else f"within {ends}"
    by = " by " * bool(constraint.clauses) + " and ".join(map(str, constraint.clauses))
    raise HachimachiError(f"{column.name}: nothing that it can play is allowed{by}; expected {playable}")
