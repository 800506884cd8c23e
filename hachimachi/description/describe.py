"""Describe a data set: sizes, quantiles, histograms, and findings of what looks wrong, each with advice."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import SECONDS, fit_columns
from hachimachi.errors import HachimachiError, count
from hachimachi.events import TIME, EventSequence, Feature, Kind, as_sequences
from hachimachi.io import Report
from hachimachi.io.collection import Collection, Summary
from hachimachi.io.files import open_collection
from hachimachi.io.midi import instrument_name
from hachimachi.io.text import are_milliseconds, numerals

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SHORTEST = 1e-3  # upper edge of the first bin of a log scale in seconds; the bin begins at 0
_EXAMPLE, _TYPICAL = 2000, 100  # most events of the example, and those that are enough for one
_MANY = 256  # most distinct values of a column whose counts are kept
_STEPS = 4096  # most steps for which bins are of whole steps
_HEIGHTS = "▁▂▃▄▅▆▇█"
Numbers = NDArray[np.float64]

FAR = 20  # most values of a column that are far beyond the others
_COMPARED = 2000  # number of sequences, the first ones, whose means are compared
AT_ONCE = 0.005  # seconds between events below which they sound simultaneous
LEAST = 20  # events below which nothing can be held out
ENOUGH = 1000  # events, a few minutes of playing, from which a model learns more than frequencies of values
_PAUSE = 5.0  # seconds of a gap that is always worth a finding
_SCALES_APART = 50.0
_FAR_BEYOND, _FAR_IN_TIME = 5.0, 2.0
"""Widths of the other values that a value may lie beyond them; inter-event times are skewed."""
_NOT_NAMES = ("pitch", "velocity", *SECONDS)  # columns that are never names, however few values they have


@dataclass(frozen=True)
class Finding:
    """Something that looks wrong."""

    kind: str  # ``constant``, ``outlier``, ``rare category`` and so on
    column: str  # its column; empty for all
    found: str  # what was found, and where
    advice: str  # what to do

    def __str__(self) -> str:
        return f"{self.column}: {self.found}; {self.advice}" if self.column else f"{self.found}; {self.advice}"


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
    values: NDArray[np.float64] = field(repr=False, compare=False)  # ascending; a uniform sample if there are many

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
    seconds: float | None  # total duration of the sequences, from first event to last; ``None`` without time
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
        duration = ", without time"
        if self.seconds is not None:
            unit, length = ("s", 1) if self.seconds < 120 else ("min", 60) if self.seconds < 7200 else ("h", 3600)
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

    Of much data on disk (:data:`~hachimachi.io.collection.SAMPLED`) all but sizes, kinds and ranges is of a sample.

    Args:
        data: A file or a folder, one sequence, or any number of them.
        report: Takes what was mended or left out while reading.
        name: Name of the data; by default that of their file or sequence.
    """
    if isinstance(data, EventSequence):
        name = name or data.name
    if isinstance(data, str | os.PathLike):
        name, data = name or os.fspath(data), open_collection(data, report)
    sequences = data if isinstance(data, Collection) else as_sequences(data)
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
    return replace(described, findings=(*refused, *_find(described, sample)))


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


class EventSample:
    """The rows of a collection in memory, shape (N, D), and where they come from."""

    def __init__(self, collection: Collection) -> None:
        self.collection, self.rows = collection, collection.all_rows()
        self.starts = np.cumsum(collection.lengths) - collection.lengths

    def values(self, i: int) -> Numbers:
        """Return the values of a column, without NaN."""
        return self.rows[~np.isnan(self.rows[:, i]), i]

    def locate(self, row: int) -> str:
        """Return which event of which sequence a row is: ``event 1,234 of a.csv``, from 1."""
        i = int(np.searchsorted(self.starts, row, side="right")) - 1
        event, name = int(self.collection.first[i]) + row - int(self.starts[i]) + 1, self.collection.take([i]).names[0]
        return f"event {event:,} of {name}" if name else f"event {event:,}"

    def extremes(self, i: int, sign: int) -> NDArray[np.int64]:
        """Return the rows of a column from its highest value (sign 1) or its lowest (−1) on, equal ones in order."""
        known = np.flatnonzero(~np.isnan(self.rows[:, i]))
        return known[np.argsort(-sign * self.rows[known, i], kind="stable")]


def _find(data: Description, sample: EventSample) -> list[Finding]:
    """Return findings on the whole data, then on each column."""
    found = []
    if data.events < ENOUGH:
        advice = "nothing can be held out; " if data.events < LEAST else ""
        advice += f"record more: {ENOUGH:,} are a beginning, {5 * ENOUGH:,} better"
        found.append(Finding("too few", "", f"{count(data.events, 'event')} only", advice))
    found += [*_times(data), *_scales(data, sample)]
    for i, column in enumerate(data.columns):
        found += _check_column(column, sample, i)
    return found


def _times(data: Description) -> Iterator[Finding]:
    if data.seconds is None or data.columns[0].events == 0:
        return
    between = data.columns[0].values
    apart = between[between > 0]
    if not apart.size:
        advice = "if the order is all there is, leave time out: hxmx format --drop time"
        yield Finding("one time", TIME, "all events of each sequence are at one time", advice)
        return
    typical = float(np.median(apart))
    latest = 0.0 if data.example.time is None else float(data.example.time[-1])
    if are_milliseconds(typical, not (between % 1).any(), latest):
        found = f"looks like milliseconds taken for seconds, typically {typical:,.5g} apart"
        yield Finding("milliseconds", TIME, found, "if so, divide by 1000, or call the column of the CSV 'time (ms)'")


def _scales(data: Description, sample: EventSample) -> Iterator[Finding]:
    lengths = sample.collection.lengths
    compared = np.flatnonzero(lengths > 1)[:_COMPARED]
    if len(compared) < 3:
        return
    there = np.flatnonzero(lengths)
    with np.errstate(over="ignore"):  # what is not finite is not compared
        sums = np.zeros((len(lengths), len(data.columns)))
        sums[there] = np.add.reduceat(np.abs(np.nan_to_num(sample.rows)), sample.starts[there], axis=0)
    names = sample.collection.take(compared).names
    for i, column in enumerate(data.columns):
        values = sums[compared, i] / (lengths[compared] - (column.name == TIME))
        middle = float(np.median(values))
        if column.kind == "categorical" or not 0 < middle < np.inf:
            continue
        odd = np.flatnonzero((values > middle * _SCALES_APART) | ((values > 0) & (values < middle / _SCALES_APART)))
        if 0 < odd.size <= len(values) / 4:
            name = names[odd[0]] or f"number {odd[0] + 1}"
            found = f"{count(odd.size, 'sequence')} on another scale: in {name} the mean is {values[odd[0]]:.3g}"
            advice = "bring all to one unit, or leave them out"
            yield Finding("scale", column.name, f"{found}, in most {middle:.3g}", advice)


def _outliers(column: ColumnDescription, sample: EventSample, i: int) -> Iterator[Finding]:
    """Find at most `FAR` values that lie far beyond the others, which exclude the lowest and highest twentieth, unless
    bounds are declared."""
    if column.kind == "categorical" or column.events < LEAST or {"min", "max"} <= set(column.declared):
        return
    beyond = min(FAR, len(column.values) // 20)
    low, high = column.values[beyond], column.values[-1 - beyond]
    half = float(high / 2 - low / 2)  # halves do not overflow, and an infinite product is no warning
    allowed = half * (_FAR_IN_TIME if column.name == TIME else _FAR_BEYOND)
    far, values = [], sample.rows[:, i]
    for sign, end in ((1, high), (-1, low)) if half > 0 else ():
        rows = sample.extremes(i, sign)[:beyond]
        far += rows[sign * (values[rows] / 2 - end / 2) > allowed].tolist()
    if not far:
        return
    value, location = values[far[0]], sample.locate(far[0])
    if column.name == TIME:
        if value >= _PAUSE:
            cut = next(step for step in (5, 10, 20, 30, 60, 120, 300, 600, np.inf) if step >= high)
            most = cut if cut < value else np.ceil(high)
            found = f"{count(len(far), 'gap')} much longer than the rest: {value:,.4g} s before {location}"
            yield Finding("gap", TIME, found, f"if nobody was playing, cut there: hxmx format --max-gap {most:g}")
        return
    found = f"{count(len(far), 'value')} far beyond {low:.5g}–{high:.5g}, where the rest is: {value:.5g} ({location})"
    coarse = "" if column.name in SECONDS else ": so wide a range is learned coarsely"
    yield Finding("outlier", column.name, found, f"if a mistake, mend it or leave it out{coarse}")


def _check_column(column: ColumnDescription, sample: EventSample, i: int) -> Iterator[Finding]:
    name, (values, counts) = column.name, np.unique(column.values, return_counts=True)
    if column.low == column.high and column.events > 1 and name != TIME:
        advice = f"it teaches nothing: leave it out with hxmx format --drop {name}"
        yield Finding("constant", name, f"{column.low:.5g} throughout", advice)
    yield from _outliers(column, sample, i)
    if column.kind == "categorical" and len(values) > 1:
        once = values[counts == 1]
        if once.size:
            shown = ", ".join(f"{value:g}" for value in once[:5]) + (", …" if once.size > 5 else "")
            found = f"{count(once.size, 'value')} seen once: {shown}"
            advice = "one event teaches little: record more, or merge it with another"
            yield Finding("rare category", name, found, advice)
    few = 2 <= len(values) <= 12 and column.events >= 20 * len(values)
    if few and not (values % 1).any() and "kind" not in column.declared and name not in _NOT_NAMES:
        found = f"{len(values)} whole numbers only ({', '.join(f'{value:g}' for value in values)})"
        ways = f"{name}# in CSV, or hxmx train … {shlex.quote(f'feature.{name}.kind=categorical')}"
        yield Finding("names", name, found, f"if they are names, make it categorical: {ways}")
    if name == "duration" and (short := float(np.mean(column.values < AT_ONCE))) > 0:
        percent = "under 1 %" if short < 0.01 else f"{short:.0%}".replace("%", " %")
        advice = "fine for drums; else give those notes their length, or drop them"
        yield Finding("short", name, f"{percent} shorter than 5 ms", advice)
    if name == "pitch" and (column.low < 0 or column.high > 127):
        row = int(sample.extremes(i, -1 if column.low < 0 else 1)[0])
        found = f"{sample.rows[row, i]:.5g} ({sample.locate(row)}) is no MIDI pitch, which are 0–127"
        yield Finding("pitch", name, found, "if these are hertz or cents, turn them into keys, or rename the column")
