"""Callbacks beside the training loop: keeping the best model, showing progress, and what TensorBoard shows."""

from __future__ import annotations

import copy
import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text
from torch import Tensor

from hachimachi.checkpoint import read_summary, save_model
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.playing import PlayReport
from hachimachi.events import EventSequence
from hachimachi.generation import generate
from hachimachi.models.event_model import EventModel
from hachimachi.training.data import EventDataModule
from hachimachi.training.limits import Limits
from hachimachi.training.module import EventModule, tag

OFTEN = 0.1  # seconds between two moves of the bar
SELDOM = 10.0  # seconds between two lines of progress where there is no terminal


def epochs_of(trainer: L.Trainer) -> int:
    """Return how many epochs have begun; Lightning's own count depends on whether the last one is over."""
    return trainer.fit_loop.epoch_progress.current.ready


def score_of(trainer: L.Trainer) -> float | None:
    """Return the held-out nats per event of the last validation, if there was one."""
    score = trainer.callback_metrics.get("val/nll")
    return None if score is None else float(score)


class KeepBest(L.Callback):
    """Writes the model file, with its summary, at every new best; with nothing held out, the last model is the best.

    A model that has diverged, with weights or a score that are no numbers, is never written.
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
        """Take up the best score, if the model that has it, or a later one, is still where this run writes."""
        if str(self.path.resolve()) != state_dict["path"]:
            return
        with suppress(HachimachiError):  # gone, or no longer a model
            kept = read_summary(self.path)
            score = kept.get("val_nll", state_dict["best"])  # older files do not say
            was, now = (summary.get("data", {}).get("fingerprint") for summary in (kept, self.summary))
            if was == now and score <= state_dict["best"]:
                self.best = score

    def _write(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, EventModule)
        self.diverged = not all(weight.isfinite().all() for weight in module.parameters())
        if not self.diverged and trainer.is_global_zero:
            done = {"epochs": epochs_of(trainer), "steps": trainer.global_step}
            score = {} if math.isnan(self.best) else {"val_nll": self.best}
            module.played.summary = {**self.summary, **done, **score}
            save_model(module.played, self.path)


class Baseline(L.Callback):
    """Logs the marginal baseline, nats by column name, beside every validation score, in total and by column."""

    def __init__(self, marginals: Mapping[str, float]) -> None:
        self.values = {tag("marginal", name): nats for name, nats in marginals.items()}
        self.values["marginal/nll"] = sum(marginals.values())

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put it into one chart with training and held-out nats, under "Custom Scalars" of TensorBoard."""
        if logger := find_board(trainer):
            assert isinstance(pl_module, EventModule)
            lines = ("train", "val", "marginal")
            charts = {"total": [f"{line}/nll" for line in lines]}
            charts |= {each.name: [tag(line, each.name) for line in lines] for each in pl_module.model.columns}
            # TensorBoard takes tags for patterns
            patterns = {title: [f"^{re.escape(name)}$" for name in names] for title, names in charts.items()}
            charts = {title: ["Multiline", names] for title, names in patterns.items()}
            logger.experiment.add_custom_scalars({"nats per event": charts})

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Log the same values again, so that they draw a line."""
        pl_module.log_dict(self.values)


class TrainingProgress(L.Callback):
    """A bar of the share used of the limits, and one line: time, training and held-out nats per event, the best.

    The marginal baseline is NaN if nothing is held out; lines come seldom where the console is no terminal.
    """

    def __init__(self, marginal: float, keep: KeepBest, limits: Limits, console: Console) -> None:
        self.marginal, self.keep, self.limits, self.console = marginal, keep, limits, console
        self.line: Text | None = None
        self.losses: list[Tensor] = []
        self.train = math.nan
        self.bar = Progress(BarColumn(bar_width=7), TextColumn("{task.description}"), console=console, transient=True)
        self.task = self.bar.add_task("", total=1.0)
        self.started = self.printed = self.moved = time.monotonic()

    def on_train_start(self, *_: Any, **__: Any) -> None:
        """Start the bar."""
        self.started = self.printed = time.monotonic()
        if self.console.is_terminal:
            self.bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, *_: Any, **__: Any) -> None:  # noqa: ARG002
        """Take note of the loss, and move the bar: in a large collection an epoch takes long."""
        self.losses.append(outputs["loss"].detach())
        now = time.monotonic()
        if self.bar.live.is_started and now - self.moved > OFTEN:
            self.moved = now
            self._move(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Show the progress."""
        self._show(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Show the progress, where no validation just did."""
        if self.losses:
            self._show(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Leave the last line on the screen; where the last steps are still to be validated it comes after that."""
        if self.bar.live.is_started:
            self.bar.stop()
        assert isinstance(pl_module, EventModule)
        if math.isnan(self.marginal) or not pl_module.unvalidated:
            self._print()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Leave the last line on the screen, likewise."""
        self.on_train_end(trainer, pl_module)
        if not isinstance(exception, SIGTERMException):
            self._print()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Leave the last line on the screen, after the last validation."""
        if stage == "validate":
            self._print()

    def _show(self, trainer: L.Trainer) -> None:
        score, seconds = score_of(trainer), time.monotonic() - self.started
        if self.losses:
            self.train = float(torch.stack(self.losses).mean())
            self.losses.clear()
        self.line = Text(f"epoch {epochs_of(trainer):4d} {seconds:4.0f} s  train {self.train:.2f}")
        if score is not None:
            self.line.append(f"  held out {score:.2f}  best {self.keep.best:.2f}  baseline {self.marginal:.2f}")
        if self.bar.live.is_started:
            self._move(trainer, self.line.plain)
        elif time.monotonic() - self.printed > SELDOM:
            self._print()

    def _print(self) -> None:
        if self.line:
            self.console.print(self.line)
        self.line, self.printed = None, time.monotonic()

    def _move(self, trainer: L.Trainer, description: str | None = None) -> None:
        minutes = (time.monotonic() - self.started) / 60
        used = self.limits.used(epochs_of(trainer), trainer.global_step, minutes)
        self.bar.update(self.task, completed=used, description=description)


class SameBatches(L.Callback):
    """Draws the windows of every epoch as those of the first: a model that can learn soon memorizes them."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Reset the epoch of the windows."""
        loader = trainer.train_dataloader
        assert loader is not None
        loader.dataset.epoch = 0


EVERY = 10.0  # least seconds between two pictures, and before the first
LATER = 1.5
"""The next picture comes when training has gone on so many times as long: a long run has few more than a short one."""
SHARE = 0.02  # share of the time of training that pictures may take
EVENTS = 200  # events in a piano roll
COUNTED = 500  # events whose values are counted
SECONDS = 10.0  # seconds that sound at most
RATE = 11025  # samples of sound in a second: to judge, not to enjoy, so that a run's log stays small


class Pictures(L.Callback):
    """Logs what a copy of the model plays beside real events, held out if any are, and at the end the run's scores."""

    def __init__(self, data: EventDataModule) -> None:
        self.real = (data.valid or data.train)[0][:EVENTS].from_zero()
        self.held_out = data.valid_sample
        self.logger: TensorBoardLogger | None = None
        self.started = self.due = 0.0
        self.step, self.sounded = 0, False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Find the log, and wait a while."""
        self.logger, self.started = find_board(trainer), time.monotonic()
        self.due = self.started + EVERY

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show what the model plays, if it is time."""
        self.step, began = trainer.global_step, time.monotonic()
        if self.logger is None or began < self.due:
            return
        assert isinstance(pl_module, EventModule)
        self.show(pl_module.played)
        now = time.monotonic()
        self.due = max(now + EVERY, now + (now - began) / SHARE, self.started + LATER * (now - self.started))

    def show(self, model: EventModel) -> None:
        """Log how a model plays: a piano roll or traces, sound, how often values occur; nothing if it has diverged."""
        if self.logger is None or not all(weight.isfinite().all() for weight in model.parameters()):
            return
        from hachimachi.plot import compare, is_notes, to_pixels

        player = copy.deepcopy(model).cpu()
        if player.bos.dtype in (torch.float16, torch.bfloat16):
            player = player.float()
        whole = generate(player, COUNTED, seed=0)
        made, seconds = whole[:EVENTS], self.real.seconds if self.real.temporal else None
        pixels = to_pixels(compare(self.real, made, seconds=seconds))
        self.logger.experiment.add_image("playing", pixels, self.step, dataformats="HWC")
        for name, rows in (("generated", whole.rows()), ("real", self.held_out.all_rows())):
            for column, values in zip(model.columns, rows.T, strict=True):
                if len(known := values[~np.isnan(values)]):
                    self.logger.experiment.add_histogram(f"{column.name}/{name}", known, self.step)
        if is_notes(made):
            self._sound("playing/generated", made)
            if not self.sounded:
                self._sound("playing/real", self.real)
            self.sounded = True

    def conclude(self, cfg: DictConfig, model: EventModel, score: float, gain: float, playing: PlayReport) -> None:
        """Log how the best model plays, and scores beside hyper-parameters; gain: nats per event below the baseline."""
        if self.logger is None:
            return
        self.show(model)
        metrics = {f"likeness/{each.aspect}": each.ratio for each in playing.likeness}
        for condition, report in playing.conditions.items():
            metrics |= {f"playing/{each.name}, {condition}": each.generated for each in report.descriptors}
        metrics |= {f"playing/{each.name}, real": each.real for each in playing.descriptors}
        self.logger.log_metrics({name: value for name, value in metrics.items() if math.isfinite(value)}, self.step)
        config = OmegaConf.to_container(cfg, resolve=True)
        assert isinstance(config, dict)
        options = {name: config[name] for name in ("dataset", "augment", "model", "head", "optimizer", "seed")}
        scores = {"nll": score, "gain": gain, "collapsed": playing.collapsed / len(playing.generated)}
        if playing.copying:
            copies = playing.copying.generated
            scores |= {"copied": copies.share, "longest_run": float(copies.longest)}
        if playing.worst:
            scores["likeness"] = playing.worst.ratio
        as_learned = next(iter(playing.by_temperature().values()))
        scores |= {each.name: each.generated for each in as_learned if math.isfinite(each.generated)}
        self.logger.log_hyperparams(options, {f"score/{name}": value for name, value in scores.items()}, self.step)
        self.logger.experiment.close()

    def _sound(self, tag: str, notes: EventSequence) -> None:
        from hachimachi.io.wav import synthesize

        assert self.logger is not None and notes.time is not None
        sound = synthesize([notes[: int((notes.time < SECONDS).sum())]], RATE)[: round(SECONDS * RATE)]
        self.logger.experiment.add_audio(tag, torch.from_numpy(sound)[None].float(), self.step, sample_rate=RATE)


def find_board(trainer: L.Trainer) -> TensorBoardLogger | None:
    """Return the logger for TensorBoard, if there is one and this is the process that writes."""
    found = (logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger))
    return next(found, None) if trainer.is_global_zero else None
