"""Measuring job by job in processes of their own, each result a file, so that what was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from hachimachi.errors import HachimachiError
from hachimachi.io.atomic import replacing

Figures = dict[str, Any]
"""What is measured, as JSON holds it."""


@dataclass(frozen=True)
class Job:
    """One measurement.

    Args:
        path: The file of its result.
        name: What it is called where it fails.
        arguments: Of the function that measures, to be sent to another process.
    """

    path: Path
    name: str
    arguments: tuple[Any, ...]


def run(
    measure: Callable[..., Figures],
    jobs: Sequence[Job],
    line: Callable[[Job, Figures], str],
    at_once: int,
    console: Console,
) -> bool:
    """Measure what has no result yet, with a line for each; return whether all have one."""
    left = [job for job in jobs if not job.path.is_file()]
    if len(left) < len(jobs):
        console.print(f"{len(jobs) - len(left)} of {len(jobs)} are there already")
    with ProcessPoolExecutor(at_once, get_context("spawn")) as pool:
        futures = {pool.submit(measure, *job.arguments): job for job in left}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                job = futures[future]
                try:
                    figures = future.result()
                except HachimachiError as error:
                    console.print(f"{job.name}: failed: {error}")
                    continue
                with replacing(job.path) as beside:
                    beside.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
                console.print(f"{done}/{len(left)}  {line(job, figures)}")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            console.print("Stopped by Ctrl-C; the same again goes on from here")
    return all(job.path.is_file() for job in jobs)
