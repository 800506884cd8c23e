"""What `hxmx rec` is told of the columns it records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import read
from hachimachi.io.csv_format import render
from hachimachi.live.record.file import beside


def make_features(
    size: int, names: str | None, masked: Sequence[str], categorical: Sequence[str], prefix: str = ""
) -> tuple[Feature, ...]:
    """Return a feature for each column.

    Args:
        size: How many.
        names: Their names, with commas between; else their numbers from 0, with a prefix.
        masked: Columns by name or number, several with commas between.
        categorical: Likewise.
        prefix: What stands before a number in a name.

    Raises:
        click.UsageError: Too few or too many names, or a column that is not there.
        HachimachiError: A name that no feature can have.
    """
    plain = [f"{prefix}{i}" for i in range(size)]
    given = plain if names is None else [name.strip() for name in names.split(",")]
    if len(given) != size:
        raise click.UsageError(f"--names has {len(given)} names ({', '.join(given)}), expected {size}")
    hidden, categories = _columns("--masked", masked, given), _columns("--categorical", categorical, given)
    return tuple(
        Feature(name, "categorical" if i in categories else None, masked=i in hidden) for i, name in enumerate(given)
    )


def check_output(output: Path, features: Sequence[Feature], temporal: bool, append: bool) -> tuple[Feature, ...]:
    """Return the features of the data set to be: those of the file where it is appended to.

    Raises:
        HachimachiError: The file is there and is not to be appended to, or cannot be, or it cannot hold the features.
    """
    if append and output.suffix.lower() == ".csv":
        raise HachimachiError(f"{output}: --append adds a sequence, and CSV holds one only; record into a .json file")
    if output.suffix.lower() == ".csv":
        _check_csv(output, features, temporal)
    if not output.exists():
        return tuple(features)
    if append:
        return _alike(output, features, temporal)
    left = f"; --append brings in the unfinished {beside(output)} too" if beside(output).exists() else ""
    add = "" if output.suffix.lower() == ".csv" else "--append to add a sequence to it, or "
    raise HachimachiError(f"{output}: is there already, and nothing is overwritten; say {add}another name{left}")


def default_prefix(output: Path, temporal: bool) -> str:
    """Return what stands before the number of a column without a name: a CSV header of numbers only is none."""
    return "x" if output.suffix.lower() == ".csv" and not temporal else ""


def _check_csv(output: Path, features: Sequence[Feature], temporal: bool) -> None:
    """Refuse, before anything is played, names that change their meaning in a CSV header."""
    try:
        render([EventSequence(tuple(features), np.zeros((1, len(features))), np.zeros(1) if temporal else None)])
    except HachimachiError as error:
        raise HachimachiError(f"{output}: {error}; see --names") from error


def _columns(option: str, words: Sequence[str], names: Sequence[str]) -> set[int]:
    columns: set[int] = set()
    for word in (word.strip() for several in words for word in several.split(",")):
        if word in names:
            columns.add(names.index(word))
        elif word.isdecimal() and int(word) < len(names):
            columns.add(int(word))
        else:
            there = ", ".join(f"{i} ({name})" if str(i) != name else name for i, name in enumerate(names))
            raise click.UsageError(f"{option}: no column {word!r}; there are {there}")
    return columns


def _alike(output: Path, features: Sequence[Feature], temporal: bool) -> tuple[Feature, ...]:
    """Return the features of a file that is appended to; what was not said of them on the command line is its own."""
    first = read(output)[0]
    if first.temporal != temporal:
        has, say = ("time", "say") if first.temporal else ("no time", "leave out")
        raise HachimachiError(f"{output}: has {has}; {say} --temporal to append to it")
    if len(first.features) != len(features):
        told = ", ".join(feature.name for feature in first.features)
        raise HachimachiError(f"{output}: has {len(first.features)} columns ({told}), SIZE is {len(features)}")
    plain = tuple(Feature(str(i)) for i in range(len(features)))
    marks = [[(f.name, f.masked, f.kind == "categorical") for f in each] for each in (first.features, features)]
    if tuple(features) != plain and marks[0] != marks[1]:
        raise HachimachiError(
            f"{output}: has other columns than --names, --masked and --categorical say; leave these out"
        )
    return first.features
