"""Long short-term memory (Hochreiter & Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hachimachi.models.backbone import Backbone, State
from hachimachi.models.parts import register


@register("backbone", "lstm")
class LSTM(Backbone):
    """Layers of long short-term memory.

    Args:
        size_in: Width of the input.
        size: Width of each layer and of the output.
        layers: Number of layers.
        dropout: Share of inputs and outputs of the layers left out at random in training.
    """

    def __init__(self, size_in: int, size: int = 128, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__(size_in, size)
        self.layers = layers
        self.rnn = nn.LSTM(size_in, size, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, batch: int) -> State:
        """Return zeros for hidden and cell, shape (B, layers, H) each."""
        zeros = next(self.parameters()).new_zeros(batch, self.layers, self.size)
        return zeros, zeros

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state; see :class:`Backbone`."""
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state)
        out, (hidden, cell) = self.rnn(self.dropout(x), (hidden, cell))
        return self.dropout(out), (hidden.transpose(0, 1), cell.transpose(0, 1))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step; see :class:`Backbone`."""
        hidden, cell = [], []
        for layer, weights in enumerate(self.rnn.all_weights):
            x, inner = torch.lstm_cell(x, (state[0][:, layer], state[1][:, layer]), *weights)
            hidden.append(x)
            cell.append(inner)
        return x, (torch.stack(hidden, dim=1), torch.stack(cell, dim=1))
