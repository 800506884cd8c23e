"""The numbers of a CSV file: all at once where they are plain, cell by cell where something has to be said."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.io.csv_layout import Layout, trim
from hachimachi.io.report import Report

DECIMAL_COMMAS = "files with decimal commas"
_WITH_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?", re.I)
_OF_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b|\d{1,2}:\d\d")


def read_table(layout: Layout, file: str, report: Report) -> tuple[NDArray[np.float64], Sequence[int]]:
    """Return all numbers, shape (N, columns), and the line of the file of each row.

    Raises:
        HachimachiError: A row of the wrong length, or a cell that is not clearly a finite number.
    """
    lines, decimal = layout.lines, "."
    if not lines:
        raise HachimachiError("no events: there is nothing below the header")
    table = _read_at_once(lines, layout)
    if table is None and _has_decimal_commas(layout):
        decimal = ","
        report.understand(DECIMAL_COMMAS, file, 1)
        if layout.separator != decimal:
            table = _read_at_once([line.replace(",", ".") for line in lines], layout)
    return (table, layout.rows) if table is not None else _read_each(layout, decimal)


def _read_at_once(lines: list[str], layout: Layout) -> NDArray[np.float64] | None:
    """Return all numbers where every cell is one; whatever else there is, `_read_each` finds it and its place."""
    if lines[0].endswith(layout.separator):
        lines = [line.rstrip(layout.separator) for line in lines]
    try:
        table = np.loadtxt(lines, delimiter=layout.separator, comments=None, quotechar='"', ndmin=2)
    except ValueError:
        return None
    plain = table.shape == (len(lines), len(layout.header)) and np.isfinite(table).all()  # blank lines are passed over
    return table if plain else None


def _read_each(layout: Layout, decimal: str) -> tuple[NDArray[np.float64], list[int]]:
    """Return all numbers and their lines, checking each cell where it stands."""
    table, rows = [], []
    for row, cells in layout.cells():
        width, header = len(layout.header), layout.header
        if len(trim(cells, width)) != width:
            names = ",".join(header) if width <= 10 else f"{header[0]},{header[1]},…,{header[-1]}"
            raise HachimachiError(f"row {row}: found {len(cells)} values, expected {width} ({names})")
        table.append(
            [_finite(cell, decimal, f"row {row}, column {name}") for cell, name in zip(cells, header, strict=True)]
        )
        rows.append(row)
    return np.array(table), rows


def _has_decimal_commas(layout: Layout) -> bool:
    """Return whether the commas in numbers are clearly decimal.

    ``1,234`` alone may be a thousand and more. One comma with other than three digits behind it, or a zero before it,
    settles it, as long as no number has a point.
    """
    cells = [cell for _, row in layout.cells() for cell in row]
    commas = [cell for cell in cells if "," in cell]
    clear = all(map(_WITH_COMMA.fullmatch, commas)) and not any("." in cell for cell in cells)
    return clear and not all(map(_OF_THOUSANDS.fullmatch, commas))


def _finite(cell: str, decimal: str, place: str) -> float:
    try:
        value = math.nan if "_" in cell else float(cell.replace(",", ".") if decimal == "," else cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise HachimachiError(f"{place}: {_found(cell)}")
    return value


def _found(cell: str) -> str:
    """Say what stands in place of a number, and what it may be."""
    shown = repr(cell if len(cell) <= 30 else cell[:30] + "…")
    if not cell:
        return "found nothing ('') between separators, expected a finite number; leave the row out or fill the gap"
    if "," in cell and re.fullmatch(r"[\d.,e+-]+", cell, re.I):
        return f"found {shown}: whether its comma marks decimals or thousands is not clear; write numbers as 1234.5"
    if _DATE.match(cell):
        return f"found {shown}, a date or a time of day; expected a number: seconds, for time"
    if cell.startswith("/"):
        return f"found {shown}, an OSC message; expected a number in a column for each of its values"
    return f"found {shown}, expected a finite number"
