"""What several commands print, on a terminal of 80 columns: consoles, tables, progress, opening lines.

Rich is imported where something is printed, so that ``--help`` stays quick.
"""

from __future__ import annotations

import os
import queue
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from hachimachi.errors import listed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hachimachi.io import Report
    from hachimachi.models.event_model import EventModel
    from hachimachi.player.engine import StoredModel


def make_console(*, quiet: bool = False, narrow: bool = False) -> Console:
    """Return a console that prints texts as they are, and leaves long lines alone, or breaks them at 80 columns."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=not narrow, quiet=quiet)
    console.width = min(console.width, 80) if narrow else console.width
    return console


def print_filled(console: Console, text: str, style: str = "") -> None:
    """Print a text in lines of at most 80 columns, names and paths in one piece, on any terminal and in any file."""
    console.print(textwrap.fill(text, 80, break_long_words=False, break_on_hyphens=False), style=style)


def opening_lines(lines: Sequence[tuple[str, str, str]]) -> str:
    """Return what a live command prints first: lines of what, where and a text that may be long, in columns."""
    width = max(len(where) for _, where, _ in lines) + 2
    return "\n".join(
        textwrap.fill(
            f"{what:9}{where:{width}}{text}", 79, subsequent_indent=" " * (11 + width), break_on_hyphens=False
        ).rstrip()
        for what, where, text in lines
    )


class Printer:
    """Prints from a thread of its own: a terminal that takes nothing, as after Ctrl-S, holds up neither note nor
    recording. Of what it does not take, `MOST` texts are kept. What has no file descriptor is printed to at once."""

    MOST = 1000

    def __init__(self) -> None:
        self._texts: queue.Queue[tuple[int, bytes]] = queue.Queue(self.MOST)
        self._thread: threading.Thread | None = None

    def __call__(self, text: str, stream: TextIO | None = None, end: str = "\n") -> None:
        """Print a text, on standard output if no other stream is given; it never raises."""
        out: Any = stream or sys.stdout
        with suppress(AttributeError, OSError, ValueError, queue.Full):  # nobody reads, or there is no stream
            encoding = getattr(out, "encoding", None) or "utf-8"
            data = (text + end).encode(encoding, "replace")
            try:
                self._texts.put_nowait((out.fileno(), data))
            except UnsupportedOperation:
                print(data.decode(encoding), end="", file=out, flush=True)
            if self._thread is None:
                self._thread = threading.Thread(target=self._print, daemon=True)
                self._thread.start()

    def wait(self, seconds: float = 1.0) -> None:
        """Wait until all is printed, but no longer than this."""
        until = time.monotonic() + seconds
        while self._texts.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.001)

    def _print(self) -> None:
        while True:
            descriptor, data = self._texts.get()
            with suppress(OSError):
                while data:
                    data = data[os.write(descriptor, data) :]
            self._texts.task_done()


printer = Printer()


def make_table(headings: Sequence[str], right: Collection[str] = ()) -> Table:
    """Return an empty table without lines, some of its columns aligned to the right; long cells are broken, not cut."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


def column_table(model: EventModel | StoredModel, scores: Mapping[str, Mapping[str, float]] | None = None) -> Table:
    """Return what each column of a model is; with scores, its nats and those of the marginal baseline."""
    from hachimachi.columns import Categories

    figures = ("nats", "marginal") if scores else ()
    table = make_table(("feature", "kind", "values", "step", "", *figures), right=("step", *figures))
    for column in model.columns:
        grid = column.grid
        if isinstance(grid, Categories):
            number = len(grid.values)
            extent = [f"{number} categories" if number > 1 else "1 category", ""]
        else:
            low, high = ((grid.low + index) * grid.resolution for index in (column.occupied[0], column.occupied[-1]))
            extent = [f"{low:g}–{high:g}", f"{grid.resolution:g}"]
        cells = [f"{scores[column.name][key]:.2f}" for key in figures] if scores else []
        masked = "masked" if column.feature.masked else ""
        table.add_row(column.name, column.feature.kind, *extent, masked, *cells)
    return table


NAMES = 3  # files of each kind that a report names
LONGEST = 64  # characters of a name


def report_table(report: Report) -> Table | None:
    """Return what happened to files, a row for each kind of thing and the first names; nothing where all is well."""
    rows: list[tuple[int, int, str, list[str]]] = []  # times, files, what, names
    for reason, names in report.reasons().items():
        rows.append((len(names), len(names), f"left out: {reason}", names))
    dropped = {f"events left out: {reason}": files for reason, files in report.dropped.items()}
    for what, files in (*report.understood.items(), *report.remarks.items(), *dropped.items()):
        rows.append((files.total(), len(files), what, list(files)))
    if report.cut:
        parts = report.cut.total() - len(report.cut)
        rows.append((parts, len(report.cut), "cuts at gaps: the parts are called #1, #2, …", list(report.cut)))
    if report.passed:
        kinds = ", ".join(f"{suffix or 'no suffix'} {files:,}" for suffix, files in report.passed.most_common())
        total = report.passed.total()
        rows.append((total, total, f"passed over, no data: {kinds}", []))
    if not rows:
        return None
    table = make_table(("times", "in", "what happened"), right=("times", "in"))
    for times, files, what, names in rows:
        table.add_row(f"{times:,}", f"{files:,}", what)
        if names and report.files + len(report.refused) > 1:
            table.add_row("", "", listed([*map(shorten, names)], NAMES), style="dim")
    return table


def shorten(name: str) -> str:
    """Return a name without its middle if it is long: folders and endings matter most."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[: half - 1]}…{name[-half:]}"


SOON = 0.5  # seconds within which reading is over before a bar could be read
OFTEN = 10.0  # seconds between two lines where there is no terminal


def show_reading(files: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> Iterator[Path]:
    """Give files one by one and show how many are done: a bar on a terminal, else a line every ten seconds."""
    if len(files) < 2:
        yield from files
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    columns = "reading", BarColumn(), MofNCompleteColumn(), "files", TimeRemainingColumn()
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task("", total=len(files))
    shown = clock()
    with ExitStack() as stack:
        for number, path in enumerate(files):
            if not console.is_terminal and clock() - shown > OFTEN:
                console.print(f"reading: {number:,} of {len(files):,} files")
                shown = clock()
            elif console.is_terminal and not progress.live.is_started and clock() - shown > SOON:
                stack.enter_context(progress)
            yield path
            progress.advance(task)
