"""One job under Hydra: a run of its own, or one of a sweep."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from hachimachi.errors import HachimachiError
from hachimachi.training import processes
from hachimachi.training.config import check
from hachimachi.training.overrides import plain, quote
from hachimachi.training.sweep.folder import BASIC
from hachimachi.training.sweep.results import MODEL, Score, as_words

if TYPE_CHECKING:
    from hachimachi.training.sweep.pruning import Prune

LOG = "log.txt"
FAILED = float("inf")
"""What a job without a score is worth to a sweeper; Optuna takes no NaN."""


@dataclass(frozen=True)
class Place:
    """Where a job is: its folder, that of the sweep it is part of, and whether others run at the same time."""

    folder: Path
    sweep: Path | None
    beside: bool

    @staticmethod
    def of(job: HydraConf) -> Place:
        """Find the place of the job that Hydra began; in a process started by another one, that one's."""
        if processes.is_ours():
            sweep = os.environ.get(processes.SWEEP)
            return Place(Path(os.environ[processes.FOLDER]), Path(sweep) if sweep else None, beside=False)
        folder, many = Path(job.runtime.output_dir), job.mode == RunMode.MULTIRUN
        return Place(folder, Path(job.sweep.dir) if many else None, many and job.launcher._target_ != BASIC)


def make_task(flags: list[str], failures: list[HachimachiError]) -> Callable[[DictConfig], float]:
    """Return the function Hydra calls for each job: train, write score.json, return the score.

    Hydra prints and swallows exceptions, and one ends a sweep. So an error that the user can mend goes to `failures`
    and score.json, and in a sweep any other error to score.json too.

    Args:
        flags: Words for Hydra itself, `--config-dir=…`, which processes of further devices need too.
        failures: Where errors are put.
    """

    def task(cfg: DictConfig) -> float:
        place = Place.of(HydraConfig.get())
        with _log(place.folder) if place.beside else nullcontext():
            try:
                score = _run(_prepare(cfg, place, flags), place)
            except HachimachiError as error:
                failures.append(error)
                _fail(place.folder, str(error))
                return FAILED
            except Exception as error:
                if place.sweep is None or processes.is_ours():
                    raise
                (place.folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
                _fail(place.folder, f"{type(error).__name__}: {' '.join(str(error).split())}")
                return FAILED
        if score.stopped and not processes.is_ours():
            raise KeyboardInterrupt
        return FAILED if score.val_nll is None else score.val_nll

    return task


def _prepare(cfg: DictConfig, place: Place, flags: list[str]) -> DictConfig:
    typed, job = check(cfg), HydraConfig.get()
    words = as_words(job.overrides.task)
    if job.mode == RunMode.MULTIRUN:
        print(f"job {job.job.num}: {' '.join(words)}", flush=True)
        typed.output = plain(str(place.folder / MODEL))
        words.append(f"output={quote(str(place.folder / MODEL))}")
    # what a process for each further device is started with
    sys.argv = [sys.argv[0], "train", *flags, *words]
    return typed


def _run(cfg: DictConfig, place: Place) -> Score:
    """Train in this process, or in several that this one waits for."""
    if processes.is_started() or processes.count(cfg) == 1:
        return _train(cfg, place)
    here = [f"hydra.run.dir={quote(str(place.folder.absolute()))}", "hydra.output_subdir=null"]
    number, nodes = processes.count_here(cfg), cfg.trainer.num_nodes
    processes.run_together([*sys.argv[1:], *here], number, nodes, place.folder, place.sweep)
    return Score.read(place.folder) or Score()


def _train(cfg: DictConfig, place: Place) -> Score:
    from hachimachi.training.run import train

    began = time.monotonic()
    prune = _prune(cfg, place)
    run = train(cfg, place.folder, [prune] if prune else [])
    seconds = round(time.monotonic() - began, 1)
    score = Score(run.score, run.marginal, seconds, prune.pruned if prune else None, run.interrupted or None)
    if processes.rank() == 0:
        score.write(place.folder)
    return score


def _prune(cfg: DictConfig, place: Place) -> Prune | None:
    """Return what writes the curve of a job of a sweep and, if that is wanted, ends it when it falls behind."""
    if place.sweep is None:
        return None
    from hachimachi.training.sweep.pruning import Prune

    return Prune(place.folder, place.sweep, cfg.sweep.prune_after if cfg.sweep.prune else None, cfg.sweep.warmup)


def _fail(folder: Path, error: str) -> None:
    if Score.read(folder) is None:
        Score(error=error).write(folder)


@contextmanager
def _log(folder: Path) -> Iterator[None]:
    """Write what a job says into its folder, where others speak at the same time."""
    with (folder / LOG).open("a", encoding="utf-8", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        yield
