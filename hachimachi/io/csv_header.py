"""What the header of a CSV file says: which column is time and in what unit, what the features are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, Feature
from hachimachi.io.csv_layout import are_numbers

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
