"""The summary of a sweep: on the screen, as a table in its folder, and the best model."""

from __future__ import annotations

import csv
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hachimachi.console import narrow_console
from hachimachi.errors import HachimachiError, count
from hachimachi.io.atomic import replacing
from hachimachi.training.sweep.results import MODEL, Job, group_by_seed, keys_of, read_jobs

TABLE = "scores.csv"
MOST = 40  # jobs on the screen; the table in the folder has all
_LONG = re.compile(r"-?\d*\.\d{5,}(e[+-]?\d+)?")


def report(folder: Path, output: Path | None = None, *, interrupted: bool = False) -> None:
    """Print the jobs of a sweep, best first, leave a table in its folder, and copy the best model.

    Raises:
        HachimachiError: A job failed, or the best model is to be copied and no job has a score.
    """
    jobs = read_jobs(folder)
    console = narrow_console()
    if jobs:
        _print(console, jobs)
        _write_table(folder, jobs)
    ended = sum(job.state in ("", "pruned") for job in jobs)
    if interrupted:
        console.print(f"Stopped; kept: {count(ended, 'finished job')} in", end=" ")
        console.print(str(folder), soft_wrap=True)
    kept = (job for job in jobs if job.state in ("", "pruned") and math.isfinite(job.score))
    best = next((job for job in kept if (job.folder / MODEL).is_file()), None)
    if output and best:
        with replacing(output) as beside:
            shutil.copyfile(best.folder / MODEL, beside)
        print(f"{output}: the best model, from {best.folder}")
    elif best:
        print(f"Best: {best.folder / MODEL}")
    failed = [job for job in jobs if job.state == "failed"]
    if failed and failed[0].ended:
        raise HachimachiError(f"{len(failed)} of {len(jobs)} jobs failed: {failed[0].ended.error}")
    if output and not best and not interrupted:
        raise HachimachiError(f"{output}: not written, for no job in {folder} has a score to choose it by")


def round_text(value: str) -> str:
    """Return a number with three digits if it has many, any other value as it is.

    >>> round_text("0.0034872364872"), round_text("gru")
    ('0.00349', 'gru')
    """
    return f"{float(value):.3g}" if _LONG.fullmatch(value) else value


def _print(console: Console, jobs: Sequence[Job]) -> None:
    shown = jobs[:MOST]
    scores = ["–" if math.isnan(job.score) else f"{job.score:.4f}" for job in shown]
    columns: dict[str, list[Any]] = {"job": [Text(job.name) for job in shown], "nats/event": scores}
    if any(job.state for job in shown):
        columns[""] = [job.state for job in shown]
    console.print(_table(columns, [job.values for job in shown]))
    if len(jobs) > MOST:
        console.print(f"and {len(jobs) - MOST} more in {TABLE}")
    groups = group_by_seed(jobs)
    if len(groups) == 1 and not groups[0].values:
        seeds = count(len(groups[0].scores), "seed")
        console.print(f"{groups[0]} nats per event over {seeds} (mean ± standard deviation)")
    elif groups:
        console.print("\nOver seeds (mean ± standard deviation):")
        columns = {"nats/event": list(map(str, groups)), "seeds": [str(len(group.scores)) for group in groups]}
        console.print(_table(columns, [group.values for group in groups]))
    for job in jobs:
        if job.ended and job.ended.error:
            console.print(f"job {job.name} failed: {job.ended.error}", style="yellow", soft_wrap=True)


def _table(columns: Mapping[str, Sequence[Any]], values: Sequence[Mapping[str, str]]) -> Table:
    """Return a table of columns and, after them, one for each key, by its last part: `lr` for `optimizer.lr`."""
    keys = list(dict.fromkeys(key for each in values for key in each))
    last = [key.rpartition(".")[2] for key in keys]
    heads = [end if last.count(end) == 1 and end not in keys else key for key, end in zip(keys, last, strict=True)]
    table = Table(*columns, *heads, box=None, pad_edge=False, header_style="bold")
    for row, each in zip(zip(*columns.values(), strict=True), values, strict=False):
        table.add_row(*row, *(Text(round_text(each.get(key, "")), overflow="fold") for key in keys))
    return table


def _write_table(folder: Path, jobs: Sequence[Job]) -> None:
    keys = keys_of(jobs)
    with replacing(folder / TABLE) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["job", "nats", "state", "marginal", "seconds", *keys])
        for job in jobs:
            ended = (job.ended.marginal, job.ended.seconds) if job.ended else (None, None)
            score = "" if math.isnan(job.score) else job.score
            values = (job.values.get(key, "") for key in keys)
            rows.writerow([job.name, score, job.state or "finished", *ended, *values])
    print(f"{folder / TABLE}: all scores")
