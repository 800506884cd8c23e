"""Events as CSV: `time,pitch,velocity,~duration,instrument#`.

A first column ``time`` (seconds, absolute) or ``dt`` (seconds since the previous row) makes the events
temporal; ``~`` before a name marks it masked, ``#`` after it categorical.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io.report import Report
from hachimachi.io.text import decode, numerals

BETWEEN = "dt"


def parse(data: bytes, file: str, report: Report) -> list[EventSequence]:  # noqa: ARG001  (a reader's signature)
    """Read one sequence. Rows in messages are lines of the file.

    Raises:
        HachimachiError: No header, rows of the wrong length, numbers that are none, or time that goes back.
    """
    lines = _lines(decode(data))
    _, header = next(lines, (1, []))
    temporal = header[:1] in ([TIME], [BETWEEN])
    features = _features(header, temporal)
    table = _table(lines, header)
    if not temporal:
        return [EventSequence(features, table)]
    time = np.cumsum(table[:, 0]) if header[0] == BETWEEN else table[:, 0]
    return [EventSequence(features, table[:, 1:], time)]


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write one sequence.

    Raises:
        HachimachiError: More than one sequence, or names that the header cannot hold.
    """
    if len(sequences) != 1:
        raise HachimachiError(f"CSV holds one sequence, there are {len(sequences):,}; write them to a .json file")
    sequence = sequences[0]
    header = [TIME] * sequence.temporal + [_marked(feature) for feature in sequence.features]
    table = sequence.data if sequence.time is None else np.column_stack([sequence.time, sequence.data])
    _check_header(header, sequence)
    rows = map(",".join, zip(*map(numerals, table.T), strict=True))
    return "".join(f"{line}\n" for line in [",".join(header), *rows]).encode()


def unheld(features: Sequence[Feature]) -> list[str]:
    """Return the names of features whose declared kind, bounds or resolution a CSV file does not hold."""
    return [feature.name for feature in features if _feature(_marked(feature)) != feature]


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give line numbers and cells, without blank lines at the end."""
    reader = csv.reader(io.StringIO(text.rstrip(), newline=""), skipinitialspace=True)
    try:
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise HachimachiError(f"row {reader.line_num}: not CSV: {error}") from error


def _features(header: list[str], temporal: bool) -> tuple[Feature, ...]:
    if not any(header):
        raise HachimachiError("row 1 is empty; expected a header such as time,pitch,velocity")
    if all(_number(cell) is not None for cell in header):
        raise HachimachiError(f"row 1 holds numbers ({header[0]}, …); expected a header such as time,pitch,velocity")
    return tuple(_feature(cell) for cell in header[temporal:])


def _feature(cell: str) -> Feature:
    name = cell.removeprefix("~").removesuffix("#")
    return Feature(name.strip(), "categorical" if cell.endswith("#") else None, masked=cell.startswith("~"))


def _marked(feature: Feature) -> str:
    return "~" * feature.masked + feature.name + "#" * (feature.kind == "categorical")


def _table(lines: Iterator[tuple[int, list[str]]], header: list[str]) -> NDArray[np.float64]:
    """Return all numbers, shape (N, columns), checking each row where it stands."""
    rows: list[list[float]] = []
    before = 0.0
    for row, cells in lines:
        if len(cells) != len(header):
            found = f"found {len(cells)} values, expected {len(header)} ({','.join(header)})"
            raise HachimachiError(f"row {row}: {found}")
        values = [_finite(cell, row, name) for cell, name in zip(cells, header, strict=True)]
        if header[0] == BETWEEN and values[0] < 0:
            raise HachimachiError(f"row {row}, column {BETWEEN}: found {cells[0]}, expected 0 or more seconds")
        if header[0] == TIME and values[0] < before:
            expected = f"expected rows sorted by time, from 0 ({before:g} or more)"
            raise HachimachiError(f"row {row}, column {TIME}: found {cells[0]}, {expected}")
        before = values[0]
        rows.append(values)
    if not rows:
        raise HachimachiError("no events: there is nothing below the header")
    return np.array(rows)


def _finite(cell: str, row: int, name: str) -> float:
    value = _number(cell)
    if value is None or not math.isfinite(value):
        raise HachimachiError(f"row {row}, column {name}: found {cell!r}, expected a finite number")
    return value


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # Python alone reads 1_000 as a number
    except ValueError:
        return None


def _check_header(header: list[str], sequence: EventSequence) -> None:
    """Read the header as a reader would: some names are legal elsewhere but change their meaning in CSV."""
    names = [feature.name for feature in sequence.features]
    (_, cells), *_ = _lines(",".join(header))
    temporal = cells[0] in (TIME, BETWEEN)
    if temporal != sequence.temporal or [feature.name for feature in _features(cells, temporal)] != names:
        raise HachimachiError(f"the names {', '.join(map(repr, names))} do not fit in a CSV header; write .json")
