"""The results of a sweep: what its jobs left in their folders, as a table too, and the best model."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hachimachi.console import make_console
from hachimachi.errors import HachimachiError, count
from hachimachi.io.atomic import replacing

MODEL, SCORE, CURVE = "model.pt", "score.json", "curve.csv"
HEADER = ("step", "seconds", "nats")


@dataclass(frozen=True)
class Score:
    """What a job writes when it ends."""

    val_nll: float | None = None
    marginal: float | None = None
    seconds: float | None = None
    pruned: int | None = None  # the step at which it was ended for falling behind
    stopped: str | None = None  # what ended it from outside, Ctrl-C or SIGTERM
    error: str | None = None
    test_nll: float | None = None
    weights: int | None = None
    events: int | None = None

    def write(self, folder: Path) -> None:
        """Write it into the folder of a job, whole or not at all; NaN and infinity are left out."""
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}
        kept = {key: value for key, value in finite.items() if value is not None or key == "val_nll"}
        with replacing(folder / SCORE) as beside:
            beside.write_text(json.dumps(kept) + "\n", encoding="utf-8")

    @staticmethod
    def read(folder: Path) -> Score | None:
        """Read it from the folder of a job; ``None`` while that has not ended."""
        path = folder / SCORE
        return Score(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


@dataclass(frozen=True)
class Job:
    """One job of a sweep."""

    folder: Path
    values: Mapping[str, str]  # what was chosen for each key that differs between jobs: ``{"model": "gru"}``
    ended: Score | None  # what it wrote in the end; ``None`` where it was cut off before

    @property
    def name(self) -> str:
        """Its number."""
        return self.folder.name

    @property
    def score(self) -> float:
        """Held-out nats per event; of a job that was cut off the best it came to, NaN where there are none."""
        if self.ended is None:
            return min((nats for _, nats in read_curve(self.folder)), default=math.nan)
        return math.nan if self.ended.val_nll is None else self.ended.val_nll

    @property
    def state(self) -> str:
        """How it ended if not by itself: ``failed``, ``pruned`` or ``stopped``."""
        if self.ended is None or self.ended.stopped:
            return "stopped"
        return "failed" if self.ended.error else "pruned" if self.ended.pruned is not None else ""


def read_jobs(folder: Path) -> list[Job]:
    """Read the jobs of a sweep that have begun, best first; of their overrides only those that differ."""
    files = sorted(folder.rglob(".hydra/overrides.yaml"))
    words = {path.parents[1]: as_words(OmegaConf.load(path)) for path in files}
    common = set.intersection(*map(set, words.values())) if len(words) > 1 else set()
    jobs = []
    for job, given in words.items():
        pairs = (word.partition("=") for word in given if word not in common and not word.startswith("sweep"))
        jobs.append(Job(job, {key.lstrip("+"): value for key, _, value in pairs}, Score.read(job)))

    def rank(job: Job) -> tuple[object, ...]:
        number = (int(job.name), "") if job.name.isdecimal() else (-1, str(job.folder))
        return bool(job.state), math.isnan(job.score), job.score, number

    return sorted(jobs, key=rank)


def as_words(overrides: Any) -> list[str]:
    r"""Return overrides as they were written: resolved, `\${` in a file name would lose its backslash."""
    container = OmegaConf.to_container(overrides, resolve=False)
    return [str(word) for word in container] if isinstance(container, list) else []


def read_curve(folder: Path) -> list[tuple[int, float]]:
    """Read the held-out nats of a job by step; a line that is being written is left for the next time."""
    path = folder / CURVE
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(HEADER)]
    return [(int(step), float(nats)) for step, _, nats in rows[1:]]


@dataclass(frozen=True)
class SeedGroup:
    """The scores of jobs that differ in their seed alone, with what differs between groups."""

    values: dict[str, str]
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the scores."""
        return mean(self.scores)

    def __str__(self) -> str:  # with the standard deviation between seeds (n - 1)
        return f"{self.mean:.4f}" + (f" ± {stdev(self.scores):.4f}" if len(self.scores) > 1 else "")


def group_by_seed(jobs: Sequence[Job]) -> list[SeedGroup]:
    """Return groups of jobs that differ in their seed alone, best mean first; none where no seed was varied."""
    together: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for job in jobs:
        if "seed" in job.values and not job.state and math.isfinite(job.score):
            others = tuple((key, value) for key, value in job.values.items() if key != "seed")
            together.setdefault(others, []).append(job.score)
    groups = [SeedGroup(dict(values), tuple(scores)) for values, scores in together.items()]
    return sorted(groups, key=lambda group: group.mean) if any(len(group.scores) > 1 for group in groups) else []


TABLE = "scores.csv"
MOST = 40  # jobs on the screen; the table in the folder has all
_LONG = re.compile(r"-?\d*\.\d{5,}(e[+-]?\d+)?")


def report(folder: Path, output: Path | None = None, *, interrupted: bool = False) -> None:
    """Print the jobs of a sweep, best first, leave a table in its folder, and copy the best model. Raises
    `HachimachiError`: A job failed, or the best model is to be copied and no job has a score."""
    jobs = read_jobs(folder)
    console = make_console(narrow=True)
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
    """Return a table of columns and one for each key, by its last part: `lr` for `optimizer.lr`, numbers rounded."""

    def shown(value: str) -> Text:
        return Text(f"{float(value):.3g}" if _LONG.fullmatch(value) else value, overflow="fold")

    keys = list(dict.fromkeys(key for each in values for key in each))
    last = [key.rpartition(".")[2] for key in keys]
    heads = [end if last.count(end) == 1 and end not in keys else key for key, end in zip(keys, last, strict=True)]
    table = Table(*columns, *heads, box=None, pad_edge=False, header_style="bold")
    for row, each in zip(zip(*columns.values(), strict=True), values, strict=False):
        table.add_row(*row, *(shown(each.get(key, "")) for key in keys))
    return table


def _write_table(folder: Path, jobs: Sequence[Job]) -> None:
    keys = list(dict.fromkeys(key for job in jobs for key in job.values))
    with replacing(folder / TABLE) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["job", "nats", "state", "marginal", "seconds", *keys])
        for job in jobs:
            ended = (job.ended.marginal, job.ended.seconds) if job.ended else (None, None)
            score = "" if math.isnan(job.score) else job.score
            values = (job.values.get(key, "") for key in keys)
            rows.writerow([job.name, score, job.state or "finished", *ended, *values])
    print(f"{folder / TABLE}: all scores")
