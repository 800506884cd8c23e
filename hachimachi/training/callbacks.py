"""Callbacks beside the training loop: the best model is kept, and the screen shows how it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text
from torch import Tensor

from hachimachi.checkpoint import save_model
from hachimachi.training.limits import Limits
from hachimachi.training.module import EventModule, tag
from hachimachi.training.tensorboard import find_board, lay_out_charts

OFTEN = 0.1
"""Seconds between two moves of the bar."""
SELDOM = 10.0
"""Seconds between two lines of progress where there is no terminal."""


def score_of(trainer: L.Trainer) -> float | None:
    """Return the held-out nats per event of the last validation, if there was one."""
    score = trainer.callback_metrics.get("val/nll")
    return None if score is None else float(score)


class KeepBest(L.Callback):
    """Writes the model file at every new best, so that whatever happens leaves a usable model.

    Without anything held out the last model is the best. A model that has diverged, with weights or a score that are no
    numbers, is never written.

    Args:
        path: The model file.
        summary: What to store with the model; the score is added.
    """

    def __init__(self, path: Path, summary: dict[str, Any]) -> None:
        self.path, self.summary = path, summary
        self.best = math.nan
        self.diverged = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the model if it is the best so far."""
        score = score_of(trainer)
        if trainer.sanity_checking or score is None or score >= self.best:
            return
        if not math.isfinite(score):
            self.diverged = True
            return
        self.best = score
        self._write(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the last model if there was no score to choose by."""
        if math.isnan(self.best) and not self.diverged:
            self._write(trainer, pl_module)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Leave a usable model after Ctrl-C too."""
        if isinstance(exception, KeyboardInterrupt | SystemExit):  # Lightning turns SIGTERM into an exit
            self.on_train_end(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return the best score, which a run that goes on has to beat, and where the model is that has it."""
        return {"best": self.best, "path": str(self.path.resolve())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best score, if the model that has it is still where this run writes."""
        if self.path.is_file() and str(self.path.resolve()) == state_dict["path"]:
            self.best = state_dict["best"]

    def _write(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, EventModule)
        self.diverged = not all(weight.isfinite().all() for weight in module.parameters())
        if self.diverged or not trainer.is_global_zero:
            return
        done = {"epochs": trainer.current_epoch + 1, "steps": trainer.global_step}
        module.played.summary = {**self.summary, **done}
        save_model(module.played, self.path)


class Baseline(L.Callback):
    """Logs the marginal baseline beside every validation score, in total and by column.

    Args:
        marginals: Nats of each column, by its name.
    """

    def __init__(self, marginals: Mapping[str, float]) -> None:
        self.values = {tag("marginal", name): nats for name, nats in marginals.items()}
        self.values["marginal/nll"] = sum(marginals.values())

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Have TensorBoard draw it into the charts of what is to stay below it."""
        logger = find_board(trainer)
        if logger:
            assert isinstance(pl_module, EventModule)
            lay_out_charts(logger.experiment, [column.name for column in pl_module.model.columns])

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Log what does not change, to draw a line to stay below."""
        pl_module.log_dict(self.values)


class TrainingProgress(L.Callback):
    """A bar of what is used up of the limits, and one line: time, training and held-out nats per event, the best.

    Args:
        marginal: The marginal baseline on the held-out part, NaN if there is none.
        keep: Knows the best score.
        limits: When the run ends at the latest.
        console: Where to write; lines come seldom where it is no terminal.
    """

    def __init__(self, marginal: float, keep: KeepBest, limits: Limits, console: Console) -> None:
        self.marginal, self.keep, self.limits, self.console = marginal, keep, limits, console
        self.line: Text | None = None
        self.losses: list[Tensor] = []
        self.bar = Progress(BarColumn(bar_width=7), TextColumn("{task.description}"), console=console, transient=True)
        self.task = self.bar.add_task("", total=1.0)
        self.started = self.printed = self.moved = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin to show."""
        self.started = self.printed = time.monotonic()
        if self.console.is_terminal:
            self.bar.start()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Take note of the loss, and move the bar: in a large collection an epoch takes long."""
        self.losses.append(outputs["loss"].detach())
        now = time.monotonic()
        if self.bar.live.is_started and now - self.moved > OFTEN:
            self.moved = now
            self.bar.update(self.task, completed=self._used(trainer))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Show how it goes."""
        self._show(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Show how it goes, where no validation just did."""
        if self.losses:
            self._show(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Leave the last line standing."""
        if self.bar.live.is_started:
            self.bar.stop()
        self._print()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Give the terminal back."""
        self.on_train_end(trainer, pl_module)

    def _show(self, trainer: L.Trainer) -> None:
        score, seconds = score_of(trainer), time.monotonic() - self.started
        train = float(torch.stack(self.losses).mean()) if self.losses else math.nan
        self.line = Text(f"epoch {trainer.current_epoch + 1:4d} {seconds:4.0f} s  train {train:.2f}")
        if score is not None:
            self.line.append(f"  held out {score:.2f}  best {self.keep.best:.2f}  baseline {self.marginal:.2f}")
        self.losses.clear()
        if self.bar.live.is_started:
            self.bar.update(self.task, completed=self._used(trainer), description=self.line.plain)
        elif time.monotonic() - self.printed > SELDOM:
            self._print()

    def _print(self) -> None:
        """Print the last line, unless it has been."""
        if self.line:
            self.console.print(self.line)
        self.line, self.printed = None, time.monotonic()

    def _used(self, trainer: L.Trainer) -> float:
        """Return the share of the nearest limit that is used up."""
        minutes = (time.monotonic() - self.started) / 60
        return self.limits.used(trainer.current_epoch + 1, trainer.global_step, minutes)


class SameBatches(L.Callback):
    """Draws the windows of every epoch as those of the first: a model that can learn has them by heart before long."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin anew."""
        loader = trainer.train_dataloader
        assert loader is not None
        loader.dataset.epoch = 0
