"""Events as CSV: `time,pitch,velocity,~duration,instrument#`.

A first column ``time`` (seconds, absolute) or ``dt`` (seconds since the previous row) makes the events
temporal; ``~`` before a name marks it masked, ``#`` after it categorical. This is what is written. What
is read besides, because it is clear what is meant, docs/data.md says under "Text files".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io.csv_table import are_numbers, find_layout, read_table
from hachimachi.io.report import Report
from hachimachi.io.text import decode, note_milliseconds, numerals

BETWEEN = "dt"
_SECONDS = {
    1.0: ("s", "sec", "secs", "second", "seconds"),
    1e-3: ("ms", "msec", "millis", "millisecond", "milliseconds"),
    1e-6: ("us", "µs", "μs", "microsecond", "microseconds"),
    1e-9: ("ns", "nanosecond", "nanoseconds"),
    60.0: ("min", "minute", "minutes"),
}
UNITS = {unit: seconds for seconds, units in _SECONDS.items() for unit in units}
"""Unit of time as people write it → its length in seconds."""
_TIME = re.compile(r"(time|timestamp|dt)(?:\s*[(\[]\s*(.*?)\s*[)\]]|[ _](ms|us|µs|μs|ns|s))?", re.I)
_INDEX = ("", "Unnamed: 0")  # as pandas writes the numbers of rows, and as it calls them when it reads that


@dataclass(frozen=True)
class Header:
    """The columns of a CSV file.

    Args:
        features: Those after time.
        time: How the column of time is written, empty where there is none.
        between: Whether it holds the time since the row before.
        seconds: Length of its unit.
        numbered: Whether a column without a name stands in front, which may hold nothing but the numbers of rows.
    """

    features: tuple[Feature, ...]
    time: str = ""
    between: bool = False
    seconds: float = 1.0
    numbered: bool = False


def read_header(cells: Sequence[str], row: int) -> Header:
    """Return what the names of columns mean.

    Args:
        cells: The names as they are written.
        row: The line they stand in, for messages.

    Raises:
        HachimachiError: Numbers in place of names, a column without a name, a name twice or that none can have, time
            that is not in front or in an unknown unit.
    """
    if are_numbers(cells):
        example = ",".join([TIME, *"xyz", "…"][: max(len(cells), 2)])
        found = f"row {row} holds numbers ({cells[0]}, …), there is no header"
        raise HachimachiError(f"{found}; put a line of names above it, such as {example}")
    numbered = len(cells) > 1 and cells[0] in _INDEX
    at = int(numbered)
    match = _TIME.fullmatch(cells[at])
    features = tuple(_feature_at(cells, column, row, bool(match)) for column in range(at + bool(match), len(cells)))
    _check_twice([feature.name for feature in features], row, at + bool(match))
    if match is None:
        return Header(features, numbered=numbered)
    unit = match[2] or match[3]
    if unit is not None and unit.lower() not in UNITS:
        expected = ", ".join(units[0] for units in _SECONDS.values())
        raise HachimachiError(f"row {row}, column {cells[at]}: unknown unit {unit!r} of time; expected {expected}")
    seconds = UNITS[unit.lower()] if unit else 1.0
    return Header(features, cells[at], match[1].lower() == BETWEEN, seconds, numbered)


def feature_of(cell: str) -> Feature:
    """Return the feature that a name with its marks stands for."""
    name = cell.removeprefix("~").removesuffix("#")
    return Feature(name.strip(), "categorical" if cell.endswith("#") else None, masked=cell.startswith("~"))


def mark(feature: Feature) -> str:
    """Return the name of a feature with its marks: ``~`` masked, ``#`` categorical."""
    return "~" * feature.masked + feature.name + "#" * (feature.kind == "categorical")


def _feature_at(cells: Sequence[str], column: int, row: int, temporal: bool) -> Feature:
    cell, place = cells[column], f"row {row}, column {column + 1}"
    if not cell:
        raise HachimachiError(f"{place} has no name; expected one for each column, or the column left out")
    match = _TIME.fullmatch(cell)
    if match and match[1].lower() != BETWEEN and not temporal:
        raise HachimachiError(f"{place}: {cell!r} stands here; expected the time as the first column")
    try:
        return feature_of(cell)
    except HachimachiError as error:
        raise HachimachiError(f"{place}: {error}") from error


def _check_twice(names: Sequence[str], row: int, first: int) -> None:
    seen: dict[str, int] = {}
    for column, name in enumerate(names, first + 1):
        if name in seen:
            pair = f"columns {seen[name]} and {column}"
            raise HachimachiError(f"row {row}: two features are named {name!r}, {pair}; names must differ")
        seen[name] = column


NUMBERED = "files whose first column, without a name, numbers the rows: left out"
UNIT = "files whose column {!r} is the time, turned into seconds"


def parse(data: bytes, file: str, report: Report) -> list[EventSequence]:
    """Read one sequence. Rows in messages are lines of the file.

    Raises:
        HachimachiError: No header, rows of the wrong length, numbers that are not clear, or time that goes back.
    """
    layout = find_layout(decode(data, file, report), file, report)
    header = read_header(layout.header, layout.row)
    table, rows = read_table(layout, file, report)
    if header.numbered:
        table = _without_numbers(table, layout.row)
        report.understand(NUMBERED, file, 1)
    if not header.time:
        return [EventSequence(header.features, table)]
    time = _time(table[:, 0], header, rows)
    report.understand(UNIT.format(header.time), file, header.seconds != 1)
    note_milliseconds([time], file, report)
    return [EventSequence(header.features, table[:, 1:], time)]


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write one sequence.

    Raises:
        HachimachiError: More than one sequence, or names that the header cannot hold.
    """
    if len(sequences) != 1:
        raise HachimachiError(
            f"CSV holds one sequence, there are {len(sequences):,}; write .json, .arrow, or a folder/ of CSV files"
        )
    sequence = sequences[0]
    header = ",".join([TIME] * sequence.temporal + [mark(feature) for feature in sequence.features])
    table = sequence.data if sequence.time is None else np.column_stack([sequence.time, sequence.data])
    _check_header(header, sequence)
    rows = map(",".join, zip(*map(numerals, table.T), strict=True))
    return "".join(f"{line}\n" for line in [header, *rows]).encode()


def unheld(features: Sequence[Feature]) -> list[str]:
    """Return the names of features whose declared kind, bounds or resolution a CSV file does not hold."""
    return [feature.name for feature in features if feature_of(mark(feature)) != feature]


def _without_numbers(table: NDArray[np.float64], row: int) -> NDArray[np.float64]:
    """Return a table without its first column, which has no name and must count the rows."""
    if not np.array_equal(table[:, 0] - table[0, 0], np.arange(len(table))):
        found = "has no name, and does not number the rows"
        raise HachimachiError(f"row {row}, column 1 {found}; expected a name, or the column left out")
    return table[:, 1:]


def _time(values: NDArray[np.float64], header: Header, rows: Sequence[int]) -> NDArray[np.float64]:
    """Return seconds since the start, checking them where they stand."""
    steps = values if header.between else np.diff(values, prepend=0.0)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        least = f"rows sorted by time, from 0 ({values[at - 1] if at else 0:g} or more)"
        expected = "0 or more seconds" if header.between else least
        raise HachimachiError(f"row {rows[at]}, column {header.time}: found {values[at]:g}, expected {expected}")
    with np.errstate(over="ignore"):  # the events refuse what is not finite
        time = np.cumsum(values) if header.between else values
        return time * header.seconds if header.seconds != 1 else time


def _check_header(header: str, sequence: EventSequence) -> None:
    """Read the header as a reader would: some names are legal elsewhere but change their meaning in CSV."""
    row = ",".join("0" * (sequence.temporal + len(sequence.features)))
    names = [feature.name for feature in sequence.features]
    try:
        found = read_header(find_layout(f"{header}\n{row}", "", Report()).header, 1)
    except HachimachiError:
        found = Header(())
    if bool(found.time) != sequence.temporal or [feature.name for feature in found.features] != names:
        raise HachimachiError(f"the names {', '.join(map(repr, names))} do not fit in a CSV header; write .json")
