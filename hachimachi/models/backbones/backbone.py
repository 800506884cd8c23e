"""What every backbone is, and a check that one keeps to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from hachimachi.errors import HachimachiError

State = tuple[Tensor, ...]
"""What a backbone remembers: tensors whose first dimension is the batch. Held by the caller, never by the module."""


class Backbone(nn.Module, ABC):
    """A causal sequence model with an explicit state: the same code trains and plays.

    A backbone may have a fast form for playing in NumPy besides: a method ``stepper`` that returns a
    :class:`~hachimachi.player.numpy_backbones.NumpyBackbone` with a copy of the weights; otherwise :meth:`step` plays.

    Args:
        size_in: Width of the input, E.
        size: Width of the output, H, and of each layer. Every backbone also takes ``layers``, their number, and
            ``dropout``, the share left out at random in training of what goes into, between and out of them.
    """

    input_weight: ClassVar[str] = ""
    """Name of the weight that meets the input, shape (..., E), for a model that begins with one of other columns."""

    def __init__(self, size_in: int, size: int) -> None:
        super().__init__()
        self.size_in = size_in
        self.size = size

    @abstractmethod
    def initial_state(self, batch: int) -> State:
        """Return the state before the first input."""

    @abstractmethod
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state: inputs (B, T, E) → hidden vectors (B, T, H), each of what came up to its own step.

        The state is what an earlier call or :meth:`initial_state` returned; returned is the one after the last step.
        """

    @abstractmethod
    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step, as fast as can be: inputs (B, E) → hidden vectors (B, H), without dropout."""


CHECKED_STEPS = 8
TOLERANCE = 1e-3  # most by which `step` may differ from `forward`: single precision comes to a hundredth of that


@torch.no_grad()
def check_backbone(backbone: Backbone, name: str) -> None:
    """Check on random inputs that a backbone plays what it learned: that ``step`` and ``forward`` agree. Both go
    through two sequences of inputs, ``forward`` in two pieces. HachimachiError if they differ."""
    training = backbone.training
    backbone.eval()
    like = next(backbone.parameters(), torch.zeros(()))
    x = torch.randn(2, CHECKED_STEPS, backbone.size_in, generator=torch.Generator().manual_seed(0)).to(like)
    state, pieces = backbone.initial_state(2), []
    for piece in x.split(CHECKED_STEPS // 2, dim=1):
        hidden, state = backbone(piece, state)
        pieces.append(hidden)
    state, steps = backbone.initial_state(2), []
    for now in x.unbind(1):
        hidden, state = backbone.step(now, state)
        steps.append(hidden)
    backbone.train(training)
    learned, played = torch.cat(pieces, dim=1), torch.stack(steps, dim=1)  # (2, CHECKED_STEPS, H)
    expected = (2, CHECKED_STEPS, backbone.size)
    if learned.shape != expected or played.shape != expected:
        found = f"forward gives {tuple(learned.shape)} and step {tuple(played.shape)} for {CHECKED_STEPS} steps"
        raise HachimachiError(f"backbone {name!r}: {found}; expected {expected}")
    difference = float((learned - played).abs().max())
    if not difference <= TOLERANCE:
        found = f"step and forward differ by up to {difference:.2g}, so it would play what it never learned"
        raise HachimachiError(f"backbone {name!r}: {found}; make both the same function of inputs and state")
