"""Gated recurrent units (Cho et al. 2014, https://arxiv.org/abs/1406.1078)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hachimachi.models.backbone import Backbone, State
from hachimachi.models.parts import register


@register("backbone", "gru")
class GRU(Backbone):
    """Layers of gated recurrent units.

    Args:
        size_in: Width of the input.
        size: Width of each layer and of the output.
        layers: Number of layers.
        dropout: Share of inputs and outputs of the layers left out at random in training.
    """

    def __init__(self, size_in: int, size: int = 128, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__(size_in, size)
        self.layers = layers
        self.rnn = nn.GRU(size_in, size, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, batch: int) -> State:
        """Return zeros, shape (B, layers, H)."""
        return (next(self.parameters()).new_zeros(batch, self.layers, self.size),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state; see :class:`Backbone`."""
        out, hidden = self.rnn(self.dropout(x), state[0].transpose(0, 1).contiguous())
        return self.dropout(out), (hidden.transpose(0, 1),)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step; see :class:`Backbone`."""
        hidden = []
        for layer, weights in enumerate(self.rnn.all_weights):
            x = torch.gru_cell(x, state[0][:, layer], *weights)
            hidden.append(x)
        return x, (torch.stack(hidden, dim=1),)
