"""Where a run is, so that one that was stopped goes on as if it had not been."""

from __future__ import annotations

import random
from typing import Any

import lightning as L
import numpy as np
import torch

from hachimachi.training.data import EventDataModule


class Place(L.Callback):
    """Keeps, in a checkpoint, which batch comes next and what every source of random numbers would give next.

    With the weights, their average, the optimizer, its schedule and the patience, which Lightning keeps, that is all
    there is: on the CPU and in one process a run that goes on ends in the same weights, to the bit. It stands first
    among the callbacks, for what comes after it may draw.

    Args:
        data: What is learned from.
    """

    def __init__(self, data: EventDataModule) -> None:
        self.data = data
        self.epoch, self.batch = data.place
        self.random: dict[str, Any] | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin the next epoch where the last one was over: under a limit of steps Lightning would leave it out."""
        epochs = trainer.fit_loop.epoch_progress.current
        if self.random is not None and epochs.ready == epochs.completed:
            trainer.fit_loop.epoch_loop.restarting = False

    def on_train_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Give the sources back what they were, once, when all that draws in preparing is over.

        They are those of one process: of several, all would draw the same.
        """
        if self.random is None or trainer.world_size > 1:
            return
        _restore(self.random)
        # a loader draws a seed as each epoch begins, and this one drew before the restoring; one whose workers stay
        # draws once
        if self.batch == 0 and not self.data.num_workers:
            torch.empty((), dtype=torch.int64).random_()
        self.random = None

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Count."""
        last = trainer.is_last_batch
        self.epoch, self.batch = (self.epoch + 1, 0) if last else (self.epoch, self.batch + 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the place."""
        return {"epoch": self.epoch, "batch": self.batch, "random": _sources()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go there."""
        self.data.place = self.epoch, self.batch = state_dict["epoch"], state_dict["batch"]
        self.random = state_dict["random"]


def _sources() -> dict[str, Any]:
    """Return the states of all sources of random numbers, as tensors and numbers."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    numbers = np.asarray(keys).tolist()
    states = {"torch": torch.get_rng_state(), "numpy": (kind, numbers, *rest), "python": random.getstate()}
    return states | ({"cuda": torch.cuda.get_rng_state_all()} if torch.cuda.is_available() else {})


def _restore(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"].cpu())
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    if "cuda" in states and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])
