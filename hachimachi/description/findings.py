"""Findings: what looks wrong in data, each with advice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import SECONDS
from hachimachi.errors import count
from hachimachi.events import TIME
from hachimachi.io.collection import Collection
from hachimachi.io.text import are_milliseconds

if TYPE_CHECKING:
    from hachimachi.description.describe import ColumnDescription, Description

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


def find(data: Description, sample: EventSample) -> list[Finding]:
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
    """Find values that lie far beyond the others, which exclude the lowest and highest twentieth, at most `FAR` values.

    Declared bounds are trusted.
    """
    if column.kind == "categorical" or column.events < LEAST or {"min", "max"} <= set(column.declared):
        return
    beyond = min(FAR, len(column.values) // 20)
    low, high = column.values[beyond], column.values[-1 - beyond]
    half = high / 2 - low / 2  # halves do not overflow
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
        ways = f"{name}# in CSV, or hxmx train … feature.{name}.kind=categorical"
        yield Finding("names", name, found, f"if they are names, make it categorical: {ways}")
    if name == "duration" and (short := float(np.mean(column.values < AT_ONCE))) > 0:
        percent = "under 1 %" if short < 0.01 else f"{short:.0%}".replace("%", " %")
        advice = "fine for drums; else give those notes their length, or drop them"
        yield Finding("short", name, f"{percent} shorter than 5 ms", advice)
    if name == "pitch" and (column.low < 0 or column.high > 127):
        row = int(sample.extremes(i, -1 if column.low < 0 else 1)[0])
        found = f"{sample.rows[row, i]:.5g} ({sample.locate(row)}) is no MIDI pitch, which are 0–127"
        yield Finding("pitch", name, found, "if these are hertz or cents, turn them into keys, or rename the column")
