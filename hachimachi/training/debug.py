"""What helps to look for mistakes in training."""

from __future__ import annotations

from pathlib import Path

import lightning as L
from lightning.pytorch.profilers import AdvancedProfiler, Profiler, SimpleProfiler

PROFILERS: dict[str | None, type[Profiler]] = {"simple": SimpleProfiler, "advanced": AdvancedProfiler}


class SameBatches(L.Callback):
    """Draws the windows of every epoch as those of the first: a model that can learn has them by heart before long."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin anew."""
        loader = trainer.train_dataloader
        assert loader is not None
        loader.dataset.epoch = 0


def make_profiler(name: str | None, folder: Path) -> Profiler | None:
    """Return what measures how long everything takes, and writes it to ``fit-profile.txt`` in a folder."""
    return None if name is None else PROFILERS[name](dirpath=folder, filename="profile")  # pyright: ignore[reportCallIssue]
