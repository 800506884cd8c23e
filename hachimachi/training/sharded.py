"""Weights spread over several devices, none of which holds all of them (fully sharded data parallel).

PyTorch's own, https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html (Zhao et al. 2023,
https://arxiv.org/abs/2304.11277).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from hachimachi.checkpoint import describe
from hachimachi.models.event_model import EventModel


def shard(models: Iterable[EventModel], devices: DeviceMesh) -> None:
    """Spread each model over devices, in place. What they are asked for is gathered while they compute it."""
    for model in models:
        fully_shard(model, mesh=devices)
        register_fsdp_forward_method(model, "log_prob")


def is_sharded(model: EventModel) -> bool:
    """Return whether this process holds a part of each weight only."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def full(tensor: Tensor) -> Tensor:
    """Return a tensor whole, on each of the processes, which have to ask together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gather(model: EventModel) -> EventModel:
    """Return a model with all of its weights: itself, or a copy on the CPU. All processes have to ask together."""
    if not is_sharded(model):
        return model
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    whole = EventModel(model.columns, **json.loads(describe(model))["parts"])
    if state:  # the first process gets them
        whole.load_state_dict(state)
    whole.summary, whole.grams = model.summary, model.grams
    return whole
