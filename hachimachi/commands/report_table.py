"""What happened to files on the way in, as a table for a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.table import Table

from hachimachi.io import Report
from hachimachi.text import listed

_NAMES = 3  # of each kind are told
_LONGEST = 64  # characters of a name


class _Line(NamedTuple):
    """What happened: how often, in how many files or sequences, what, and the first of them."""

    times: int
    files: int
    what: str
    names: Sequence[str]


def report_table(report: Report) -> Table | None:
    """Return what happened to files, a row for each kind of thing and the first names; nothing where all is well."""
    lines = list(_lines(report))
    if not lines:
        return None
    named = report.files + len(report.refused) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("times", "in"):
        table.add_column(head, justify="right")
    table.add_column("what happened", overflow="fold")
    for line in lines:
        table.add_row(f"{line.times:,}", f"{line.files:,}", line.what)
        if named and line.names:
            table.add_row("", "", listed([*map(shorten, line.names)], _NAMES), style="dim")
    return table


def shorten(name: str) -> str:
    """Return a name whose middle is left out if it is long: folders and endings tell most."""
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[: half - 1]}…{name[-half:]}"


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
