"""How the learning rate goes over a run."""

from __future__ import annotations

import math
import time

import lightning as L

from hachimachi.training.limits import Limits
from hachimachi.training.together import agree

LEAST = 0.01
"""Share of the learning rate that a falling one ends at."""
RISE = 0.3
"""Share of the run in which one cycle rises, from a 25th."""


class Schedule(L.Callback):
    """Learning rate at a step, as a share of the highest: a warm-up times a shape over the run.

    A run is limited by steps, epochs or minutes, and may end earlier of itself: how far it is, is the used share of
    whichever limit is nearest. So a shape fits any limit, and where that is time, a busy machine has the same shape in
    fewer steps; weights can be had again to the bit only under a limit of steps or epochs. Of several processes the
    first one's clock counts: at rates of their own their weights would drift apart.

    Args:
        shape: ``constant``; ``cosine``, falling to a hundredth (Loshchilov & Hutter 2017,
            https://arxiv.org/abs/1608.03983); ``onecycle``, rising for three tenths and then falling (Smith & Topin
            2019, https://arxiv.org/abs/1708.07120).
        warmup: Steps over which the rate rises at first.
        limits: When the run ends at the latest.
    """

    def __init__(self, shape: str, warmup: int, limits: Limits) -> None:
        self.shape, self.warmup, self.limits = shape, warmup, limits
        self.trainer: L.Trainer | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Begin to look at how far the run is."""
        self.trainer, self.started = trainer, time.monotonic()

    def __call__(self, step: int) -> float:
        """Return the share at a step, counted from 0."""
        rising = min(1.0, (step + 1) / max(1, self.warmup))
        return rising if self.shape == "constant" else rising * shape_at(self.shape, self.used)

    @property
    def used(self) -> float:
        """How much of the run is over, from 0 to 1."""
        if self.trainer is None:
            return 0.0
        minutes = agree((time.monotonic() - self.started) / 60) if self.limits.minutes else 0.0
        return self.limits.used(self.trainer.current_epoch, self.trainer.global_step, minutes)


def shape_at(shape: str, used: float) -> float:
    """Return the learning rate, as a share of the highest, when so much of a run is over.

    >>> [round(shape_at("cosine", used), 2) for used in (0, 0.5, 1)]
    [1.0, 0.51, 0.01]
    >>> [round(shape_at("onecycle", used), 2) for used in (0, 0.3, 1)]
    [0.04, 1.0, 0.01]
    """
    if shape == "onecycle" and used < RISE:
        return _between(1 / 25, 1.0, used / RISE)
    return _between(1.0, LEAST, (used - RISE) / (1 - RISE) if shape == "onecycle" else used)


def _between(first: float, last: float, share: float) -> float:
    """Return what a half cosine from a first to a last value is at a share of its way."""
    return last + (first - last) * (1 + math.cos(math.pi * min(1.0, share))) / 2
