"""What became of the files that `hxmx format` was given, on a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hachimachi.commands.narrow import narrow_console
from hachimachi.commands.report_table import report_table, shorten
from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.instruments import instrument_name, tell_instruments
from hachimachi.text import count

_PAIRS = 5  # near duplicates that are told


def show_summary(sequences: Sequence[EventSequence], report: Report, *, in_beats: bool = False) -> None:
    """Print what was read, and what happened to it on the way."""
    console = narrow_console()
    console.print(_size(report, sequences[0].temporal, "beats" if in_beats else "s"))
    ranges = [f"{name} {_range(values)}" for name, values in _columns(sequences).items() if name != "instrument"]
    console.print(", ".join(ranges))
    for line in _instruments(sequences, report):
        console.print(line)
    if table := report_table(report):
        console.print(table)
    for line in _duplicates(report):
        console.print(line)


def _size(report: Report, temporal: bool, unit: str) -> str:
    hours = f" ({report.seconds / 3600:,.1f} hours)" if unit == "s" and report.seconds >= 3600 else ""
    lasting = f" in {report.seconds:,.1f} {unit}{hours}" if temporal else ", without time"
    sequences = f", {report.sequences:,} sequences" if report.sequences > 1 else ""
    files = f", from {report.files:,} files" if report.files > 1 else ""
    return f"{count(report.events, 'event')}{lasting}{sequences}{files}"


def _columns(sequences: Sequence[EventSequence]) -> dict[str, NDArray[np.float64]]:
    data = np.concatenate([sequence.data for sequence in sequences])
    return {feature.name: data[:, i] for i, feature in enumerate(sequences[0].features)}


def _range(values: NDArray[np.float64]) -> str:
    return f"{values.min():.5g}–{values.max():.5g}"


def _instruments(sequences: Sequence[EventSequence], report: Report) -> Iterator[str]:
    """Name the instruments, most frequent first; a column that was left out has one."""
    for column, value in report.constants.items():
        yield f"{column}: {instrument_name(value)} throughout, so the column is left out"
    names = [feature.name for feature in sequences[0].features]
    if "instrument" in names and "pitch" in names:
        values, counts = np.unique(_columns(sequences)["instrument"], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        yield tell_instruments({instrument_name(float(values[i])): int(counts[i]) for i in order})


def _duplicates(report: Report) -> Iterator[str]:
    pairs = report.duplicates
    if pairs:
        higher = " (+3: three semitones higher)" if any(pair.transposed for pair in pairs) else ""
        yield f"{count(len(pairs), 'pair')} of sequences tell the same, or nearly{higher}:"
    for name, of, score, shift, _ in pairs[:_PAIRS]:
        one, other = f"  {score:.0%} of {shorten(name)}", f"is in {shorten(of)}" + (f" ({shift:+d})" if shift else "")
        yield f"{one} {other}" if len(one) + len(other) < 80 else f"{one}\n    {other}"
    if len(pairs) > _PAIRS:
        yield f"  and {len(pairs) - _PAIRS:,} more"
