"""What a sweep came to: on the screen, as a table and a picture in its folder, and the best model."""

from __future__ import annotations

import csv
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hachimachi.errors import HachimachiError, count
from hachimachi.io.atomic import replacing
from hachimachi.training.sweep.results import MODEL, Group, Job, group_by_seed, keys_of, read_jobs

TABLE, PICTURE = "scores.csv", "scores.png"
MOST = 40
"""Jobs on the screen; the table in the folder has all."""
_LONG = re.compile(r"-?\d*\.\d{5,}(e[+-]?\d+)?")


def report(folder: Path, output: Path | None = None, *, interrupted: bool = False) -> None:
    """Print the jobs of a sweep, best first, leave a table and a picture in its folder, copy the best model.

    Args:
        folder: Of the sweep.
        output: Where the best model goes; nowhere by default.
        interrupted: Whether the sweep was ended from outside.

    Raises:
        HachimachiError: A job failed, or a best one was asked for and no job has a score.
    """
    jobs = read_jobs(folder)
    console = Console(highlight=False)
    console.width = min(console.width, 80)
    if jobs:
        _print(console, jobs)
        _keep(folder, jobs)
    ended = sum(job.state in ("", "pruned") for job in jobs)
    if interrupted:
        console.print(f"Stopped; kept: {count(ended, 'finished job')} in", end=" ", markup=False)
        console.print(str(folder), markup=False, soft_wrap=True)
    best = next((job for job in jobs if _is_candidate(job)), None)
    if output and best:
        _copy(best.folder / MODEL, output)
        print(f"{output}: the best model, from {best.folder}")
    elif best:
        print(f"Best: {best.folder / MODEL}")
    failed = [job for job in jobs if job.state == "failed"]
    if failed and failed[0].ended:
        raise HachimachiError(f"{len(failed)} of {len(jobs)} jobs failed: {failed[0].ended.error}")
    if output and not best and not interrupted:
        raise HachimachiError(f"{output}: not written, for no job in {folder} has a score to choose it by")


def shorten(value: str) -> str:
    """Return a number with no more digits than say something, any other value as it is.

    >>> shorten("0.0034872364872"), shorten("gru")
    ('0.00349', 'gru')
    """
    return f"{float(value):.3g}" if _LONG.fullmatch(value) else value


def _is_candidate(job: Job) -> bool:
    return job.state in ("", "pruned") and math.isfinite(job.score) and (job.folder / MODEL).is_file()


def _print(console: Console, jobs: Sequence[Job]) -> None:
    console.print(_job_table(jobs[:MOST]))
    if len(jobs) > MOST:
        console.print(f"and {len(jobs) - MOST} more in {TABLE}")
    groups = group_by_seed(jobs)
    if len(groups) == 1 and not groups[0].values:
        seeds = count(len(groups[0].scores), "seed")
        console.print(f"{groups[0]} nats per event over {seeds} (mean ± standard deviation)", markup=False)
    elif groups:
        console.print("\nOver seeds (mean ± standard deviation):")
        console.print(_group_table(groups))
    for job in jobs:
        if job.ended and job.ended.error:
            console.print(f"job {job.name} failed: {job.ended.error}", style="yellow", markup=False, soft_wrap=True)


def _job_table(jobs: Sequence[Job]) -> Table:
    keys, states = keys_of(jobs), any(job.state for job in jobs)
    table = _table("job", "nats/event", *(("",) if states else ()), *_heads(keys))
    for job in jobs:
        score = "–" if math.isnan(job.score) else f"{job.score:.4f}"
        values = [Text(shorten(job.values.get(key, "")), overflow="fold") for key in keys]
        table.add_row(Text(job.name), score, *((job.state,) if states else ()), *values)
    return table


def _group_table(groups: Sequence[Group]) -> Table:
    keys = list(dict.fromkeys(key for group in groups for key in group.values))
    table = _table("nats/event", "seeds", *_heads(keys))
    for group in groups[:MOST]:
        values = [Text(shorten(group.values.get(key, "")), overflow="fold") for key in keys]
        table.add_row(str(group), str(len(group.scores)), *values)
    return table


def _table(*heads: str) -> Table:
    return Table(*heads, box=None, pad_edge=False, header_style="bold")


def _heads(keys: Sequence[str]) -> list[str]:
    """Return the last part of each key, where no other ends in the same: `lr` for `optimizer.lr`."""
    last = [key.rpartition(".")[2] for key in keys]
    return [end if last.count(end) == 1 and end not in keys else key for key, end in zip(keys, last, strict=True)]


def _keep(folder: Path, jobs: Sequence[Job]) -> None:
    """Leave the table and the picture in the folder."""
    from hachimachi.plot import save
    from hachimachi.training.sweep.picture import draw

    keys = keys_of(jobs)
    with replacing(folder / TABLE) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["job", "nats", "state", "marginal", "seconds", *keys])
        for job in jobs:
            told = (job.ended.marginal, job.ended.seconds) if job.ended else (None, None)
            score = "" if math.isnan(job.score) else job.score
            rows.writerow([job.name, score, job.state or "finished", *told, *(job.values.get(key, "") for key in keys)])
    if picture := draw(jobs):
        save(picture, folder / PICTURE)
        print(f"{folder / TABLE}, {PICTURE}: all scores, as a table and as a picture")


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as beside:
        shutil.copyfile(source, beside)
