"""Events as CSV: `time,pitch,velocity,~duration,instrument#`.

A first column ``time`` (seconds, absolute) or ``dt`` (seconds since the previous row) makes the events
temporal; ``~`` before a name marks it masked, ``#`` after it categorical. This is what is written. What
is read besides, because it is clear what is meant, docs/data.md says under "Text files".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io.csv_header import Header, feature_of, mark, read_header
from hachimachi.io.csv_layout import find_layout
from hachimachi.io.csv_table import read_table
from hachimachi.io.report import Report
from hachimachi.io.text import decode, numerals
from hachimachi.io.time_unit import note_milliseconds

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
