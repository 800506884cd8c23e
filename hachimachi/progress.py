"""How far work on many files is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

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
