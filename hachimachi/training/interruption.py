"""Stopping a run where it can go on from, and keeping what it goes on from."""

from __future__ import annotations

import math
import random
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from hachimachi.training.data import EventDataModule

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stop(L.Callback):
    """Ends a run between two steps after Ctrl-C or SIGTERM, and after the validation if one is due; a second Ctrl-C
    ends it at once.

    Of several processes each would stop at another step and wait for the others for ever: there Lightning's own ways
    are left alone.
    """

    def __init__(self) -> None:
        self.asked = ""
        """What asked for it, Ctrl-C or SIGTERM, or nothing."""
        self.before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin to listen."""
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            self.before = {each: signal.signal(each, self._hear) for each in NAMES}

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Have Lightning stop when all that belongs to this step is done."""
        _set_stopping(trainer, bool(self.asked))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Let it come to its end: half of a validation tells nothing."""
        _set_stopping(trainer, False)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Have Lightning stop after it."""
        _set_stopping(trainer, bool(self.asked))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Listen no longer."""
        while self.before:
            signal.signal(*self.before.popitem())

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Listen no longer."""
        self.on_train_end(trainer, pl_module)

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  (of signal)
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = self.asked or NAMES[signal.Signals(number)]


class LastCheckpoint(Checkpoint):
    """Writes from time to time what a run can go on from, always between two steps with nothing left to be done.

    Where a validation is due after a step, it waits for it; what a crash leaves is the last one written.

    Args:
        path: The file.
        every: Time between two of them.
    """

    def __init__(self, path: Path, every: timedelta) -> None:
        self.path, self.every, self.written = path, every.total_seconds(), time.monotonic()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Write where it is time and nothing is due."""
        every = trainer.val_check_batch or math.inf
        due = (trainer.fit_loop.total_batch_idx + 1) % every == 0
        if not due and not trainer.is_last_batch:
            self._write_in_time(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Write where it is time: epochs of short pieces are a step or two."""
        self._write_in_time(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Write where it was stopped; where it was cut off within a step, only if there is none yet."""
        if isinstance(exception, SIGTERMException) or not self.path.is_file():
            trainer.save_checkpoint(self.path)

    def _write_in_time(self, trainer: L.Trainer) -> None:
        if trainer.strategy.broadcast(time.monotonic() - self.written >= self.every):
            trainer.save_checkpoint(self.path)
            self.written = time.monotonic()


def _set_stopping(trainer: L.Trainer, stopping: bool) -> None:
    """Tell Lightning that it is to stop, the way it tells itself after SIGTERM."""
    if trainer.world_size == 1:
        trainer._signal_connector.received_sigterm = stopping  # pyright: ignore[reportPrivateUsage]


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
