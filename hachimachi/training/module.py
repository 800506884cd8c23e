"""Maximum likelihood in Lightning: a thin module around an event model, and the running average of its weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hachimachi.checkpoint import AVERAGE, GRAMS, SPEC, WEIGHTS, describe, keep_grams, pick
from hachimachi.errors import HachimachiError, expect
from hachimachi.models.event_model import EventModel
from hachimachi.training.window_augmentation import WindowAugmentation

PACE = 10  # steps, at least, between two points of the curves of a run that is not validated


class EMA(nn.Module):
    """Exponential moving average of a model's weights (Polyak & Juditsky 1992, https://doi.org/10.1137/0330046).

    The decay rises to its value, so that the start is soon forgotten. PyTorch's ``AveragedModel`` would copy the
    buffers too, and synchronize with the device at every step.
    """

    n_averaged: torch.Tensor  # steps averaged; travels in checkpoints

    def __init__(self, model: EventModel, decay: float) -> None:
        super().__init__()
        self.module, self.decay = copy.deepcopy(model).requires_grad_(False), decay
        self.register_buffer("n_averaged", torch.tensor(0))
        self.steps: int | None = None
        self.register_load_state_dict_post_hook(lambda average, _: setattr(average, "steps", None))

    @torch.no_grad()
    def update(self, model: EventModel) -> None:
        """Take a step towards the weights of a model."""
        steps = int(self.n_averaged) if self.steps is None else self.steps
        decay = min(self.decay, (1 + steps) / (10 + steps)) if steps else 0.0
        get_ema_multi_avg_fn(decay)(list(self.module.parameters()), list(model.parameters()), None)
        self.steps = steps + 1
        self.n_averaged += 1


class TrainingMetrics:
    """Sums of nats, events, gradient norms and seconds since they were last logged under the names of the columns. They
    stay on the device: reading a number at every step would make it wait each time."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._clear()

    def add(self, nats: Tensor, events: Tensor) -> None:
        """Add the nats of a batch, shape (D,), and the number of its events."""
        self.nats = self.nats + nats.detach().double()
        self.events = self.events + events
        now = time.perf_counter()
        self.seconds, self.since = self.seconds + now - self.since, now

    def take(self) -> dict[str, float]:
        """Return means by name since the last time, and reset; nothing where nothing was learned."""
        events = int(self.events)
        if not events:
            return {}
        assert isinstance(self.nats, Tensor)
        means = (self.nats / events).tolist()
        metrics = {"train/nll": sum(means), **dict(zip(self.names, means, strict=True))}
        if self.steps:
            metrics["training/gradient_norm"] = float(self.norms) / self.steps
        if self.seconds:
            metrics["training/events_per_second"] = events / self.seconds
        self._clear()
        return metrics

    def _clear(self) -> None:
        self.nats: Tensor | int = 0
        self.events: Tensor | int = 0
        self.norms: Tensor | int = 0
        self.steps, self.seconds, self.since = 0, 0.0, time.perf_counter()


class EventModule(L.LightningModule):
    """Maximum likelihood: the loss is nats per event.

    What is validated, kept and played is an average of the weights, an :class:`EMA`. Where windows are augmented, the
    model is given how; it is validated, kept and played as if they were not. `HachimachiError` if built for another.

    Logs with every validation, where there is none every :data:`PACE` steps, ``train/nll`` and ``val/nll``, sums over
    columns, each under its :func:`tag`; under ``training/`` the learning rate, the mean norm of gradients before they
    are clipped, and events a second. ``Trainer.test`` logs ``test/nll`` and the columns. Batches are those of
    :class:`~hachimachi.training.data.EventDataModule`.

    Args:
        weight_decay: Weight decay, on matrices only.
        warmup: Steps over which the learning rate rises.
        schedule: Share of the rate at a step, in place of the warm-up, as
            :class:`~hachimachi.training.limits.LearningRateSchedule`.
        average: Decay of the average; 0 for none.
        compiled: Whether to train with kernels from `torch.compile`.
        optimizer: Makes the optimizer of groups of weights and `lr`, such as ``torch.optim.RAdam``; AdamW if ``None``.
    """

    def __init__(  # noqa: PLR0913  (the keys of a group of the config)
        self,
        model: EventModel,
        *,
        lr: float = 3e-3,
        weight_decay: float = 0.05,
        warmup: int = 50,
        schedule: Callable[[int], float] | None = None,
        average: float = 0.99,
        augmentation: WindowAugmentation | None = None,
        compiled: bool = False,
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    ) -> None:
        super().__init__()
        expect(isinstance(model, EventModel), "model", model, "an EventModel: build_model(…) or load_model(…)")
        if augmentation and augmentation.size != (expected := len(model.encoder.augmented)):
            found = f"a model that is given {expected} numbers, an augmentation of {augmentation.size}"
            raise HachimachiError(f"{found}; build the model with augmentation={augmentation.size}")
        self.model = model
        self.lr, self.weight_decay, self.augmentation = lr, weight_decay, augmentation
        self.optimizer = optimizer
        self.schedule = schedule or (lambda step: min(1.0, (step + 1) / max(1, warmup)))
        self.compiled, self.log_prob = compiled, model.log_prob
        self.average = EMA(model, average) if average else None
        self.metrics = TrainingMetrics([tag("train", column.name) for column in model.columns])
        self.validated_step: int | None = None

    @property
    def played(self) -> EventModel:
        """The model as it is validated, kept and played."""
        return self.average.module if self.average else self.model

    @property
    def unvalidated(self) -> bool:
        """Whether anything was learned since the last validation."""
        return self.validated_step != self.global_step

    def on_fit_start(self) -> None:
        """Have kernels made at the first step, if that is wanted."""
        self.log_prob = torch.compile(self.model.log_prob) if self.compiled else self.model.log_prob

    def training_step(self, rows: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002  (Lightning's signature)
        """Return the mean nats of the events of a batch, shape (B, T, D)."""
        augmented, original, events = None, rows, _count(rows)
        if self.augmentation:
            rows, augmented = self.augmentation(original)
            original = original if self.augmentation.in_place else rows
        known: Tensor | bool = False
        if self.model.encoder.masked is not None:  # of a quarter of the windows nothing, of a quarter all, else some
            shares = 2 * torch.rand(len(rows), 1, 1, device=rows.device) - 0.5
            known = torch.rand(*rows.shape[:2], 1, device=rows.device) < shares  # (B, T, 1)
        nats = -self.log_prob(rows, augmented, original, known).sum((0, 1))  # (D,)
        self.metrics.add(nats, events)
        return nats.sum() / events

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip a gradient that is too long, and add its norm to the metrics."""
        if gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            norm = clip_grad_norm_(self.model.parameters(), gradient_clip_val or math.inf)
            self.metrics.norms, self.metrics.steps = self.metrics.norms + norm.detach(), self.metrics.steps + 1

    def on_train_epoch_start(self) -> None:
        """Start the clock: what came before was no training."""
        self.metrics.since = time.perf_counter()

    on_validation_end = on_train_epoch_start

    def on_train_epoch_end(self) -> None:
        """Log the training metrics, where no validation does, at a pace."""
        if self.validated_step is None and self.metrics.steps >= PACE:
            self.log_dict(self._take_metrics(), sync_dist=True)

    def on_train_end(self) -> None:
        """Log what is left of a run that was never validated."""
        metrics = self._take_metrics() if self.validated_step is None else {}
        for logger in self.loggers if metrics else ():
            logger.log_metrics(metrics, self.trainer.global_step)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the average at every step, before callbacks are called: a checkpoint is to hold both."""
        super().optimizer_step(*args, **kwargs)
        if self.average:
            self.average.update(self.model)

    def on_validation_epoch_start(self) -> None:
        """Reset the sums of nats."""
        self.nats = torch.zeros(len(self.model.columns), dtype=torch.float64, device=self.device)
        self.scored = 0

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, rows: Tensor, batch_idx: int) -> None:
        """Add the nats of every event but each sequence's first; of several processes each takes its share."""
        shared = torch.distributed.is_initialized()
        if shared and batch_idx % torch.distributed.get_world_size() != torch.distributed.get_rank():
            return
        self.scored += int(_count(rows[:, 1:]))
        self.nats -= self.played.log_prob(rows)[:, 1:].double().sum((0, 1))

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        """Log nats per event, all processes taken together, and the training metrics."""
        self.validated_step = self.global_step
        self.log_dict(self._take_metrics(), sync_dist=True)
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log nats per event, in total and for each column."""
        self._log_scores("test")

    def _log_scores(self, group: str) -> None:
        scored = torch.tensor(self.scored, device=self.device)
        if torch.distributed.is_initialized():  # add up the sums of all processes
            for total in (self.nats, scored):
                torch.distributed.all_reduce(total)
        if not scored:
            return
        means = self.nats / scored
        self.log(f"{group}/nll", means.sum().float())
        for column, value in zip(self.model.columns, means.float(), strict=True):
            self.log(tag(group, column.name), value)

    def _take_metrics(self) -> dict[str, float]:
        metrics = self.metrics.take()
        if "training/events_per_second" in metrics:  # each process has counted its own
            metrics["training/events_per_second"] *= self.trainer.world_size
        rate = {"training/learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"]} if metrics else {}
        return metrics | rate

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101) or another, and its schedule."""
        weights = list(self.model.parameters())
        groups = [
            {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        # one pass over all weights; under mixed precision it would unscale gradients itself, and none could be clipped
        mixed = "mixed" in str(getattr(self._trainer, "precision", ""))
        optimizer = (self.optimizer or partial(torch.optim.AdamW, fused=not mixed))(groups, lr=self.lr)
        # of a function, as against an object, a checkpoint keeps nothing
        scheduler = LambdaLR(optimizer, lambda step: self.schedule(step))  # noqa: PLW0108
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let a run with an average go on from one without, and the other way round."""
        state = checkpoint["state_dict"]
        kept = [name for name in state if name.startswith("average.")]
        if self.average is None:
            for name in kept:
                del state[name]
        elif not kept:
            state |= {AVERAGE + name: weight.clone() for name, weight in pick(state, WEIGHTS).items()}
            state["average.n_averaged"] = torch.zeros_like(self.average.n_averaged)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what `gen`, `eval` and `run` need to use the checkpoint as a model."""
        checkpoint[SPEC] = describe(self.played)
        checkpoint[GRAMS] = keep_grams(self.model)


def tag(group: str, column: str) -> str:
    """Return under what a column is logged, ``val/<column>``; a column named as the total keeps out of its way."""
    # no feature's name holds a colon
    return f"{group}/column:{column}" if column == "nll" else f"{group}/{column}"


def _count(rows: Tensor) -> Tensor:
    """Return the number of events, padding left out."""
    return (~rows.isnan().all(-1)).sum()
