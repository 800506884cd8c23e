"""What became of the files that `hxmx format` was given, on a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from hachimachi.commands.narrow import narrow_console
from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.instruments import instrument_name
from hachimachi.text import count

_NAMES = 3  # of each kind are told
_LONGEST = 64  # characters of a name
_INSTRUMENTS = 8  # that are told
_PAIRS = 5  # near duplicates that are told


class _Line(NamedTuple):
    """What happened: how often, in how many files or sequences, what, and the first of them."""

    times: int
    files: int
    what: str
    names: Sequence[str]


def show_summary(sequences: Sequence[EventSequence], report: Report, *, in_beats: bool = False) -> None:
    """Print what was read, and what happened to it on the way."""
    console = narrow_console()
    console.print(_size(report, sequences[0].temporal, "beats" if in_beats else "s"))
    ranges = [f"{name} {_range(values)}" for name, values in _columns(sequences).items() if name != "instrument"]
    console.print(", ".join(ranges))
    for line in _instruments(sequences, report):
        console.print(line)
    lines = list(_lines(report))
    if lines:
        console.print(_table(lines, named=report.files + len(report.refused) > 1))
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
        told = ", ".join(f"{instrument_name(float(values[i]))} {counts[i]:,}" for i in order[:_INSTRUMENTS])
        yield f"instruments: {told}" + (f" and {len(order) - _INSTRUMENTS} more" if len(order) > _INSTRUMENTS else "")


def _lines(report: Report) -> Iterator[_Line]:
    """Give what happened: what was left out, what was understood or mended, what was asked for."""
    for reason, names in report.reasons().items():
        yield _Line(len(names), len(names), f"left out: {reason}", names)
    for remark, files in (*report.understood.items(), *report.remarks.items()):
        yield _Line(files.total(), len(files), remark, list(files))
    for reason, files in report.dropped.items():
        yield _Line(files.total(), len(files), f"events left out: {reason}", list(files))
    if report.cut:
        parts = report.cut.total() - len(report.cut)
        yield _Line(parts, len(report.cut), "cuts at gaps: the parts are called #1, #2, …", list(report.cut))
    if report.passed:
        kinds = [f"{suffix or 'no suffix'} {files:,}" for suffix, files in report.passed.most_common()]
        yield _Line(report.passed.total(), report.passed.total(), f"passed over, no data: {', '.join(kinds)}", ())


def _table(lines: Sequence[_Line], named: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("times", "in"):
        table.add_column(head, justify="right")
    table.add_column("what happened", overflow="fold")
    for line in lines:
        table.add_row(f"{line.times:,}", f"{line.files:,}", line.what)
        if named and line.names:
            table.add_row("", "", _some(line.names), style="dim")
    return table


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(_short(name) for name in names[:_NAMES])
    return shown + (f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else "")


def _short(name: str) -> str:
    """Return a name whose middle is left out if it is long: folders and endings tell most."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"


def _duplicates(report: Report) -> Iterator[str]:
    pairs = report.duplicates
    if pairs:
        higher = " (+3: three semitones higher)" if any(pair.transposed for pair in pairs) else ""
        yield f"{count(len(pairs), 'pair')} of sequences tell the same, or nearly{higher}:"
    for name, of, score, shift in pairs[:_PAIRS]:
        one, other = f"  {score:.0%} of {_short(name)}", f"is in {_short(of)}" + (f" ({shift:+d})" if shift else "")
        yield f"{one} {other}" if len(one) + len(other) < 80 else f"{one}\n    {other}"
    if len(pairs) > _PAIRS:
        yield f"  and {len(pairs) - _PAIRS:,} more"
