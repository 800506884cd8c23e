"""When a run ends even if it still improves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig

from hachimachi.training.data import EventDataModule

STEPS = 60
"""Steps of training where nothing is held out to stop by."""
MINUTES = (0.75, 15.0)
"""Least and most time that a run takes unless it is told; in between it grows with the data."""


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
        derived = min(MINUTES[1], MINUTES[0] * max(1.0, data.events / 5000) ** 0.6)
        return Limits(None, None if data.valid else STEPS, minutes or derived)

    def __str__(self) -> str:
        told = [f"{self.epochs:,} epochs"] if self.epochs else []
        told += [f"{self.steps:,} steps"] if self.steps else []
        if self.minutes and self.minutes >= 2:
            told.append(f"about {self.minutes:.0f} minutes")
        elif self.minutes:
            told.append(f"about {self.minutes * 60:.0f} s")
        return " or ".join(told)


class Clock(Timer):
    """Ends a run after a time. A run that goes on from a checkpoint begins to count anew."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: what was used up is not kept."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing over."""
