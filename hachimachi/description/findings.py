"""Findings: what looks wrong in data, each with advice."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hachimachi.columns import SECONDS
from hachimachi.description.statistics import FAR, ColumnStatistics, SequenceStatistics
from hachimachi.errors import count
from hachimachi.events import TIME
from hachimachi.io.text import are_milliseconds

if TYPE_CHECKING:
    from hachimachi.description.describe import ColumnDescription, Description

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


def find(data: Description, columns: Sequence[ColumnStatistics], sequences: SequenceStatistics) -> list[Finding]:
    """Return findings on the whole data, then on each column."""
    found = []
    if data.events < ENOUGH:
        advice = "nothing can be held out; " if data.events < LEAST else ""
        advice += f"record more: {ENOUGH:,} are a beginning, {5 * ENOUGH:,} better"
        found.append(Finding("too few", "", f"{count(data.events, 'event')} only", advice))
    found += [*_times(data, sequences), *_scales(data, sequences)]
    for column, statistics in zip(data.columns, columns, strict=True):
        found += _check_column(column, statistics)
    return found


def _times(data: Description, sequences: SequenceStatistics) -> Iterator[Finding]:
    if data.seconds is None or data.columns[0].events == 0:
        return
    between = data.columns[0].values
    apart = between[between > 0]
    if not apart.size:
        advice = "if the order is all there is, leave time out: hxmx format --drop time"
        yield Finding("one time", TIME, "all events of each sequence are at one time", advice)
        return
    typical = float(np.median(apart))
    if are_milliseconds(typical, sequences.whole, sequences.latest):
        found = f"looks like milliseconds taken for seconds, typically {typical:,.5g} apart"
        yield Finding("milliseconds", TIME, found, "if so, divide by 1000, or call the column of the CSV 'time (ms)'")


def _scales(data: Description, sequences: SequenceStatistics) -> Iterator[Finding]:
    if len(sequences.names) < 3:
        return
    for column, means in zip(data.columns, np.array(sequences.means).T, strict=True):
        middle = float(np.median(means))
        if column.kind == "categorical" or not 0 < middle < np.inf:
            continue
        odd = np.flatnonzero((means > middle * _SCALES_APART) | ((means > 0) & (means < middle / _SCALES_APART)))
        if 0 < odd.size <= len(means) / 4:
            first = int(odd[0])
            name = sequences.names[first] or f"number {first + 1}"
            found = f"{count(odd.size, 'sequence')} on another scale: in {name} the mean is {means[first]:.3g}"
            advice = "bring all to one unit, or leave them out"
            yield Finding("scale", column.name, f"{found}, in most {middle:.3g}", advice)


def _outliers(column: ColumnDescription, statistics: ColumnStatistics) -> Iterator[Finding]:
    """Find values that lie far beyond the others, which exclude the lowest and highest twentieth, at most `FAR` values.

    Declared bounds are trusted.
    """
    if column.kind == "categorical" or column.events < LEAST or {"min", "max"} <= set(column.declared):
        return
    beyond = min(FAR, column.events // 20)
    low, high = statistics.lowest[beyond][0], statistics.highest[beyond][0]
    half = high / 2 - low / 2  # halves do not overflow
    allowed = half * (_FAR_IN_TIME if column.name == TIME else _FAR_BEYOND)
    far = [pair for pair in statistics.highest[:beyond] if half > 0 and pair[0] / 2 - high / 2 > allowed]
    far += [pair for pair in statistics.lowest[:beyond] if half > 0 and low / 2 - pair[0] / 2 > allowed]
    if not far:
        return
    value, location = far[0]
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


def _check_column(column: ColumnDescription, statistics: ColumnStatistics) -> Iterator[Finding]:
    name, values = column.name, statistics.values
    if column.low == column.high and column.events > 1 and name != TIME:
        advice = f"it teaches nothing: leave it out with hxmx format --drop {name}"
        yield Finding("constant", name, f"{column.low:.5g} throughout", advice)
    yield from _outliers(column, statistics)
    if column.kind == "categorical" and not statistics.many and len(values) > 1:
        once = values[statistics.counts == 1]
        if once.size:
            shown = ", ".join(f"{value:g}" for value in once[:5]) + (", …" if once.size > 5 else "")
            found = f"{count(once.size, 'value')} seen once: {shown}"
            advice = "one event teaches little: record more, or merge it with another"
            yield Finding("rare category", name, found, advice)
    few = not statistics.many and 2 <= len(values) <= 12 and column.events >= 20 * len(values)
    if few and statistics.whole and "kind" not in column.declared and name not in _NOT_NAMES:
        found = f"{len(values)} whole numbers only ({', '.join(f'{value:g}' for value in values)})"
        ways = f"{name}# in CSV, or hxmx train … {shlex.quote(f'feature.{name}.kind=categorical')}"
        yield Finding("names", name, found, f"if they are names, make it categorical: {ways}")
    if name == "duration" and (short := float(np.mean(column.values < AT_ONCE))) > 0:
        percent = "under 1 %" if short < 0.01 else f"{short:.0%}".replace("%", " %")
        advice = "fine for drums; else give those notes their length, or drop them"
        yield Finding("short", name, f"{percent} shorter than 5 ms", advice)
    if name == "pitch" and (column.low < 0 or column.high > 127):
        value, location = statistics.lowest[0] if column.low < 0 else statistics.highest[0]
        found = f"{value:.5g} ({location}) is no MIDI pitch, which are 0–127"
        yield Finding("pitch", name, found, "if these are hertz or cents, turn them into keys, or rename the column")
