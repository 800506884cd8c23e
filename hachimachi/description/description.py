"""What is known of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import SECONDS
from hachimachi.errors import count
from hachimachi.events import EventSequence, Kind
from hachimachi.io.text import numerals

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
AT_ONCE = 0.005
"""Seconds: what begins closer together is heard as one."""


@dataclass(frozen=True)
class ColumnDescription:
    """One column of events.

    Args:
        name: Name of the feature; ``time`` for the time between events.
        kind: ``continuous``, ``integer`` or ``categorical``, as training will take it.
        masked: Whether it is foretold only, never an input.
        resolution: The grid of its likelihood, as training will take it; ``None`` for categories.
        declared: Which of kind, min, max and resolution the data declare; the others are derived.
        events: How many values there are.
        low: The lowest value.
        high: The highest value.
        distinct: How many different values; ``None`` where there are too many to have been counted.
        quantiles: Value by share of the values that are not above it.
        counts: How often each value is there, by value; empty where there are many.
        values: The values, ascending; a fair sample where there are many.
    """

    name: str
    kind: Kind
    masked: bool
    resolution: float | None
    declared: tuple[str, ...]
    events: int
    low: float
    high: float
    distinct: int | None
    quantiles: dict[float, float]
    counts: dict[float, int] = field(repr=False)
    values: NDArray[np.float64] = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and texts."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "values"}
        keyed = {
            key: dict(zip(numerals(list(plain[key])), plain[key].values(), strict=True))
            for key in ("quantiles", "counts")
        }
        return plain | keyed


@dataclass(frozen=True)
class Finding:
    """Something that looks wrong.

    Args:
        kind: What, in a word that never changes: ``constant``, ``outlier``, ``rare category`` and so on.
        column: The column it is about; empty for all.
        found: What was found, and where.
        advice: What to do.
    """

    kind: str
    column: str
    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.column}: {self.found}; {self.advice}" if self.column else f"{self.found}; {self.advice}"


@dataclass(frozen=True)
class Description:
    """What is in a data set.

    Args:
        name: What was described, if it has a name.
        sequences: How many sequences.
        events: How many events.
        seconds: From the first event to the last, all sequences together; ``None`` without time.
        lengths: Events in the shortest, the median and the longest sequence.
        shortest: Name of the shortest sequence.
        longest: Name of the longest sequence.
        columns: Time between events, where there is time, and the features.
        at_zero: Share of events that come with the one before, after 0 s exactly; ``None`` without time.
        at_once: Share of events less than 5 ms after the one before.
        instruments: Events by General MIDI instrument, most frequent first; empty where there is no such column.
        findings: What looks wrong.
        sampled: Of how many events quantiles, shares and pictures are; all of them where there is room.
        example: The beginning of a sequence, to be looked at.
    """

    name: str
    sequences: int
    events: int
    seconds: float | None
    lengths: tuple[int, int, int]
    shortest: str
    longest: str
    columns: tuple[ColumnDescription, ...]
    at_zero: float | None
    at_once: float | None
    instruments: dict[str, int]
    findings: tuple[Finding, ...]
    sampled: int
    example: EventSequence = field(repr=False)

    def __getitem__(self, name: str) -> ColumnDescription:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)

    def size(self) -> str:
        """Say how much there is.

        Time is in hours from two hours on, in minutes from two minutes on.
        """
        sequences = f", {self.sequences:,} sequences" if self.sequences > 1 else ""
        return f"{count(self.events, 'event')}{_duration(self.seconds)}{sequences}"

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and texts, for machines."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "example"}
        findings = [{**vars(finding)} for finding in self.findings]
        return plain | {"columns": [column.to_json() for column in self.columns], "findings": findings}


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ", without time"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f" in {seconds / length:,.1f} {unit}"
    return f" in {seconds:,.1f} s"


SHORTEST = 1e-3
"""Seconds below this share the first bin of a log scale: 0 among them."""
_STEPS = 4096
"""Of more steps than these, no bin is noticed to hold one more than its neighbour."""
_HEIGHTS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Histogram:
    """Counts by bin.

    Args:
        edges: Where bins begin and the last one ends, shape (bins + 1,); of categories, their values, shape (bins,).
        counts: How many values fell in each, shape (bins,).
        scale: ``linear``; ``log``, whose first bin reaches from 0 to a thousandth of a second; ``categories``, by how
            often they come.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    scale: str

    @staticmethod
    def of(column: ColumnDescription, bins: int) -> Histogram:
        """Return at most so many bins of a column."""
        low, high, values = column.low, column.high, column.values
        if column.kind == "categorical":
            found, counts = np.unique(values, return_counts=True)
            order = np.argsort(-counts, kind="stable")[:bins]
            return Histogram(found[order], counts[order], "categories")
        if column.name in SECONDS and low >= 0 and high > SHORTEST:
            with np.errstate(over="ignore"):  # the last edge is `high` itself, whatever rounding makes of its logarithm
                edges = np.append(0.0, np.geomspace(SHORTEST, high, bins))
            return Histogram(edges, _count(np.searchsorted(edges, values, side="right") - 1, bins), "log")
        step = column.resolution or 1.0
        if (high / 2 - low / 2) / step < _STEPS:  # bins of whole steps: others would hold a few more, or a few less
            width = step * max(np.ceil(((high - low) / step + 1) / bins), 1)
            edges = low - step / 2 + width * np.arange(np.ceil((high - low + step) / width - 1e-9) + 1)
            return Histogram(edges, _count(((values - edges[0]) / width).astype(np.int64), len(edges) - 1), "linear")
        if low == high:
            return Histogram(np.array([low - 0.5, high + 0.5]), np.array([len(values)]), "linear")
        share = (values / 2 - low / 2) / (high / 2 - low / 2)  # halves: the ends may be 1e308 apart
        steps = np.linspace(0, 1, bins + 1)
        return Histogram(low * (1 - steps) + high * steps, _count((share * bins).astype(np.int64), bins), "linear")


def sparkline(histogram: Histogram) -> str:
    """Return a histogram as a line of blocks, the fullest bin as high as can be, an empty one blank.

    >>> sparkline(Histogram(np.arange(5.0), np.array([1, 0, 40, 80]), "linear"))
    '▁ ▄█'
    """
    most = max(int(histogram.counts.max()), 1)
    return "".join(_HEIGHTS[max(-(-8 * int(n) // most) - 1, 0)] if n else " " for n in histogram.counts)


def _count(places: NDArray[np.int64], bins: int) -> NDArray[np.int64]:
    return np.bincount(np.clip(places, 0, bins - 1), minlength=bins)
