"""Events as CSV: `time,pitch,velocity,~duration,instrument#`.

A first column ``time`` (seconds, absolute) or ``dt`` (seconds since the previous row) makes the events temporal; ``~``
before a name marks it masked, ``#`` after it categorical.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError, located
from hachimachi.events import TIME, EventSequence, Feature
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
UNITS = {unit: seconds for seconds, units in _SECONDS.items() for unit in units}  # unit of time → its length in seconds
_TIME = re.compile(r"(time|timestamp|dt)(?:\s*[(\[]\s*(.*?)\s*[)\]]|[ _](ms|us|µs|μs|ns|s))?", re.I)
_INDEX = ("", "Unnamed: 0")  # names of the row numbers that pandas writes and reads


@dataclass(frozen=True)
class Header:
    """The columns of a CSV file."""

    features: tuple[Feature, ...]  # those after time
    time: str = ""  # name of the time column as written, empty where there is none
    between: bool = False  # whether it holds the time since the previous row
    seconds: float = 1.0  # length of its unit
    numbered: bool = False  # whether the first column has no name; it must then hold row numbers


def read_header(cells: Sequence[str], row: int) -> Header:
    """Parse the names of columns as written; errors name their line in the file."""
    if are_numbers(cells):
        example = ",".join([TIME, *"xyz", "…"][: max(len(cells), 2)])
        found = f"row {row} holds numbers ({cells[0]}, …), there is no header"
        raise HachimachiError(f"{found}; put a line of names above it, such as {example}")
    numbered = len(cells) > 1 and cells[0] in _INDEX
    at = int(numbered)
    match = _TIME.fullmatch(cells[at])
    first = at + bool(match)
    features: list[Feature] = []
    for column, cell in enumerate(cells[first:], first + 1):
        where = f"row {row}, column {column}"
        if not cell:
            raise HachimachiError(f"{where} has no name; expected one for each column, or the column left out")
        late = _TIME.fullmatch(cell)
        if late and late[1].lower() != BETWEEN and not match:
            raise HachimachiError(f"{where}: {cell!r} stands here; expected the time as the first column")
        with located(where):
            features.append(feature_of(cell))
    seen: dict[str, int] = {}
    for column, feature in enumerate(features, first + 1):
        if (earlier := seen.setdefault(feature.name, column)) != column:
            pair = f"columns {earlier} and {column}"
            raise HachimachiError(f"row {row}: two features are named {feature.name!r}, {pair}; names must differ")
    if match is None:
        return Header(tuple(features), numbered=numbered)
    unit = match[2] or match[3]
    if unit is not None and unit.lower() not in UNITS:
        expected = ", ".join(units[0] for units in _SECONDS.values())
        raise HachimachiError(f"row {row}, column {cells[at]}: unknown unit {unit!r} of time; expected {expected}")
    seconds = UNITS[unit.lower()] if unit else 1.0
    return Header(tuple(features), cells[at], match[1].lower() == BETWEEN, seconds, numbered)


def feature_of(cell: str) -> Feature:
    """Return the feature of a name with its marks."""
    name = cell.removeprefix("~").removesuffix("#")
    return Feature(name.strip(), "categorical" if cell.endswith("#") else None, masked=cell.startswith("~"))


def mark(feature: Feature) -> str:
    """Return the name of a feature with its marks: ``~`` masked, ``#`` categorical."""
    return "~" * feature.masked + feature.name + "#" * (feature.kind == "categorical")


SEPARATORS = {"\t": "TAB", ";": "';'", ",": "','"}
"""Separator → its name in messages. White space of any length is one too."""
SPACE = " "
_DIRECTIVE = re.compile(r"sep=([\t;, ])", re.I)  # the separator as spreadsheets declare it, in a line above the header
_COLL = re.compile(r"\s*\d+, [-\d.e ]+;")


@dataclass(frozen=True)
class CsvLayout:
    """The lines of a CSV file, and how to read them."""

    separator: str  # between values
    header: list[str]  # names as written
    row: int  # line of the header, from 1
    lines: list[str]  # the lines of numbers
    rows: Sequence[int]  # line of the file of each of them, from 1

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line of the file and the cells of each row of numbers."""
        reader = csv.reader(self.lines, delimiter=self.separator, skipinitialspace=True)
        try:
            for cells in reader:
                yield self.rows[reader.line_num - 1], [cell.strip() for cell in cells]
        except csv.Error as error:
            raise HachimachiError(f"row {self.rows[reader.line_num - 1]}: not CSV: {error}") from error


def find_layout(text: str, file: str, report: Report) -> CsvLayout:
    """Detect separator, header and comments of a text; HachimachiError if nothing could be a header."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while len(lines) > 1 and not lines[-1].strip(' \t;,"'):  # as spreadsheets leave them
        lines.pop()
    directive = _DIRECTIVE.match(lines[0])
    plain = [row for row, line in enumerate(lines, 1) if not _is_comment(line)]
    rows = plain[bool(directive) :]
    rows = rows[next((i for i, row in enumerate(rows) if lines[row - 1].strip()), len(rows)) :]
    if not rows:
        raise HachimachiError("row 1 is empty; expected a header such as time,pitch,velocity")
    row, first = rows[0], lines[rows[0] - 1]
    if _COLL.match(first):
        expected = "expected a line of names, and a line of values between commas for each event"
        raise HachimachiError(f"row {row}: found a coll of Max (index, values;); {expected}")
    second = lines[rows[1] - 1] if len(rows) > 1 else ""
    separator = directive[1] if directive else _separator(first, second)
    header, below = split(first, separator), rows[1:]
    above = split(lines[row - 2].lstrip().lstrip("#% "), separator) if row > 1 and _is_comment(lines[row - 2]) else []
    if are_numbers(header) and len(above) == len(header) and not any(map(is_number, above)):
        header, row, below = above, row - 1, rows  # as NumPy writes it: the header is the last comment
    between = SEPARATORS.get(separator, "spaces")
    report.understand(f"files with {between} between values", file, separator != ",")
    comments = len(lines) - len(plain) - (header is above)
    report.understand("lines that begin with # or %: taken for comments", file, comments)
    chosen = [lines[row - 1] for row in below]
    chosen = [" ".join(line.split()) for line in chosen] if separator == SPACE else chosen
    return CsvLayout(separator, header, row, chosen, below)


def split(line: str, separator: str) -> list[str]:
    """Return the cells of one line, without empty ones at its end."""
    line = " ".join(line.split()) if separator == SPACE else line
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return [line]
    return trim([cell.strip() for cell in cells], 1)


def trim(cells: list[str], width: int) -> list[str]:
    """Return cells without empty ones at the end, but at least ``width``."""
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    return cells


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with a decimal point or comma."""
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def are_numbers(cells: Sequence[str]) -> bool:
    """Return whether there are cells and all are numbers."""
    return bool(cells) and all(map(is_number, cells))


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("#", "%"))


def _separator(first: str, second: str) -> str:
    """Return the separator that gives the header and the row below equally many cells, more than one."""
    for separator in SEPARATORS:
        if 1 < len(split(first, separator)) == len(split(second, separator)):
            return separator
    if 1 < len(first.split()) == len(second.split()) and are_numbers(second.split()):
        return SPACE
    return max(reversed(SEPARATORS), key=lambda separator: len(split(first, separator)))


_WITH_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?", re.I)
_OF_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b|\d{1,2}:\d\d")


def read_table(layout: CsvLayout, file: str, report: Report) -> tuple[NDArray[np.float64], Sequence[int]]:
    """Return all numbers, shape (N, columns), and the line of the file of each row; HachimachiError for a row of the
    wrong length, or a cell that is not unambiguously a finite number."""
    lines, decimal = layout.lines, "."
    if not lines:
        raise HachimachiError("no events: there is nothing below the header")
    table = _read_at_once(lines, layout)
    if table is None:
        cells = [cell for _, row in layout.cells() for cell in row]
        commas = [cell for cell in cells if "," in cell]
        # clearly decimal: not three digits after a comma, or a zero before it; 1,234 alone may be a thousand and more
        clear = all(map(_WITH_COMMA.fullmatch, commas)) and not any("." in cell for cell in cells)
        if clear and not all(map(_OF_THOUSANDS.fullmatch, commas)):
            decimal = ","
            report.understand("files with decimal commas", file, 1)
            if layout.separator != decimal:
                table = _read_at_once([line.replace(",", ".") for line in lines], layout)
    return (table, layout.rows) if table is not None else _read_each(layout, decimal)


def _read_at_once(lines: list[str], layout: CsvLayout) -> NDArray[np.float64] | None:
    """Return all numbers if every cell is one; otherwise `_read_each` finds which is not."""
    if lines[0].endswith(layout.separator):
        lines = [line.rstrip(layout.separator) for line in lines]
    try:
        table = np.loadtxt(lines, delimiter=layout.separator, comments=None, quotechar='"', ndmin=2)
    except ValueError:
        return None
    plain = table.shape == (len(lines), len(layout.header)) and np.isfinite(table).all()  # blank lines are passed over
    return table if plain else None


def _read_each(layout: CsvLayout, decimal: str) -> tuple[NDArray[np.float64], list[int]]:
    """Return all numbers and their lines, checking each cell."""
    table, rows = [], []
    for row, cells in layout.cells():
        width, header = len(layout.header), layout.header
        if len(trim(cells, width)) != width:
            names = ",".join(header) if width <= 10 else f"{header[0]},{header[1]},…,{header[-1]}"
            raise HachimachiError(f"row {row}: found {len(cells)} values, expected {width} ({names})")
        named = zip(cells, header, strict=True)
        table.append([_finite(cell, decimal, f"row {row}, column {name}") for cell, name in named])
        rows.append(row)
    return np.array(table), rows


def _finite(cell: str, decimal: str, where: str) -> float:
    try:
        value = math.nan if "_" in cell else float(cell.replace(",", ".") if decimal == "," else cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise HachimachiError(f"{where}: {_found(cell)}")
    return value


def _found(cell: str) -> str:
    """Describe a cell that is not a number."""
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


def parse(data: bytes, file: str, report: Report) -> list[EventSequence]:
    """Read one sequence; HachimachiError for anything else, with the line of the file."""
    layout = find_layout(decode(data, file, report), file, report)
    header = read_header(layout.header, layout.row)
    table, rows = read_table(layout, file, report)
    if header.numbered:
        if not np.array_equal(table[:, 0] - table[0, 0], np.arange(len(table))):
            found = "has no name, and does not number the rows"
            raise HachimachiError(f"row {layout.row}, column 1 {found}; expected a name, or the column left out")
        table = table[:, 1:]
        report.understand("files whose first column, without a name, numbers the rows: left out", file, 1)
    if not header.time:
        return [EventSequence(header.features, table)]
    time = _time(table[:, 0], header, rows)
    before = bool(not header.between and table[0, 0] < 0)  # as an oscilloscope counts from its trigger
    report.understand("files whose times begin before 0: counted from the first", file, before)
    report.understand(f"files whose column {header.time!r} is the time, turned into seconds", file, header.seconds != 1)
    note_milliseconds([time], file, report)
    return [EventSequence(header.features, table[:, 1:], time)]


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write one sequence; HachimachiError for several, or names that the header cannot hold."""
    if len(sequences) != 1:
        others = "write .json, .arrow, or a folder/ of CSV files"
        raise HachimachiError(f"CSV holds one sequence, there are {len(sequences):,}; {others}")
    sequence = sequences[0]
    header = ",".join([TIME] * sequence.temporal + [mark(feature) for feature in sequence.features])
    table = sequence.data if sequence.time is None else np.column_stack([sequence.time, sequence.data])
    names = [feature.name for feature in sequence.features]
    try:  # some names are legal elsewhere but mean something else in CSV
        found = read_header(find_layout(f"{header}\n{','.join('0' * len(table.T))}", "", Report()).header, 1)
    except HachimachiError:
        found = Header(())
    if bool(found.time) != sequence.temporal or [feature.name for feature in found.features] != names:
        raise HachimachiError(f"the names {', '.join(map(repr, names))} do not fit in a CSV header; write .json")
    rows = map(",".join, zip(*map(numerals, table.T), strict=True))
    return "".join(f"{line}\n" for line in [header, *rows]).encode()


def unheld(features: Sequence[Feature]) -> list[str]:
    """Return the names of features whose declared kind, bounds or resolution a CSV file does not hold."""
    return [feature.name for feature in features if feature_of(mark(feature)) != feature]


def _time(values: NDArray[np.float64], header: Header, rows: Sequence[int]) -> NDArray[np.float64]:
    """Return seconds since the start, checked."""
    begin = min(values[0], 0.0)
    steps = values if header.between else np.diff(values, prepend=begin)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        least = f"rows sorted by time, from 0 ({values[at - 1] if at else 0:g} or more)"
        expected = "0 or more seconds" if header.between else least
        raise HachimachiError(f"row {rows[at]}, column {header.time}: found {values[at]:g}, expected {expected}")
    with np.errstate(over="ignore"):  # the events refuse what is not finite
        time = np.cumsum(values) if header.between else values - begin
        return time * header.seconds if header.seconds != 1 else time
