"""The classic recurrent backbones: GRU (Cho et al. 2014, https://arxiv.org/abs/1406.1078) and LSTM (Hochreiter &
Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from hachimachi.models.backbones.backbone import Backbone, State
from hachimachi.plugins import register


class Recurrent(Backbone):
    """Layers of PyTorch's own recurrent units."""

    unit: ClassVar[type[nn.GRU] | type[nn.LSTM]]
    parts: ClassVar[int]  # tensors in the state of the unit
    input_weight = "rnn.weight_ih_l0"

    def __init__(self, size_in: int, size: int = 128, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__(size_in, size)
        self.layers = layers
        self.rnn = self.unit(size_in, size, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = LockedDropout(dropout)

    def initial_state(self, batch: int) -> State:
        """Return zeros, shape (B, layers, H) for each part of the state."""
        zeros = next(self.parameters()).new_zeros(batch, self.layers, self.size)
        return (zeros,) * self.parts

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state; see :class:`Backbone`."""
        previous = tuple(part.transpose(0, 1).contiguous() for part in state)  # (layers, B, H)
        out, last = self.rnn(self.dropout(x), previous if self.parts > 1 else previous[0])
        last = last if self.parts > 1 else (last,)
        return self.dropout(out), tuple(part.transpose(0, 1) for part in last)  # (B, T, H), (B, layers, H)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step; see :class:`Backbone`."""
        last = []
        for layer, weights in enumerate(self.rnn.all_weights):
            last.append(self.cell(x, tuple(part[:, layer] for part in state), weights))
            x = last[-1][0]
        return x, tuple(torch.stack(part, dim=1) for part in zip(*last, strict=True))  # (B, H), (B, layers, H)

    @abstractmethod
    def cell(self, x: Tensor, state: State, weights: Sequence[Tensor]) -> State:
        """Return the new state of one layer, hidden vectors first, each (B, H)."""


@register("backbone", "gru")
class GRU(Recurrent):
    """Layers of gated recurrent units; see :class:`Recurrent`."""

    unit, parts = nn.GRU, 1

    def cell(self, x: Tensor, state: State, weights: Sequence[Tensor]) -> State:
        """Return the new hidden vectors."""
        return (torch.gru_cell(x, state[0], *weights),)


@register("backbone", "lstm")
class LSTM(Recurrent):
    """Layers of long short-term memory; see :class:`Recurrent`."""

    unit, parts = nn.LSTM, 2

    def cell(self, x: Tensor, state: State, weights: Sequence[Tensor]) -> State:
        """Return the new hidden vectors and cells."""
        return torch.lstm_cell(x, state, *weights)


class LockedDropout(nn.Module):
    """Leaves out the same units at every step of a sequence, others in every sequence and every pass. As good as a new
    draw at each step or better (Gal & Ghahramani 2016, https://arxiv.org/abs/1512.05287), and faster."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of shape (B, T, ...) with units left out and the others raised to make up for them."""
        if not self.training or not self.share:
            return x
        kept = torch.rand(x.shape[0], 1, *x.shape[2:], device=x.device) >= self.share  # (B, 1, ...)
        return x * kept.to(x.dtype).div_(1 - self.share)
