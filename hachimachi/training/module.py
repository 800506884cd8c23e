"""A thin Lightning module around an event model."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hachimachi.checkpoint import AVERAGE, GRAMS, SPEC, WEIGHTS, describe, keep_grams, pick
from hachimachi.models.event_model import EventModel
from hachimachi.training.distributed import full, is_sharded, shard
from hachimachi.training.window_augmentation import Chained, Variation


class Average(nn.Module):
    """Follows a model's weights (Polyak & Juditsky 1992, https://doi.org/10.1137/0330046).

    At first it follows faster, so that it soon forgets where training began. PyTorch's own ``AveragedModel`` copies the
    buffers too at every step, which never change here, and asks the device each time how far it is.

    Args:
        model: What to follow; it begins as a copy of it.
        stays: How much of the average stays at each step, later on.
    """

    n_averaged: torch.Tensor
    """Steps followed; travels in checkpoints."""

    def __init__(self, model: EventModel, stays: float) -> None:
        super().__init__()
        self.module, self.stays = copy.deepcopy(model).requires_grad_(False), stays
        self.register_buffer("n_averaged", torch.tensor(0))
        self.seen: int | None = None
        self.register_load_state_dict_post_hook(_count_anew)

    @torch.no_grad()
    def follow(self, model: EventModel) -> None:
        """Take a step towards the weights of a model."""
        seen = int(self.n_averaged) if self.seen is None else self.seen
        share = min(self.stays, (1 + seen) / (10 + seen)) if seen else 0.0
        get_ema_multi_avg_fn(share)(list(self.module.parameters()), list(model.parameters()), None)
        self.seen = seen + 1
        self.n_averaged += 1


def _count_anew(average: nn.Module, keys: Any) -> None:  # noqa: ARG001  (PyTorch's signature)
    assert isinstance(average, Average)
    average.seen = None


class Tally:
    """Sums of costs, events, gradient norms and seconds.

    They stay on the device: to be asked for a number at every step would make it wait each time.

    Args:
        names: Under what the costs of the columns are told.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._clear()

    def start(self) -> None:
        """Let the clock run from now on: what came before was no training."""
        self.since = time.perf_counter()

    def add(self, costs: Tensor, events: Tensor) -> None:
        """Add what a batch cost in all, shape (D,), and the number of its events."""
        self.costs = self.costs + costs.detach().double()
        self.events = self.events + events
        now = time.perf_counter()
        self.seconds, self.since = self.seconds + now - self.since, now

    def add_norm(self, norm: Tensor) -> None:
        """Add the length of a gradient before it was cut."""
        self.norms, self.steps = self.norms + norm.detach(), self.steps + 1

    def take(self) -> dict[str, float]:
        """Return means by name since the last time, and begin anew; nothing where nothing was learned."""
        events = int(self.events)
        if not events:
            return {}
        assert isinstance(self.costs, Tensor)
        nats = (self.costs / events).tolist()
        told = {"train/nll": sum(nats), **dict(zip(self.names, nats, strict=True))}
        if self.steps:
            told["training/gradient_norm"] = float(self.norms) / self.steps
        if self.seconds:
            told["training/events_per_second"] = events / self.seconds
        self._clear()
        return told

    def _clear(self) -> None:
        self.costs: Tensor | int = 0
        self.events: Tensor | int = 0
        self.norms: Tensor | int = 0
        self.steps, self.seconds, self.since = 0, 0.0, time.perf_counter()


PACE = 10
"""Steps, at least, between two points of the curves of a run that is not validated."""


class EventModule(L.LightningModule):
    """Maximum likelihood: the loss is nats per event.

    What is validated, kept and played is a running average of the weights, an
    :class:`~hachimachi.training.module.Average`. Where windows are varied, both marks are validated and the better one
    is kept; see :class:`~hachimachi.models.encoder.Encoder`.

    Logs with every validation, where there is none at a :data:`PACE`, ``train/nll`` and ``val/nll``; for each column a
    :func:`tag` of either, whose sums they are; and under ``training/`` the learning rate, the mean length of gradients
    before they are cut, and the events learned from in a second.

    Args:
        model: What to train.
        lr: Learning rate of AdamW.
        weight_decay: Its weight decay, on matrices only.
        warmup: Steps over which the learning rate rises to its full height.
        schedule: Share of that rate at a step, in place of the warm-up; see
            :class:`~hachimachi.training.limits.LearningRateSchedule`.
        average: How much of the average stays at each step; 0 plays the weights as they are.
        variation: What is done to windows before they are learned from.
        compiled: Whether to learn with kernels that `torch.compile` makes for the model, where it holds all weights.
    """

    def __init__(
        self,
        model: EventModel,
        *,
        lr: float = 3e-3,
        weight_decay: float = 0.05,
        warmup: int = 50,
        schedule: Callable[[int], float] | None = None,
        average: float = 0.99,
        variation: Variation | Chained | None = None,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.lr, self.weight_decay, self.variation = lr, weight_decay, variation
        self.schedule = schedule or (lambda step: min(1.0, (step + 1) / max(1, warmup)))
        self.compiled, self.surprise = compiled, model.log_prob
        self.average = Average(model, average) if average else None
        self.marks = (0.0, 1.0) if variation else (float(model.encoder.augmented),)
        self.tally = Tally([tag("train", column.name) for column in model.columns])
        self.validated = False

    def configure_model(self) -> None:
        """Spread the weights over devices, where the strategy has some for that."""
        devices = getattr(self, "_device_mesh", None)
        if devices is not None and not is_sharded(self.model):
            self.compiled = False
            shard([self.model, *([self.played] if self.average else [])], devices["data_parallel"])

    @property
    def played(self) -> EventModel:
        """The model as it is validated, kept and played."""
        return self.average.module if self.average else self.model

    def on_fit_start(self) -> None:
        """Have kernels made at the first step, if that is wanted."""
        self.surprise = torch.compile(self.model.log_prob) if self.compiled else self.model.log_prob

    def training_step(self, rows: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002  (Lightning's signature)
        """Return the mean surprise of the events of a batch, shape (B, T, D)."""
        varied, events = None, _count(rows)
        if self.variation:
            rows, varied = self.variation(rows)
        costs = -self.surprise(rows, varied).sum((0, 1))
        self.tally.add(costs, events)
        return costs.sum() / events

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Cut a gradient that is too long, and take note of how long it was."""
        if gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        longest = gradient_clip_val or math.inf
        self.tally.add_norm(full(clip_grad_norm_(self.model.parameters(), longest)))

    def on_train_epoch_start(self) -> None:
        """Let the clock run."""
        self.tally.start()

    def on_train_epoch_end(self) -> None:
        """Log what training went through, where no validation does, at a pace."""
        if not self.validated and self.tally.steps >= PACE:
            self.log_dict(self._take_tally(), sync_dist=True)

    def on_train_end(self) -> None:
        """Log what is left of a run that was never validated."""
        told = {} if self.validated else self._take_tally()
        for logger in self.loggers if told else ():
            logger.log_metrics(told, self.trainer.global_step)

    def optimizer_step(self, *words: Any, **named: Any) -> None:
        """Let the average follow every step, before callbacks hear of it: a checkpoint is to hold both."""
        super().optimizer_step(*words, **named)
        self.follow()

    def follow(self) -> None:
        """Let the average follow the weights."""
        if self.average:
            self.average.follow(self.model)

    def on_validation_epoch_start(self) -> None:
        """Begin to add up the costs of each column under each mark, shape (marks, D)."""
        # of sharded weights every process needs the others' part for each batch, so all take all
        self.share, self.shares = (0, 1) if is_sharded(self.model) else _place()
        self.costs = torch.zeros(len(self.marks), len(self.model.columns), dtype=torch.float64, device=self.device)
        self.scored, self.validated = 0, True

    def validation_step(self, rows: Tensor, batch_idx: int) -> None:
        """Add the costs of every event but each sequence's first; of several processes each takes its share."""
        if batch_idx % self.shares != self.share:
            return
        self.scored += int(_count(rows[:, 1:]))
        for place, mark in enumerate(self.marks):
            varied = torch.full(rows.shape[:1], mark, device=rows.device)
            self.costs[place] -= self.played.log_prob(rows, varied)[:, 1:].double().sum((0, 1))

    def on_validation_epoch_end(self) -> None:
        """Keep the better mark, and log what it costs, all processes taken together, and what training went through."""
        self._add_up()
        self.log_dict(self._take_tally(), sync_dist=True)
        if not self.scored:
            return
        best = int(self.costs.sum(1).nan_to_num(torch.inf).argmin())
        for model in (self.model, self.played):
            model.encoder.augmented.fill_(self.marks[best])
        nats = self.costs[best] / self.scored
        self.log("val/nll", nats.sum().float())
        for column, value in zip(self.model.columns, nats.float(), strict=True):
            self.log(tag("val", column.name), value)

    def _add_up(self) -> None:
        """Add what all processes have scored, so that each knows the same."""
        if self.shares > 1:
            scored = torch.tensor(self.scored, device=self.device)
            for total in (self.costs, scored):
                torch.distributed.all_reduce(total)
            self.scored = int(scored)

    def on_validation_end(self) -> None:
        """Let the clock run on."""
        self.tally.start()

    def _take_tally(self) -> dict[str, float]:
        told = self.tally.take()
        if "training/events_per_second" in told:  # each process has counted its own
            told["training/events_per_second"] *= self.trainer.world_size
        return told | {"training/learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"]} if told else told

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101) and how its rate goes."""
        weights = list(self.model.parameters())
        groups = [
            {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        # one pass over all weights; under mixed precision it would unscale gradients itself, and none could be clipped
        mixed = "mixed" in str(getattr(self._trainer, "precision", ""))
        optimizer = torch.optim.AdamW(groups, lr=self.lr, fused=not mixed)
        # of a function, as against an object, a checkpoint keeps nothing
        going = LambdaLR(optimizer, lambda step: self.schedule(step))  # noqa: PLW0108
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": going, "interval": "step"}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let a run with an average go on from one without, and the other way round."""
        state = checkpoint["state_dict"]
        kept = [name for name in state if name.startswith("average.")]
        if kept and self.average is None:
            for name in kept:
                del state[name]
        elif not kept and self.average is not None:
            state |= {AVERAGE + name: weight.clone() for name, weight in pick(state, WEIGHTS).items()}
            state["average.n_averaged"] = torch.zeros_like(self.average.n_averaged)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what `gen`, `eval` and `run` need to use the checkpoint as a model."""
        checkpoint[SPEC] = describe(self.played)
        checkpoint[GRAMS] = keep_grams(self.model)


def _place() -> tuple[int, int]:
    """Return which of how many processes this is."""
    if not torch.distributed.is_initialized():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def tag(group: str, column: str) -> str:
    """Return under what a column is logged, ``val/<column>``; a column named as the total keeps out of its way."""
    # no feature's name holds a colon
    return f"{group}/column:{column}" if column == "nll" else f"{group}/{column}"


def _count(rows: Tensor) -> Tensor:
    """Return the number of events, padding left out."""
    return (~rows.isnan().all(-1)).sum()
