"""How often a run is validated, and when it ends even if it still improves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig

from hachimachi.text import count
from hachimachi.training import processes
from hachimachi.training.data import EventDataModule

STEPS = 60
"""Steps of training where nothing is held out to stop by."""
MINUTES = (0.75, 14.0)
"""Least and most time that a run takes unless it is told. With the imports before it and the score after it, one
performance stays within a minute and a collection within a quarter of an hour."""
PERFORMANCE = 10_000
"""Events up to which data counts as one performance; with more of them time grows in proportion, to the most."""
OFTEN = 65_536
"""Events learned from, at least, between two validations of a collection, whose epochs are long."""
LEAST = 4096
"""Events learned from, at least, between two validations: an epoch of a short piece is a step or two, and patience that
counted those would be over before anything was learned."""
SHARE = 6
"""Events learned from, at least, for each that is validated. Validating one costs half of learning from it (measured
with 128 units), and where windows are varied twice, so that validation takes about a tenth of a run."""


@dataclass(frozen=True)
class Limits:
    """Epochs, steps and minutes that a run takes at most; `None` where it is not limited."""

    epochs: int | None
    steps: int | None
    minutes: float | None

    @staticmethod
    def of(cfg: DictConfig, data: EventDataModule) -> Limits:
        """Take what the config says; where it says nothing, decide from the data."""
        epochs, minutes = cfg.trainer.max_epochs, cfg.trainer.max_minutes
        steps = cfg.trainer.max_steps if cfg.trainer.max_steps > 0 else None
        if epochs or steps:
            return Limits(epochs, steps, minutes)
        derived = min(MINUTES[1], MINUTES[0] * max(1.0, data.events / PERFORMANCE))
        return Limits(None, None if data.valid else STEPS, minutes or derived)

    def used(self, epochs: int, steps: int, minutes: float) -> float:
        """Return the share of the nearest limit that is used up, from 0 to 1."""
        pairs = ((epochs, self.epochs), (steps, self.steps), (minutes, self.minutes))
        return min(1.0, max((used / limit for used, limit in pairs if limit), default=0.0))

    def __str__(self) -> str:
        told = [count(self.epochs, "epoch")] if self.epochs else []
        told += [count(self.steps, "step")] if self.steps else []
        if self.minutes and self.minutes >= 2:
            told.append(f"about {self.minutes:.0f} minutes")
        elif self.minutes:
            told.append(f"about {self.minutes * 60:.0f} s")
        return " or ".join(told)


@dataclass(frozen=True)
class Pace:
    """From one validation to the next: a number of epochs or, where epochs are long, of batches; the other is `None`.

    Early stopping counts validations, and each has to be worth counting. A piece is heard whole from one to the next,
    so that every validation has learned something of everything. A collection, whose epoch may take a minute, is
    validated several times in it: the best model may lie in between, and patience is not to take the whole run.
    """

    epochs: int | None
    batches: int | None

    @staticmethod
    def of(cfg: DictConfig, data: EventDataModule) -> Pace:
        """Take what the config says; where it says nothing, decide from the data."""
        if cfg.trainer.check_val_every_n_epoch:
            return Pace(cfg.trainer.check_val_every_n_epoch, None)
        least = max(LEAST, SHARE * sum(len(sequence) for sequence in data.valid_sample))
        if data.events <= OFTEN:
            return Pace(_divide(math.ceil(least / max(1, data.events)), cfg.trainer.max_epochs), None)
        batch = data.window * data.batch_size * processes.count(cfg)  # each process takes one at the same time
        batches, most = math.ceil(max(least, OFTEN) / batch), [cfg.trainer.max_steps]
        if cfg.trainer.max_epochs:
            most.append(cfg.trainer.max_epochs * math.ceil(data.events / batch))
        return Pace(None, min([batches, *(limit for limit in most if limit > 0)]))


def _divide(epochs: int, most: int | None) -> int:
    """Return epochs between validations, at least so many, that leave little to be learned after the last one."""
    return most // max(1, most // epochs) if most else epochs


class Clock(Timer):
    """Ends a run after a time. A run that goes on from a checkpoint begins to count anew."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: what was used up is not kept."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing over."""
