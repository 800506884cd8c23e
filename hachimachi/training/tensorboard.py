"""What a run shows in TensorBoard besides curves: charts with the baseline, and what the model plays by now."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig, OmegaConf

from hachimachi.errors import HachimachiError
from hachimachi.evaluation.playing import PlayReport
from hachimachi.events import EventSequence
from hachimachi.generation import generate
from hachimachi.models.event_model import EventModel
from hachimachi.training.data import EventDataModule
from hachimachi.training.module import EventModule, tag

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter


EVERY = 10.0
"""Least seconds between two pictures, and before the first."""
LATER = 1.5
"""The next picture comes when training has gone on so many times as long: a long run has few more than a short one."""
SHARE = 0.02
"""Share of the time of training that pictures may take."""
EVENTS = 200
"""Events in a piano roll."""
COUNTED = 500
"""Events whose values are counted."""
SECONDS = 10.0
"""Seconds that sound at most."""
RATE = 11025
"""Samples of sound in a second: to judge, not to enjoy, so that a run's log stays small."""
GROUPS = ("dataset", "augment", "model", "head", "optimizer")
"""Groups of the config that are logged as hyper-parameters."""


class Pictures(L.Callback):
    """Logs what the model plays beside real events, now and then, and at the end the scores of the run.

    The model itself is left alone, and so are the random numbers of training: a copy plays.

    Args:
        data: What is learned from; pictures show what is held out beside what is played, if there is any.
    """

    def __init__(self, data: EventDataModule) -> None:
        self.real = (data.valid or data.train)[0][:EVENTS].from_zero()
        self.held_out = data.valid_sample
        self.logger: TensorBoardLogger | None = None
        self.started = self.due = 0.0
        self.step, self.sounded = 0, False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Find the log, and wait a while."""
        self.logger = find_board(trainer)
        self.started = time.monotonic()
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
        """Log what a model plays as a piano roll or traces, for notes its sound, and how often values occur in it.

        Nothing for a model that has diverged.
        """
        if self.logger is None or not all(weight.isfinite().all() for weight in model.parameters()):
            return
        from hachimachi import plot
        from hachimachi.plot.canvas import draw_likeness, is_notes

        player = copy.deepcopy(model).cpu()
        if player.bos.dtype in (torch.float16, torch.bfloat16):
            player = player.float()
        whole = generate(player, COUNTED, seed=0)
        made, seconds = whole[:EVENTS], self.real.seconds if self.real.temporal else None
        self._draw("playing", plot.compare(self.real, made, seconds=seconds))
        with suppress(HachimachiError):  # values that never change, or nothing held out: nothing to compare
            self._draw("distributions", draw_likeness([whole], self.held_out, model.columns))
        if is_notes(made):
            self._sound("playing/generated", made)
            if not self.sounded:
                self._sound("playing/real", self.real)
            self.sounded = True

    def conclude(self, cfg: DictConfig, model: EventModel, score: float, gain: float, playing: PlayReport) -> None:
        """Log what the best model plays, how like real music that is, and the scores beside the hyper-parameters.

        Args:
            cfg: The whole config.
            model: The best model.
            score: Its held-out nats per event.
            gain: How far that is below the marginal baseline.
            playing: How it plays.
        """
        if self.logger is None:
            return
        self.show(model)
        likeness = {f"likeness/{each.aspect}": each.ratio for each in playing.likeness}
        self.logger.log_metrics(likeness, self.step)
        config = OmegaConf.to_container(cfg, resolve=True)
        assert isinstance(config, dict)
        options = {name: config[name] for name in (*GROUPS, "seed")}
        scores = {"nll": score, "gain": gain, "collapsed": playing.collapsed / len(playing.generated)}
        if playing.copying:
            copies = playing.copying.generated
            scores |= {"copied": copies.share, "longest_run": float(copies.longest)}
        if playing.worst:
            scores["likeness"] = playing.worst.ratio
        self.logger.log_hyperparams(options, {f"score/{name}": value for name, value in scores.items()}, self.step)
        self.logger.experiment.close()

    def _draw(self, tag: str, figure: Figure) -> None:
        from hachimachi.plot import to_pixels

        assert self.logger is not None
        self.logger.experiment.add_image(tag, to_pixels(figure), self.step, dataformats="HWC")

    def _sound(self, tag: str, notes: EventSequence) -> None:
        from hachimachi.io.wav import synthesize

        assert self.logger is not None
        assert notes.time is not None
        sound = synthesize([notes[: int((notes.time < SECONDS).sum())]], RATE)[: round(SECONDS * RATE)]
        self.logger.experiment.add_audio(tag, torch.from_numpy(sound)[None].float(), self.step, sample_rate=RATE)


def find_board(trainer: L.Trainer) -> TensorBoardLogger | None:
    """Return the logger for TensorBoard, if there is one and this is the process that writes."""
    found = (logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger))
    return next(found, None) if trainer.is_global_zero else None


def lay_out_charts(board: SummaryWriter, columns: Sequence[str]) -> None:
    """Put train, held-out and baseline nats into one chart, in total and for each column, under "Custom Scalars"."""
    lines = ("train", "val", "marginal")
    charts = {"total": [f"{line}/nll" for line in lines]}
    charts |= {column: [tag(line, column) for line in lines] for column in columns}
    # TensorBoard takes tags for patterns
    patterns = {title: [f"^{re.escape(name)}$" for name in names] for title, names in charts.items()}
    board.add_custom_scalars({"nats per event": {title: ["Multiline", names] for title, names in patterns.items()}})
