"""A thin Lightning module around an event model."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor

from hachimachi.checkpoint import GRAMS, SPEC, describe, keep_grams
from hachimachi.models.event_model import EventModel


class EventModule(L.LightningModule):
    """Maximum likelihood: the loss is nats per event.

    Logs ``train/nll``, ``val/nll``, and :func:`tag` for each column, whose sum is ``val/nll``.

    Args:
        model: What to train.
        lr: Learning rate of AdamW.
        weight_decay: Its weight decay, on matrices only.
    """

    def __init__(self, model: EventModel, *, lr: float = 1.5e-3, weight_decay: float = 0.05) -> None:
        super().__init__()
        self.model = model
        self.lr, self.weight_decay = lr, weight_decay

    def training_step(self, rows: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002  (Lightning's signature)
        """Return the mean surprise of the events of a batch, shape (B, T, D)."""
        events = _count(rows)
        loss = -self.model.log_prob(rows).sum() / events
        self.log("train/nll", loss, on_step=False, on_epoch=True, batch_size=events)
        return loss

    def validation_step(self, rows: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """Log the mean surprise of every event but each sequence's first."""
        scored = _count(rows[:, 1:])
        if not scored:
            return
        nats = -self.model.log_prob(rows)[:, 1:].double().sum((0, 1)) / scored
        self.log("val/nll", nats.sum().float(), batch_size=scored, sync_dist=True)
        for column, value in zip(self.model.columns, nats.float(), strict=True):
            self.log(tag("val", column.name), value, batch_size=scored, sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101)."""
        matrices = [weight for weight in self.parameters() if weight.ndim > 1]
        others = [weight for weight in self.parameters() if weight.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": self.weight_decay}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.lr)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what `gen`, `eval` and `run` need to use the checkpoint as a model."""
        checkpoint[SPEC] = describe(self.model)
        checkpoint[GRAMS] = keep_grams(self.model)


def tag(group: str, column: str) -> str:
    """Return under what a column is logged, ``val/<column>``; a column named as the total keeps out of its way."""
    # no feature's name holds a colon
    return f"{group}/column:{column}" if column == "nll" else f"{group}/{column}"


def _count(rows: Tensor) -> int:
    """Return the number of events, padding left out."""
    return int((~rows.isnan().all(-1)).sum())
