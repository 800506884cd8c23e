"""What is in a data set, on a screen of 80 columns."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from hachimachi.commands.narrow import narrow_console
from hachimachi.commands.report_table import report_table
from hachimachi.description.describe import describe
from hachimachi.description.description import ColumnDescription, Description, Finding
from hachimachi.description.histogram import Histogram, sparkline
from hachimachi.io import Report
from hachimachi.io.instruments import instrument_name, tell_instruments
from hachimachi.io.opening import open_collection
from hachimachi.io.time_unit import MILLISECONDS
from hachimachi.progress import show_events, show_reading
from hachimachi.text import count

_MANY = 40
"""Columns that are shown on a screen."""
_ALIKE = 5
"""Findings of a kind that are shown."""
_BLOCKS = 16
"""Blocks of a small distribution."""


def show_data(path: Path, *, as_json: bool = False, picture: Path | None = None) -> None:
    """Print what is in a data set and what looks wrong, or all of it as JSON, and draw it where that is asked for."""
    if picture is not None:
        _check(picture)
    report = Report()
    collection = open_collection(path, report, progress=show_reading)
    with show_events(collection.events) as progress:
        data = describe(collection, name=str(path), progress=progress)
    if any(finding.kind == "milliseconds" for finding in data.findings):
        report.remarks.pop(MILLISECONDS, None)  # said there, with the figures
    if as_json:
        told = {"read_as": report.understood, "mended_or_odd": report.remarks, "left_out": report.refused}
        click.echo(json.dumps(data.to_json() | told, ensure_ascii=False, indent=1))
    else:
        console = narrow_console()
        for line in _tell(data, console.width):
            console.print(line, soft_wrap=True) if isinstance(line, str) else console.print(line)
        _print_remarks(console, report)
        _print_findings(console, data)
    if picture is not None:
        _draw(data, picture)
        click.echo(f"→ {picture}", err=as_json)


def _check(picture: Path) -> None:
    from hachimachi.canvas_file import check_picture

    check_picture(picture)


def _draw(data: Description, picture: Path) -> None:
    from hachimachi import plot

    plot.save(plot.overview(data), picture)


def _tell(data: Description, width: int) -> Iterator[str | Table]:
    yield f"{data.name}: {data.size()}"
    if data.sequences > 1:
        shortest, median, longest = data.lengths
        yield f"sequences: median {median:,} events"
        yield f"  shortest {shortest:,} ({data.shortest})"
        yield f"  longest {longest:,} ({data.longest})"
    yield _table(data.columns[:_MANY])
    if len(data.columns) > _MANY:
        yield f"and {count(len(data.columns) - _MANY, 'more column')}: --json tells of all"
    yield from _legend(data)
    yield from _between(data)
    if data.instruments:
        yield textwrap.fill(tell_instruments(data.instruments), width, subsequent_indent="  ")


def _table(columns: Sequence[ColumnDescription]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("feature", "kind", "range", "step", "distinct", "distribution"):
        justify = "right" if head in ("step", "distinct") else "left"
        table.add_column(head, justify=justify, overflow="fold", no_wrap=head in ("kind", "distribution"))
    for column in columns:
        table.add_row(*_row(column))
    return table


def _row(column: ColumnDescription) -> list[str]:
    kind = column.kind + "*" * ("kind" in column.declared)
    step = "" if column.resolution is None else f"{column.resolution:.4g}" + "*" * ("resolution" in column.declared)
    distinct = "many" if column.distinct is None else f"{column.distinct:,}"
    name, values = "~" * column.masked + column.name, f"{column.low:.4g}–{column.high:.4g}"
    return [name, kind, values, step, distinct, sparkline(Histogram.of(column, _BLOCKS))]


def _legend(data: Description) -> Iterator[str]:
    marks = ["~ masked: foretold, never heard"] if any(column.masked for column in data.columns) else []
    if any({"kind", "resolution"} & set(column.declared) for column in data.columns):
        marks.append("* declared, else derived")
    if any(Histogram.of(column, _BLOCKS).scale == "log" for column in data.columns):
        marks.append("seconds: log scale")
    if marks:
        yield "; ".join(marks)
    if data.sampled < data.events:
        yield f"distributions, quantiles and shares are of {data.sampled:,} events drawn from all"


def _between(data: Description) -> Iterator[str]:
    if data.seconds is not None and data.columns[0].events:
        time = data.columns[0]
        early, middle, late = (time.quantiles[share] for share in (0.05, 0.5, 0.95))
        yield f"between events: median {middle:.3g} s, nine of ten {early:.3g}–{late:.3g} s, longest {time.high:.4g} s;"
        yield f"  {data.at_zero:.0%} at 0 s, {data.at_once:.0%} at once (below 5 ms)"


def _print_findings(console: Console, data: Description) -> None:
    if not data.findings:
        console.print("nothing looks wrong")
        return
    console.print("what looks wrong:", style="bold")
    kinds = Counter(finding.kind for finding in data.findings)
    for finding in _first(data.findings):
        console.print(
            textwrap.fill(
                str(finding), console.width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
            )
        )
    more = [f"{kind} {found - _ALIKE:,}" for kind, found in kinds.items() if found > _ALIKE]
    if more:
        console.print(f"and more of the same: {', '.join(more)}; --json tells of all")


def _first(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Give the first few findings of each kind."""
    told = Counter[str]()
    for finding in findings:
        told[finding.kind] += 1
        if told[finding.kind] <= _ALIKE:
            yield finding


def _print_remarks(console: Console, report: Report) -> None:
    for column, value in report.constants.items():
        console.print(f"{column}: {instrument_name(value)} throughout, so the column is left out")
    if table := report_table(report):
        console.print(table)
