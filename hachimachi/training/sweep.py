"""One job under Hydra, and what a sweep of jobs came to."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hachimachi.errors import HachimachiError
from hachimachi.training.config import check
from hachimachi.training.overrides import plain, quote

MODEL = "model.pt"
SCORE = "score.json"


class SweepFolder(Callback):
    """Remembers where Hydra put the last sweep.

    Hydra swallows what a callback raises, and calls none after Ctrl-C: whoever called Hydra does the reporting.
    """

    last: ClassVar[Path | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002  (Hydra's signature)
        """Keep the folder of the sweep that begins."""
        SweepFolder.last = Path(config.hydra.sweep.dir)


@dataclass(frozen=True)
class Job:
    """What one job of a sweep came to; `score` in nats per event, NaN where nothing was held out."""

    folder: Path
    overrides: tuple[str, ...]
    score: float
    error: str | None


def make_task(flags: list[str], failures: list[HachimachiError]) -> Callable[[DictConfig], float]:
    """Return the function Hydra calls for each job: train, write score.json, return the score.

    Hydra prints and swallows exceptions, so an error the user can mend goes to `failures` and score.json.

    Args:
        flags: Words for Hydra itself, `--config-dir=…`, which processes of further devices need too.
        failures: Where errors are put.
    """

    def task(cfg: DictConfig) -> float:
        from lightning.pytorch.utilities import rank_zero_only

        from hachimachi.training.run import train

        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            run = train(_prepare(cfg, folder, flags), folder)
        except HachimachiError as error:
            failures.append(error)
            _write_score(folder, math.nan, str(error))
            return math.nan
        if getattr(rank_zero_only, "rank", 0) == 0:
            _write_score(folder, run.score)
        if run.interrupted:
            raise KeyboardInterrupt
        return run.score

    return task


def report(folder: Path, output: Path | None = None) -> None:
    """Print the jobs of a sweep, best first, and copy the best model to `output`.

    Raises:
        HachimachiError: A job failed, or a best one was asked for and no job has a score.
    """
    jobs = read_jobs(folder)
    if jobs:
        _print_jobs(jobs)
    best = next((job for job in jobs if math.isfinite(job.score) and (job.folder / MODEL).is_file()), None)
    if output and best:
        _copy(best.folder / MODEL, output)
        print(f"{output}: the best model, from {best.folder}")
    failed = [job for job in jobs if job.error]
    if failed:
        raise HachimachiError(f"{len(failed)} of {len(jobs)} jobs failed: {failed[0].error}")
    if output and not best:
        raise HachimachiError(f"{output}: not written, for no job in {folder} has a score to choose it by")


def read_jobs(folder: Path) -> list[Job]:
    """Read the finished jobs of a sweep, best first; of their overrides only those that differ."""
    found = {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob(SCORE)}
    words = {job: _read_overrides(job) for job in found}
    common = set.intersection(*map(set, words.values())) if len(words) > 1 else set()
    jobs = [
        Job(
            folder=job,
            overrides=tuple(word for word in words[job] if word not in common),
            score=math.nan if score["val_nll"] is None else score["val_nll"],
            error=score.get("error"),
        )
        for job, score in found.items()
    ]
    return sorted(jobs, key=lambda job: (math.isnan(job.score), job.score, str(job.folder)))


def _prepare(cfg: DictConfig, folder: Path, flags: list[str]) -> DictConfig:
    typed, job = check(cfg), HydraConfig.get()
    words = _as_list(job.overrides.task)
    if job.mode == RunMode.MULTIRUN:
        print(f"job {job.job.num}: {' '.join(words)}")
        typed.output = plain(str(folder / MODEL))
        words.append(f"output={quote(str(folder / MODEL))}")
    # Lightning starts a process for each further device with these words
    sys.argv = [sys.argv[0], "train", *flags, *words]
    return typed


def _write_score(folder: Path, score: float, error: str | None = None) -> None:
    content = {"val_nll": score if math.isfinite(score) else None} | ({"error": error} if error else {})
    beside = folder / f"{SCORE}.part"
    beside.write_text(json.dumps(content) + "\n", encoding="utf-8")
    beside.replace(folder / SCORE)


def _read_overrides(job: Path) -> list[str]:
    path = job / ".hydra" / "overrides.yaml"
    return _as_list(OmegaConf.load(path)) if path.is_file() else []


def _as_list(words: Any) -> list[str]:
    """Return overrides as they were written: resolved, `\\${` in a file name would lose its backslash."""
    container = OmegaConf.to_container(words, resolve=False)
    return [str(word) for word in container] if isinstance(container, list) else []


def _print_jobs(jobs: list[Job]) -> None:
    table = Table("job", "nats/event", "overrides", box=None, pad_edge=False, header_style="bold")
    for job in jobs:
        score = "failed" if job.error else "–" if math.isnan(job.score) else f"{job.score:.4f}"
        table.add_row(Text(job.folder.name), score, Text(" ".join(job.overrides), overflow="fold"))
    console = Console(highlight=False)
    console.width = min(console.width, 80)
    console.print(table)


def _copy(source: Path, target: Path) -> None:
    beside = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(source, beside)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise HachimachiError(f"{target}: cannot be written: {error.strerror}") from error
