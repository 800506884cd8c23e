"""What every backbone is."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from hachimachi.player.numpy_backbones import Stepper, Vector

State = tuple[Tensor, ...]
"""What a backbone remembers: tensors whose first dimension is the batch. Held by the caller, never by the module."""


class Backbone(nn.Module, ABC):
    """A causal sequence model with an explicit state: the same code trains and plays.

    Args:
        size_in: Width of the input, E.
        size: Width of the output, H.
    """

    def __init__(self, size_in: int, size: int) -> None:
        super().__init__()
        self.size_in = size_in
        self.size = size

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """Return the state before anything was heard."""

    @abstractmethod
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state.

        Args:
            x: Inputs, shape (B, T, E).
            state: What came before, as returned by an earlier call or by :meth:`initial_state`.

        Returns:
            Hidden vectors, shape (B, T, H), each of what came up to its own step; and the state after the last.
        """

    @abstractmethod
    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step, as fast as can be: inputs (B, E) → hidden vectors (B, H), without dropout."""

    def stepper(self) -> Stepper:
        """Return the fast form for playing one event at a time, with a copy of the weights as they are now.

        This one is PyTorch's own step, right for any backbone. One in NumPy takes a third of the time or less.
        """
        return _TorchStepper(self)


class _TorchStepper(Stepper):
    """The reference in the clothes of the fast form."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = copy.deepcopy(backbone).float().cpu().eval()

    @torch.inference_mode()
    def initial_state(self) -> State:
        return self.backbone.initial_state(1)

    @torch.inference_mode()
    def step(self, x: Vector, state: State) -> tuple[Vector, State]:
        h, state = self.backbone.step(torch.from_numpy(x)[None], state)
        return h[0].numpy(), state


class LockedDropout(nn.Module):
    """Leaves out the same units at every step of a sequence, others in every sequence and every pass.

    As good as a new draw at each step or better (Gal & Ghahramani 2016, https://arxiv.org/abs/1512.05287), and drawn in
    a fraction of its time.

    Args:
        share: Share of the units that is left out in training.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of shape (B, T, ...) with units left out and the others raised to make up for them."""
        if not self.training or not self.share:
            return x
        kept = torch.rand(x.shape[0], 1, *x.shape[2:], device=x.device) >= self.share
        return x * kept.to(x.dtype).div_(1 - self.share)
