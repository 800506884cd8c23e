"""How far the jobs of a sweep are that run in other processes."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from hachimachi.text import count
from hachimachi.training.sweep.results import Job, read_jobs

EVERY = 0.5
"""Seconds between two looks into the folder."""
MOST = 12
"""Running jobs that are shown."""


class Watch:
    """Looks into the folder of a sweep, and shows what runs and what has ended.

    On a terminal a few lines that change; elsewhere one line when a job has ended.

    Args:
        folder: Of the sweep.
        console: Where to show it.
    """

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        self.folder, self.console = folder, console or Console(highlight=False, markup=False)
        self.live = Live(console=self.console, transient=True, auto_refresh=False)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.told: set[Path] = set()
        self.began: dict[Path, float] = {}

    def start(self) -> None:
        """Begin to show."""
        if self.console.is_terminal:
            self.live.start()
        self.thread.start()

    def end(self) -> None:
        """Show what came last, and no more."""
        self.over.set()
        self.thread.join()
        self.look()
        self.live.stop()

    def _run(self) -> None:
        while not self.over.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Look once, and show."""
        jobs = read_jobs(self.folder)
        for job in jobs:
            self.began.setdefault(job.folder, time.monotonic())
            if job.ended and job.folder not in self.told:
                self.told.add(job.folder)
                self.console.print(line_of(job), soft_wrap=True)
        if self.live.is_started:
            self.live.update(self._picture(jobs), refresh=True)

    def _picture(self, jobs: list[Job]) -> Group:
        running = [job for job in jobs if job.ended is None]
        ended = [job for job in jobs if job.ended and math.isfinite(job.score)]
        best = f", best {ended[0].score:.2f} (job {ended[0].name})" if ended else ""
        head = Text(f"{count(len(jobs) - len(running), 'job')} done, {len(running)} running{best}; Ctrl-C keeps these")
        lines = [self._running(job) for job in running[:MOST]]
        return Group(*lines, head)

    def _running(self, job: Job) -> Text:
        seconds = time.monotonic() - self.began[job.folder]
        best = f"{job.score:7.2f}" if job.curve else "      –"
        text = f"job {job.name:>3} {seconds:4.0f} s {best}  {' '.join(job.words)}"
        return Text(text, no_wrap=True, overflow="ellipsis")


def line_of(job: Job) -> str:
    """Return what came of a job, in one line."""
    assert job.ended is not None
    score = job.ended.error or (f"{job.score:.4f}" if math.isfinite(job.score) else "no score")
    state = f" ({job.state})" if job.state else ""
    return f"job {job.name}{state}: {score}  {' '.join(job.words)}".rstrip()
