"""Describe a data set in one pass: sizes, quantiles, histograms and findings."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import SECONDS, fit_columns
from hachimachi.description.findings import AT_ONCE, EventSample, Finding, Numbers, find
from hachimachi.errors import HachimachiError, count
from hachimachi.events import TIME, EventSequence, Feature, Kind
from hachimachi.io import Report
from hachimachi.io.collection import Collection, Summary
from hachimachi.io.files import open_collection
from hachimachi.io.midi import instrument_name
from hachimachi.io.text import numerals

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SHORTEST = 1e-3  # upper edge of the first bin of a log scale in seconds; the bin begins at 0
_EXAMPLE, _TYPICAL = 2000, 100  # most events of the example, and those that are enough for one
_MANY = 256  # most distinct values of a column whose counts are kept
_STEPS = 4096  # most steps for which bins are of whole steps
_HEIGHTS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class ColumnDescription:
    """One column of events."""

    name: str  # name of the feature; ``time`` for the inter-event time
    kind: Kind  # ``continuous``, ``integer`` or ``categorical``, as in training
    masked: bool  # whether it is predicted only, never an input
    resolution: float | None  # the grid of its likelihood, as in training; ``None`` for categories
    declared: tuple[str, ...]  # which of kind, min, max and resolution the data declare; the others are derived
    events: int  # number of values
    low: float
    high: float
    distinct: int | None  # number of distinct values; ``None`` if too many to count
    quantiles: dict[float, float]  # share of the values → value
    counts: dict[float, int] = field(repr=False)  # value → how often it occurs; empty if there are many
    # the values, ascending; a uniform sample if there are many
    values: NDArray[np.float64] = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and texts."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "values"}
        for key in ("quantiles", "counts"):
            plain[key] = dict(zip(numerals(list(plain[key])), plain[key].values(), strict=True))
        return plain


@dataclass(frozen=True)
class Description:
    """The description of a data set."""

    name: str  # name of the data, or empty
    sequences: int
    events: int
    # total duration of the sequences, each from its first event to its last; ``None`` without time
    seconds: float | None
    lengths: tuple[int, int, int]  # events in the shortest, the median and the longest sequence
    shortest: str  # name of the shortest sequence
    longest: str  # name of the longest sequence
    columns: tuple[ColumnDescription, ...]  # inter-event time, if there is time, and the features
    at_zero: float | None  # share of events exactly 0 s after the previous one; ``None`` without time
    at_once: float | None  # share of events less than 5 ms after the previous one
    instruments: dict[str, int]  # events by General MIDI instrument, most frequent first; empty without such a column
    findings: tuple[Finding, ...]  # what looks wrong
    sampled: int  # number of events behind quantiles, shares and pictures; all if not too many
    example: EventSequence = field(repr=False)  # the beginning of a sequence

    def __getitem__(self, name: str) -> ColumnDescription:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)

    def size(self) -> str:
        """Return the number of events and sequences, and the duration in s, min or h, as text."""
        sequences = f", {self.sequences:,} sequences" if self.sequences > 1 else ""
        if self.seconds is None:
            duration = ", without time"
        else:
            unit, length = "s", 1
            if self.seconds >= 120:
                unit, length = ("min", 60) if self.seconds < 7200 else ("h", 3600)
            duration = f" in {self.seconds / length:,.1f} {unit}"
        return f"{count(self.events, 'event')}{duration}{sequences}"

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and texts."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "example"}
        findings = list(map(vars, self.findings))
        return plain | {"columns": [column.to_json() for column in self.columns], "findings": findings}


@dataclass(frozen=True)
class ValueHistogram:
    """Counts by bin."""

    edges: NDArray[np.float64]  # edges of bins, shape (bins + 1,); of categories, their values, shape (bins,)
    counts: NDArray[np.int64]  # number of values in each, shape (bins,)
    scale: str  # ``linear``; ``log``, with a first bin from 0 to `SHORTEST`; ``categories``, most frequent first

    @staticmethod
    def of(column: ColumnDescription, bins: int) -> ValueHistogram:
        """Return the histogram of a column with at most ``bins`` bins."""
        low, high, values = column.low, column.high, column.values
        if column.kind == "categorical":
            found, counts = np.unique(values, return_counts=True)
            order = np.argsort(-counts, kind="stable")[:bins]
            return ValueHistogram(found[order], counts[order], "categories")
        scale, step = "linear", column.resolution or 1.0
        if column.name in SECONDS and low >= 0 and high > SHORTEST:
            scale = "log"
            with np.errstate(over="ignore"):  # the last edge is `high` itself, whatever rounding makes of its logarithm
                edges = np.append(0.0, np.geomspace(SHORTEST, high, bins))
        elif (high / 2 - low / 2) / step < _STEPS:  # bins of whole steps hold equally many values
            width = step * max(np.ceil(((high - low) / step + 1) / bins), 1)
            edges = low - step / 2 + width * np.arange(np.ceil((high - low + step) / width - 1e-9) + 1)
        else:
            steps = np.linspace(0, 1, bins + 1)
            edges = low * (1 - steps) + high * steps  # no overflow
        indices = np.searchsorted(edges, values, side="right") - 1
        counts = np.bincount(np.clip(indices, 0, len(edges) - 2), minlength=len(edges) - 1)
        return ValueHistogram(edges, counts, scale)


def sparkline(histogram: ValueHistogram) -> str:
    """Return a histogram as a line of block characters, empty bins blank.

    >>> sparkline(ValueHistogram(np.arange(5.0), np.array([1, 0, 40, 80]), "linear"))
    '▁ ▄█'
    """
    most = max(int(histogram.counts.max()), 1)
    return "".join(_HEIGHTS[max(-(-8 * int(n) // most) - 1, 0)] if n else " " for n in histogram.counts)


def describe(
    data: str | os.PathLike[str] | EventSequence | Iterable[EventSequence],
    report: Report | None = None,
    *,
    name: str = "",
) -> Description:
    """Describe data, and find what looks wrong.

    Of much data on disk (:data:`~hachimachi.io.collection.SAMPLED`) sizes, kinds and ranges are exact, all else is that
    of a sample.

    Args:
        data: A file or a folder, one sequence, or any number of them.
        report: Takes what was mended or left out while reading.
        name: Name of the data; by default that of their file or sequence.
    """
    if isinstance(data, EventSequence):
        name, data = name or data.name, [data]
    if isinstance(data, str | os.PathLike):
        name, data = name or os.fspath(data), open_collection(data, report)
    sequences = data if isinstance(data, Collection) else list(data)
    if not sequences or not (collection := Collection.of(sequences)).events:
        raise HachimachiError("there are no events to describe: expected at least one sequence with at least one")
    features = [Feature(TIME, min=0.0)] * collection.temporal + list(collection.features)
    sample, names = EventSample(collection.sampled()), [feature.name for feature in features]
    lengths, titles = collection.lengths, collection.names
    there, steps = np.flatnonzero(lengths), int(np.maximum(lengths - 1, 0).sum())
    columns, refused = [], []
    for i, (feature, summary) in enumerate(zip(features, collection.summarise(), strict=True)):
        number = steps if feature.name == TIME else collection.events
        fitted, finding = _fit(feature, summary, sample.values(i))
        columns.append(_describe_column(fitted, feature, summary, sample.values(i), number))
        refused += [finding] if finding else []
    instruments: dict[str, int] = {}
    if {"instrument", "pitch"} <= set(names):
        counts = sorted(columns[names.index("instrument")].counts.items(), key=lambda pair: -pair[1])
        instruments = {instrument_name(value): number for value, number in counts}
    seconds = steps * float(np.mean(columns[0].values)) if collection.temporal and steps else 0.0
    shortest, longest = there[np.argmin(lengths[there])], np.argmax(lengths)
    example = int(np.argmax(np.minimum(lengths, _TYPICAL)))
    described = Description(
        name=name,
        sequences=len(there),
        events=collection.events,
        seconds=seconds if collection.temporal else None,
        lengths=(int(lengths[shortest]), int(np.median(lengths[there])), int(lengths[longest])),
        shortest=titles[shortest],
        longest=titles[longest],
        columns=tuple(columns),
        at_zero=_share(columns[0], 0.0) if collection.temporal else None,
        at_once=_share(columns[0], AT_ONCE) if collection.temporal else None,
        instruments=instruments,
        findings=(),
        sampled=len(sample.rows),
        example=collection.take([example]).cut(0, _EXAMPLE)[0],
    )
    return replace(described, findings=(*refused, *find(described, sample)))


def _fit(feature: Feature, summary: Summary, values: Numbers) -> tuple[Feature, Finding | None]:
    """Return the feature as training will fit it, or why training will refuse it."""
    try:
        if feature.name == TIME:
            pair = EventSequence((Feature("x"),), np.zeros((2, 1)), np.array([0.0, max(summary.high, 0.0)]))
            return fit_columns([pair])[0].feature, None
        # a number that is not whole may have been left out of a sample
        odd = [] if summary.whole or (values % 1).any() else [summary.low + 0.3 * (summary.high - summary.low)]
        distinct = np.unique(np.append(values, [summary.low, summary.high, *odd]))
        return fit_columns([EventSequence((feature,), distinct[:, None])])[0].feature, None
    except HachimachiError as error:
        kind = feature.kind or ("integer" if summary.whole else "continuous")
        found = str(error).removeprefix(f"feature {feature.name!r}: ")
        return replace(feature, kind=kind), Finding("range", feature.name, found, "training will refuse it")


def _describe_column(
    fitted: Feature, declared: Feature, summary: Summary, values: Numbers, number: int
) -> ColumnDescription:
    values = np.sort(values) if values.size else np.zeros(1)  # single events have no inter-event time
    low, high = (summary.low, summary.high) if number else (0.0, 0.0)
    quantiles = np.quantile(values, QUANTILES, method="inverted_cdf").tolist()
    keys = ("kind", "min", "max", "resolution") if declared.name != TIME else ()
    distinct, counts = np.unique(values, return_counts=True)
    every = len(values) >= number
    counts = np.rint(counts * (number / len(values))).astype(np.int64)
    return ColumnDescription(
        name=fitted.name,
        kind=fitted.kind or "continuous",
        masked=fitted.masked,
        resolution=None if fitted.kind == "categorical" else fitted.resolution,
        declared=tuple(key for key in keys if getattr(declared, key) is not None),
        events=number,
        low=low,
        high=high,
        distinct=len(distinct) * (number > 0) if every or len(distinct) <= _MANY else None,
        quantiles=dict(zip(QUANTILES, [low, *quantiles[1:-1], high], strict=True)),
        counts=dict(zip(distinct.tolist(), counts.tolist(), strict=True)) if number and len(distinct) <= _MANY else {},
        values=values,
    )


def _share(column: ColumnDescription, below: float) -> float:
    """Return the share of values at 0, or below a number above it."""
    side = "left" if below > 0 else "right"
    return float(np.searchsorted(column.values, below, side=side) / len(column.values)) if column.events else 0.0
