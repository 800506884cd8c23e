"""Ending a job that falls behind the others of its sweep."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import lightning as L

from hachimachi.training.callbacks import score_of
from hachimachi.training.sweep.results import CURVE, HEADER, SCORE, Score, read_curve

Curve = Sequence[tuple[int, float]]


class Prune(L.Callback):
    """Writes what a job's validations came to, and ends the job when it falls behind the jobs that are finished.

    A job falls behind when the best it has come to is worse than the median of the best that finished ones had come to
    at the same step (the median stopping rule, Golovin et al. 2017, https://doi.org/10.1145/3097983.3098043). Jobs know
    of each other by the files in their folders alone, so they may run in any process on any machine that sees them.

    Args:
        folder: Of this job.
        sweep: Of the whole sweep.
        after: Finished jobs before any is ended; ``None`` ends none.
        warmup: Steps before this one is.
    """

    def __init__(self, folder: Path, sweep: Path, after: int | None, warmup: int) -> None:
        self.folder, self.sweep, self.after, self.warmup = folder, sweep, after, warmup
        self.best, self.pruned = math.inf, None
        self.others: dict[Path, Curve] = {}
        self.started = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin the curve."""
        self.started = time.monotonic()
        if trainer.is_global_zero:
            self._append(HEADER, "w")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Go on with the curve, and compare."""
        score, step = score_of(trainer), trainer.global_step
        if trainer.sanity_checking or score is None:
            return
        self.best = min(self.best, score)
        if trainer.is_global_zero:
            self._append((step, f"{time.monotonic() - self.started:.1f}", score), "a")
        # of several processes each may find more jobs finished than another
        if trainer.strategy.reduce_boolean_decision(self._is_behind(step), all=False):
            self.pruned, trainer.should_stop = step, True

    def _append(self, row: Sequence[object], mode: str) -> None:
        with (self.folder / CURVE).open(mode, encoding="utf-8") as file:
            file.write(",".join(map(str, row)) + "\n")

    def _is_behind(self, step: int) -> bool:
        if self.after is None or step < self.warmup:
            return False
        self.others |= dict(_finished(self.sweep, {self.folder, *self.others}))
        there = [best for curve in self.others.values() if (best := best_at(curve, step)) is not None]
        return len(there) >= max(1, self.after) and self.best > median(there)


def best_at(curve: Curve, step: int) -> float | None:
    """Return the best of a curve up to a step; ``None`` where it begins later."""
    return min((nats for at, nats in curve if at <= step), default=None)


def _finished(sweep: Path, known: set[Path]) -> Iterator[tuple[Path, Curve]]:
    """Yield the curves of jobs that ended by themselves, known ones left out."""
    for path in sweep.rglob(SCORE):
        score = None if path.parent in known else Score.read(path.parent)
        if score and not (score.error or score.stopped or score.pruned is not None):
            yield path.parent, read_curve(path.parent)
