"""A running average of weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hachimachi.models.event_model import EventModel


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
