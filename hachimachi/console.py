"""What several commands show of a model, on a screen of 80 columns."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hachimachi.errors import listed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hachimachi.columns import Column
    from hachimachi.io import Report
    from hachimachi.models.event_model import EventModel


def make_console(*, quiet: bool = False) -> Console:
    """Return a console that prints texts as they are and leaves the breaking of long lines to the terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True, quiet=quiet)


def column_table(model: EventModel, scores: Mapping[str, Mapping[str, float]] | None = None) -> Table:
    """Return what each column is; with scores, what it costs in nats and under the marginal baseline."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("feature", "kind", "values", "step", "", *(("nats", "marginal") if scores else ())):
        table.add_column(heading, justify="right" if heading in ("step", "nats", "marginal") else "left")
    for column in model.columns:
        masked = "masked" if column.feature.masked else ""
        told = [f"{scores[column.name][key]:.2f}" for key in ("nats", "marginal")] if scores else []
        table.add_row(column.name, column.feature.kind, *_extent(column), masked, *told)
    return table


def _extent(column: Column) -> tuple[str, str]:
    """Return the range of the training values and the step of the grid."""
    from hachimachi.columns import Categories

    if isinstance(column.grid, Categories):
        number = len(column.grid.values)
        return f"{number} categories" if number > 1 else "1 category", ""
    grid = column.grid
    low, high = ((grid.low + place) * grid.resolution for place in (column.occupied[0], column.occupied[-1]))
    return f"{low:g}–{high:g}", f"{grid.resolution:g}"


SOON = 0.5
"""Seconds within which reading is over before a bar could be read."""
OFTEN = 10.0
"""Seconds between two lines where there is no terminal."""
MANY = 2_000_000
"""Events; fewer are counted before a bar could be read."""
LONG = 300_000
"""Events; with fewer, work such as writing them is done at once."""


def show_reading(files: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> Iterable[Path]:
    """Show how far it is while files are gone through: a bar on a terminal, else a line every ten seconds.

    Args:
        files: What is gone through.
        clock: Seconds.
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if len(files) < 2:
        return files
    return _show_bar(files, console, clock) if console.is_terminal else _show_lines(files, console, clock)


@contextmanager
def show_work(what: str, events: int) -> Iterator[None]:
    """Show on a terminal what takes its time, if there are many events."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with console.status(what) if console.is_terminal and events >= LONG else nullcontext():
        yield


def _show_bar(files: Sequence[Path], console: Console, clock: Callable[[], float]) -> Iterator[Path]:
    """Give the files; once it takes long, with a bar."""
    start = clock()
    for number, path in enumerate(files):
        if clock() - start > SOON:
            yield from _with_bar(files, number, console)
            return
        yield path


def _with_bar(files: Sequence[Path], done: int, console: Console) -> Iterator[Path]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = "reading", BarColumn(), MofNCompleteColumn(), "files", TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(files), completed=done)
        for path in files[done:]:
            yield path
            progress.advance(task)


def _show_lines(files: Sequence[Path], console: Console, clock: Callable[[], float]) -> Iterator[Path]:
    due = clock() + OFTEN
    for number, path in enumerate(files):
        if clock() > due:
            console.print(f"reading: {number:,} of {len(files):,} files")
            due = clock() + OFTEN
        yield path


@contextmanager
def show_events(total: int) -> Iterator[Callable[[int], None]]:
    """Give a function to tell how many events are done, and show it where there are many: a bar, on a terminal.

    Args:
        total: How many there are.
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if total < MANY or not console.is_terminal:
        yield lambda events: None  # noqa: ARG005  (what it takes is how it is called)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    columns = "counting", BarColumn(), TaskProgressColumn(), f"of {total:,} events", TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda events: progress.update(task, completed=events)


def narrow_console() -> Console:
    """Return a console that prints texts as they are, broken where lines would be longer than 80 columns."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    console.width = min(console.width, 80)
    return console


def sign(lines: Sequence[tuple[str, str, str]]) -> str:
    """Return lines of what, where and a text that may be long, in columns, on 80 characters.

    >>> print(sign([("hears", "127.0.0.1:8000", "/input a b"), ("end", "Ctrl-C", "")]))
    hears    127.0.0.1:8000  /input a b
    end      Ctrl-C
    """
    width = max(len(where) for _, where, _ in lines) + 2
    return "\n".join(
        textwrap.fill(
            f"{what:9}{where:{width}}{text}", 79, subsequent_indent=" " * (11 + width), break_on_hyphens=False
        ).rstrip()
        for what, where, text in lines
    )


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
    from rich.table import Table

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
