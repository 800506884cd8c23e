"""Searching: jobs ended early for falling behind, and how many jobs of a search run at once."""

from __future__ import annotations

import logging
import math
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import lightning as L
from hydra.experimental.callback import Callback
from lightning.pytorch.trainer.states import TrainerFn
from omegaconf import DictConfig, flag_override

from hachimachi.training.callbacks import score_of
from hachimachi.training.sweep.results import CURVE, HEADER, SCORE, Score, read_curve

Curve = Sequence[tuple[int, float]]


class Prune(L.Callback):
    """Writes the curve of a job's validation scores, and ends the job when it falls behind the jobs that are finished.

    A job falls behind when its best score is worse than the median of the best that finished ones had at the same step
    (the median stopping rule, Golovin et al. 2017, https://doi.org/10.1145/3097983.3098043), once ``after`` have
    finished and from step ``warmup`` on. Jobs know of each other by the files in their folders alone, on any machine.
    """

    def __init__(self, folder: Path, sweep: Path, after: int | None, warmup: int) -> None:
        self.folder, self.sweep, self.after, self.warmup = folder, sweep, after, warmup
        self.best, self.pruned = math.inf, None
        self.others: dict[Path, Curve] = {}
        self.started = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Write the head of the curve."""
        self.started = time.monotonic()
        if trainer.is_global_zero:
            self._append(HEADER, "w")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Add to the curve, and compare."""
        nats, step = score_of(trainer), trainer.global_step
        if trainer.sanity_checking or nats is None:
            return
        self.best = min(self.best, nats)
        if trainer.is_global_zero:
            self._append((step, f"{time.monotonic() - self.started:.1f}", nats), "a")
        behind = False
        if self.after is not None and step >= self.warmup and trainer.state.fn == TrainerFn.FITTING:  # not over yet
            for path in self.sweep.rglob(SCORE):
                score = None if path.parent in {self.folder, *self.others} else Score.read(path.parent)
                if score and not (score.error or score.stopped or score.pruned is not None):
                    self.others[path.parent] = read_curve(path.parent)
            there = [best for curve in self.others.values() if (best := best_at(curve, step)) is not None]
            behind = len(there) >= max(1, self.after) and self.best > median(there)
        # of several processes each may find more jobs finished than another
        if trainer.strategy.reduce_boolean_decision(behind, all=False):
            self.pruned, trainer.should_stop = step, True

    def _append(self, row: Sequence[object], mode: str) -> None:
        with (self.folder / CURVE).open(mode, encoding="utf-8") as file:
            file.write(",".join(map(str, row)) + "\n")


def best_at(curve: Curve, step: int) -> float | None:
    """Return the best of a curve up to a step; ``None`` where it begins later."""
    return min((nats for at, nats in curve if at <= step), default=None)


BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"  # one job after the other, in this process
QUEUE = 8  # jobs that a search has in the queue of a cluster at once by default


class SweepFolder(Callback):
    """Remembers where Hydra put the last sweep, and has as many jobs of a search at once as there is room for. Hydra
    swallows what a callback raises, and calls none after Ctrl-C: the caller of Hydra reports."""

    last: ClassVar[Path | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002  (Hydra's signature)
        """Keep the folder of the sweep that begins."""
        SweepFolder.last = Path(config.hydra.sweep.dir)
        launcher, sweeper = config.hydra.launcher._target_, config.hydra.sweeper
        if "n_jobs" in sweeper:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import optuna  # which an installation without the extra lacks

            optuna.logging.set_verbosity(logging.WARNING)  # else it prints that a study was created
            given = config.hydra.launcher.get("n_jobs", -1)
            here = given if given >= 1 else os.cpu_count() or 1
            room = 1 if launcher == BASIC else QUEUE if "Slurm" in launcher else here
            with flag_override(sweeper, ["readonly", "struct"], [False, False]):
                sweeper.n_jobs = min(config.sweep.jobs or room, sweeper.n_trials)
