"""What processes that learn together decide together: when to end."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any, TypeVar

import lightning as L
import torch

Said = TypeVar("Said")
ENDS = ("", "time", "Ctrl-C", "SIGTERM")
"""What may end a run, as it is told to the others: by its place."""


class Together(L.Callback):
    """Ends all processes at the same step: the first one's clock and what interrupts it count for all.

    One process that left alone, as Lightning has it do at Ctrl-C, would let the others wait for it for ever.

    Args:
        minutes: After which training ends; ``None`` for never.
    """

    def __init__(self, minutes: float | None) -> None:
        self.due = minutes * 60 if minutes else None
        self.started, self.asked = time.monotonic(), 0
        self.ended = ""
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin to count, and to listen; from here on each process draws its own variations and dropout.

        A run that goes on draws others than it began with, for a checkpoint has the random numbers of one process.
        """
        self.started = time.monotonic()
        torch.manual_seed(torch.initial_seed() + trainer.global_rank + trainer.world_size * trainer.global_step)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._ask)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Hear what the first process says, and do it."""
        late = self.due is not None and time.monotonic() - self.started >= self.due
        said = torch.tensor(self.asked or int(late), device=trainer.strategy.root_device)
        torch.distributed.broadcast(said, 0)
        if end := ENDS[int(said)]:
            self.ended = "" if end == "time" else end
            trainer.should_stop = True

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Listen no more."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before.clear()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Listen no more."""
        self.on_train_end(trainer, pl_module)

    def _ask(self, number: int, _: object) -> None:
        self.asked = ENDS.index("Ctrl-C" if number == signal.SIGINT else "SIGTERM")


def agree(said: Said) -> Said:
    """Return what the first of all processes says, once all have come here."""
    if not torch.distributed.is_initialized():
        return said
    told = [said]
    torch.distributed.broadcast_object_list(told, 0)
    return told[0]
