"""The results of a sweep: what its jobs left in their folders."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from omegaconf import OmegaConf

from hachimachi.io.atomic import replacing

MODEL = "model.pt"
SCORE = "score.json"
CURVE = "curve.csv"
HEADER = ("step", "seconds", "nats")
SEED = "seed"


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

    @property
    def words(self) -> tuple[str, ...]:
        """Its overrides, those that differ."""
        return tuple(f"{key}={value}" if value else key for key, value in self.values.items())


def read_jobs(folder: Path) -> list[Job]:
    """Read the jobs of a sweep that have begun, best first; of their overrides only those that differ."""
    folders = sorted(path.parents[1] for path in folder.rglob(".hydra/overrides.yaml"))
    words = {job: [word for word in read_overrides(job) if not word.startswith("sweep")] for job in folders}
    common = set.intersection(*map(set, words.values())) if len(words) > 1 else set()
    jobs = [Job(job, dict(split(word) for word in words[job] if word not in common), Score.read(job)) for job in words]

    def rank(job: Job) -> tuple[object, ...]:
        number = (int(job.name), "") if job.name.isdecimal() else (-1, str(job.folder))
        return bool(job.state), math.isnan(job.score), job.score, number

    return sorted(jobs, key=rank)


def read_overrides(job: Path) -> list[str]:
    """Return the overrides of a job as they were written."""
    path = job / ".hydra" / "overrides.yaml"
    return as_words(OmegaConf.load(path)) if path.is_file() else []


def as_words(overrides: Any) -> list[str]:
    r"""Return overrides as they were written: resolved, `\${` in a file name would lose its backslash."""
    container = OmegaConf.to_container(overrides, resolve=False)
    return [str(word) for word in container] if isinstance(container, list) else []


def split(word: str) -> tuple[str, str]:
    """Split an override into key and value."""
    key, _, value = word.partition("=")
    return key.lstrip("+"), value


def keys_of(jobs: Sequence[Job]) -> list[str]:
    """Return the keys that differ between jobs, in their order."""
    return list(dict.fromkeys(key for job in jobs for key in job.values))


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

    @property
    def deviation(self) -> float:
        """Standard deviation between seeds (n - 1), NaN of a single one."""
        return stdev(self.scores) if len(self.scores) > 1 else math.nan

    def __str__(self) -> str:
        spread = "" if math.isnan(self.deviation) else f" ± {self.deviation:.4f}"
        return f"{self.mean:.4f}{spread}"


def group_by_seed(jobs: Sequence[Job]) -> list[SeedGroup]:
    """Return groups of jobs that differ in their seed alone, best mean first; none where no seed was varied."""
    together: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for job in jobs:
        if SEED in job.values and not job.state and math.isfinite(job.score):
            others = tuple((key, value) for key, value in job.values.items() if key != SEED)
            together.setdefault(others, []).append(job.score)
    groups = [SeedGroup(dict(values), tuple(scores)) for values, scores in together.items()]
    return sorted(groups, key=lambda group: group.mean) if any(len(group.scores) > 1 for group in groups) else []
