"""When a run ends at the latest, how often it is validated, and how the learning rate goes until then."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig

from hachimachi.errors import count
from hachimachi.training import distributed
from hachimachi.training.data import EventDataModule

STEPS = 60  # steps of training where nothing is held out to stop by
MINUTES = (0.75, 14.0)
"""Least and most minutes of a run by default: with imports and score, a performance takes one, a collection 15."""
TUNED = 0.3  # minutes of a run that fine-tunes a model, by default: the best comes sooner
PERFORMANCE = 10_000  # events up to which data is one performance; with more, time grows in proportion, to the most
OFTEN = 65_536  # events learned from, at least, between two validations of a collection, whose epochs are long
LEAST = 4096
"""Events learned from, at least, between two validations: epochs of a short piece would use up the patience at once."""
SHARE = 6
"""Events learned from, at least, for each that is validated, twice with augmentation and at half the cost of learning
(measured with 128 units): validation takes about a tenth of a run."""


@dataclass(frozen=True)
class Limits:
    """Epochs, steps and minutes that a run takes at most; `None` where it is not limited."""

    epochs: int | None
    steps: int | None
    minutes: float | None

    @staticmethod
    def of(cfg: DictConfig, data: EventDataModule) -> Limits:
        """Take the limits of the config; where it has none, decide from the data."""
        if cfg.trainer.get("fast_dev_run"):  # a number of batches, and then Lightning counts nothing else
            return Limits(1, int(cfg.trainer.fast_dev_run), None)
        epochs, minutes = cfg.trainer.max_epochs, cfg.trainer.max_minutes
        steps = cfg.trainer.max_steps if cfg.trainer.max_steps > 0 else None
        if epochs or steps:
            return Limits(epochs, steps, minutes)
        least = TUNED if data.fine_tuned else MINUTES[0]
        derived = min(MINUTES[1], least * max(1.0, data.events / PERFORMANCE))
        return Limits(None, None if data.valid else STEPS, minutes or derived)

    def used(self, epochs: int, steps: int, minutes: float) -> float:
        """Return the share of the nearest limit that is used up, from 0 to 1."""
        pairs = ((epochs, self.epochs), (steps, self.steps), (minutes, self.minutes))
        return min(1.0, max((used / limit for used, limit in pairs if limit), default=0.0))

    def __str__(self) -> str:
        parts = [count(self.epochs, "epoch")] if self.epochs else []
        parts += [count(self.steps, "step")] if self.steps else []
        if minutes := self.minutes:
            parts.append(f"about {minutes:.0f} minutes" if minutes >= 2 else f"about {minutes * 60:.0f} s")
        return " or ".join(parts)


@dataclass(frozen=True)
class ValidationInterval:
    """From one validation to the next: a number of epochs or, where epochs are long, of batches; the other is `None`.

    A collection is validated several times an epoch: the best model may lie in between, and patience be the whole run.
    What is learned after the last of them is validated when the run has ended.
    """

    epochs: int | None
    batches: int | None

    @staticmethod
    def of(cfg: DictConfig, data: EventDataModule) -> ValidationInterval:
        """Take the interval of the config, where `val_check_interval` is a share of an epoch or a number of batches
        counted over epochs; where it has none, decide from the data."""
        given, epochs = cfg.trainer.get("val_check_interval"), cfg.trainer.check_val_every_n_epoch
        if given not in (None, 1.0):
            return ValidationInterval(epochs, as_batches(given, data))
        if given or epochs:
            return ValidationInterval(epochs or 1, None)
        least, max_epochs = max(LEAST, SHARE * sum(map(len, data.valid_sample))), cfg.trainer.max_epochs
        if data.events <= OFTEN:
            epochs = math.ceil(least / max(1, data.events))
            # little is to be learned after the last validation
            return ValidationInterval(max_epochs // max(1, max_epochs // epochs) if max_epochs else epochs, None)
        batch = data.window * data.batch_size * distributed.count(cfg)  # each process takes one at the same time
        batches, most = math.ceil(max(least, OFTEN) / batch), [cfg.trainer.max_steps]
        if max_epochs:
            most.append(max_epochs * math.ceil(data.events / batch))
        return ValidationInterval(None, min([batches, *(limit for limit in most if limit > 0)]))


def as_batches(share: Any, data: EventDataModule) -> Any:
    """Return a share of an epoch as batches, which Lightning cannot count: windows are cut anew."""
    return max(1, math.floor(share * data.batches)) if isinstance(share, float) and 0 < share < 1 else share


class TimeLimit(Timer):
    """Ends a run after a time. A run that goes on from a checkpoint starts from zero."""

    state_dict, load_state_dict = L.Callback.state_dict, L.Callback.load_state_dict


LOWEST_RATE = 0.01  # share of the learning rate that a falling one ends at
RISE = 0.3  # share of the run in which one cycle rises, from a 25th


class LearningRateSchedule(L.Callback):
    """Learning rate at a step, as a share of the highest: a warm-up times a shape over the run.

    How far a run is, is the used share of the nearest limit, so that a shape fits any. Where that is time, a busy
    machine has the same shape in fewer steps: the same weights to the bit come only under a limit of steps or epochs.
    Of several processes the first one's clock counts: at rates of their own their weights would drift apart.

    Args:
        shape: ``constant``; ``cosine``, falling to a hundredth (Loshchilov & Hutter 2017,
            https://arxiv.org/abs/1608.03983); ``onecycle``, rising for three tenths and then falling (Smith & Topin
            2019, https://arxiv.org/abs/1708.07120).
        warmup: Steps over which the rate rises at first.
    """

    def __init__(self, shape: str, warmup: int, limits: Limits) -> None:
        self.shape, self.warmup, self.limits = shape, warmup, limits
        self.trainer: L.Trainer | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Start the clock."""
        self.trainer, self.started = trainer, time.monotonic()

    def __call__(self, step: int) -> float:
        """Return the share at a step, counted from 0."""
        rising, used = min(1.0, (step + 1) / max(1, self.warmup)), 0.0
        if self.shape == "constant":
            return rising
        if self.trainer is not None:
            minutes = distributed.agree((time.monotonic() - self.started) / 60) if self.limits.minutes else 0.0
            used = self.limits.used(self.trainer.current_epoch, self.trainer.global_step, minutes)
        return rising * shape_at(self.shape, used)


def shape_at(shape: str, used: float) -> float:
    """Return the learning rate, as a share of the highest, when a share of a run is over.

    >>> [round(shape_at("cosine", used), 2) for used in (0, 0.5, 1)]
    [1.0, 0.51, 0.01]
    >>> [round(shape_at("onecycle", used), 2) for used in (0, 0.3, 1)]
    [0.04, 1.0, 0.01]
    """
    first, last, share = 1.0, LOWEST_RATE, used
    if shape == "onecycle" and used < RISE:
        first, last, share = 1 / 25, 1.0, used / RISE
    elif shape == "onecycle":
        share = (used - RISE) / (1 - RISE)
    return last + (first - last) * (1 + math.cos(math.pi * min(1.0, share))) / 2
