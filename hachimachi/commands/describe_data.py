"""What is in a data set, on a screen of 80 columns."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hachimachi.events import EventSequence, Feature
from hachimachi.io import Report, read

_AT_ONCE = 0.005  # seconds: what begins closer together is heard as one
_DRUMS = 128


def show_data(path: str | os.PathLike[str]) -> None:
    """Print the statistics of a data set: how much there is, each feature, and the time between events."""
    report = Report()
    sequences = read(path, report)
    console = _console()
    console.print(f"{path}: {_size(sequences)}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("feature", "kind", "masked", "range", "resolution", "distinct"):
        table.add_column(head, justify="right" if head == "distinct" else "left", overflow="fold")
    for feature in sequences[0].features:
        table.add_row(*_row(feature, np.concatenate([s.column(feature.name) for s in sequences])))
    console.print(table)
    _print_instruments(console, sequences, report)
    _print_time(console, sequences)
    _print_remarks(console, report)


def _console() -> Console:
    console = Console(highlight=False, markup=False)
    return console if console.width <= 80 else Console(highlight=False, markup=False, width=80)


def _all(sequences: Sequence[EventSequence], name: str) -> NDArray[np.float64]:
    return np.concatenate([sequence.column(name) for sequence in sequences])


def _size(sequences: Sequence[EventSequence]) -> str:
    count = f"{sum(map(len, sequences)):,} events"
    seconds = f" in {sum(s.seconds for s in sequences):,.1f} s" if sequences[0].temporal else ", without time"
    return count + seconds + (f", {len(sequences):,} sequences" if len(sequences) > 1 else "")


def _range(values: NDArray[np.float64]) -> str:
    return f"{values.min():.5g}–{values.max():.5g}"


def _row(feature: Feature, values: NDArray[np.float64]) -> list[str]:
    resolution = "–" if feature.resolution is None else f"{feature.resolution:.5g}"
    masked = "yes" if feature.masked else ""
    return [
        feature.name,
        feature.kind or "–",
        masked,
        _range(values),
        resolution,
        f"{len(np.unique(values)):,}",
    ]


def _print_instruments(console: Console, sequences: Sequence[EventSequence], report: Report) -> None:
    """Name the instruments, most frequent first; a column that was left out has one."""
    for column, value in report.constants.items():
        console.print(f"{column}: {_program(value)} throughout, so the column is left out")
    names = [feature.name for feature in sequences[0].features]
    if "instrument" in names and "pitch" in names:
        counts = Counter(_all(sequences, "instrument").tolist())
        told = ", ".join(f"{_program(value)} {count:,}" for value, count in counts.most_common())
        console.print(f"instruments: {told}")


def _program(value: float) -> str:
    from pretty_midi import program_to_instrument_name

    if value == _DRUMS:
        return "Drums"
    return program_to_instrument_name(int(value)) if value in range(_DRUMS) else f"{value:g}"


def _print_time(console: Console, sequences: Sequence[EventSequence]) -> None:
    between = np.array(list(chain.from_iterable(np.diff(s.time) for s in sequences if s.time is not None)))
    if between.size:
        middle, longest, at_once = np.median(between), between.max(), np.mean(between < _AT_ONCE)
        told = f"median {middle:.3g} s, longest {longest:.3g} s, {at_once:.0%} at once (below 5 ms)"
        console.print(f"between events: {told}")


def _print_remarks(console: Console, report: Report) -> None:
    for line in report.lines():
        console.print(line, soft_wrap=line.startswith("left out"))
