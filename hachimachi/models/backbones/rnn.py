"""What the classic recurrent backbones share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from hachimachi.models.backbones.backbone import Backbone, LockedDropout, State
from hachimachi.models.registry import register
from hachimachi.player.numpy_backbones import Stepper, Vector, as_array, sigmoid


class Recurrent(Backbone):
    """Layers of PyTorch's own recurrent units.

    Args:
        size_in: Width of the input.
        size: Width of each layer and of the output.
        layers: Number of layers.
        dropout: Share of inputs and outputs of the layers left out at random in training.
    """

    unit: ClassVar[type[nn.GRU] | type[nn.LSTM]]
    parts: ClassVar[int]
    """Tensors in the state of the unit."""

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
        former = tuple(part.transpose(0, 1).contiguous() for part in state)
        out, last = self.rnn(self.dropout(x), former if self.parts > 1 else former[0])
        last = last if self.parts > 1 else (last,)
        return self.dropout(out), tuple(part.transpose(0, 1) for part in last)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step; see :class:`Backbone`."""
        last = []
        for layer, weights in enumerate(self.rnn.all_weights):
            last.append(self.cell(x, tuple(part[:, layer] for part in state), weights))
            x = last[-1][0]
        return x, tuple(torch.stack(part, dim=1) for part in zip(*last, strict=True))

    @abstractmethod
    def cell(self, x: Tensor, state: State, weights: Sequence[Tensor]) -> State:
        """Return the new state of one layer, hidden vectors first, each (B, H)."""


Layer = tuple[Vector, Vector, Vector, Vector]
"""Weights of a layer for inputs and for hidden vectors, (in, gates · H), and the biases of both."""
Memory = tuple[tuple[Vector, ...], ...]
"""For each layer, the vectors of its state."""


class RecurrentStepper(Stepper):
    """A :class:`Recurrent` one step at a time."""

    def __init__(self, backbone: Recurrent) -> None:
        self.size, self.parts = backbone.size, backbone.parts
        self.layers = [self._copy(*weights) for weights in backbone.rnn.all_weights]

    @staticmethod
    def _copy(into: Tensor, around: Tensor, bias_into: Tensor, bias_around: Tensor) -> Layer:
        # a vector from the left: measured a third faster than the matrix as PyTorch keeps it from the left
        return as_array(into.T), as_array(around.T), as_array(bias_into), as_array(bias_around)

    def initial_state(self) -> Memory:
        """Return zeros."""
        return ((np.zeros(self.size, np.float32),) * self.parts,) * len(self.layers)

    def step(self, x: Vector, state: Memory) -> tuple[Vector, Memory]:
        """Go on by one step; see :class:`Stepper`."""
        last = []
        for layer, former in zip(self.layers, state, strict=True):
            now = self.cell(x, former, layer)
            last.append(now)
            x = now[0]
        return x, tuple(last)

    @abstractmethod
    def cell(self, x: Vector, state: tuple[Vector, ...], layer: Layer) -> tuple[Vector, ...]:
        """Return the new state of one layer, the hidden vector first, each (H,)."""


@register("backbone", "gru")
class GRU(Recurrent):
    """Layers of gated recurrent units; see :class:`~hachimachi.models.backbones.rnn.Recurrent`."""

    unit, parts = nn.GRU, 1

    def cell(self, x: Tensor, state: State, weights: Sequence[Tensor]) -> State:
        """Return the new hidden vectors."""
        return (torch.gru_cell(x, state[0], *weights),)

    def stepper(self) -> RecurrentStepper:
        """Return the fast form; see :class:`~hachimachi.models.backbones.backbone.Backbone`."""
        return GRUStepper(self)


class GRUStepper(RecurrentStepper):
    """A :class:`GRU` one step at a time."""

    def cell(self, x: Vector, state: tuple[Vector, ...], layer: Layer) -> tuple[Vector, ...]:
        """Return the new hidden vector."""
        into, around, bias_into, bias_around = layer
        [former], size = state, self.size
        heard, kept = x.dot(into), former.dot(around)  # reset, update and candidate of each
        heard += bias_into
        kept += bias_around
        gates = sigmoid(heard[: 2 * size] + kept[: 2 * size])
        candidate = kept[2 * size :]
        candidate *= gates[:size]
        candidate += heard[2 * size :]
        np.tanh(candidate, out=candidate)
        hidden = former - candidate
        hidden *= gates[size:]
        hidden += candidate
        return (hidden,)


@register("backbone", "lstm")
class LSTM(Recurrent):
    """Layers of long short-term memory; see :class:`~hachimachi.models.backbones.rnn.Recurrent`."""

    unit, parts = nn.LSTM, 2

    def cell(self, x: Tensor, state: State, weights: Sequence[Tensor]) -> State:
        """Return the new hidden vectors and cells."""
        return torch.lstm_cell(x, state, *weights)

    def stepper(self) -> RecurrentStepper:
        """Return the fast form; see :class:`~hachimachi.models.backbones.backbone.Backbone`."""
        return LSTMStepper(self)


class LSTMStepper(RecurrentStepper):
    """An :class:`LSTM` one step at a time."""

    @staticmethod
    def _copy(into: Tensor, around: Tensor, bias_into: Tensor, bias_around: Tensor) -> Layer:
        # the biases only ever stand in one sum
        both = as_array(bias_into.double() + bias_around.double())
        return as_array(into.T), as_array(around.T), both, np.zeros_like(both)

    def cell(self, x: Vector, state: tuple[Vector, ...], layer: Layer) -> tuple[Vector, ...]:
        """Return the new hidden vector and cell."""
        into, around, bias, _ = layer
        (former, kept), size = state, self.size
        gates = x.dot(into)  # input, forget, candidate, output
        gates += former.dot(around)
        gates += bias
        candidate = np.tanh(gates[2 * size : 3 * size])
        sigmoid(gates)
        cell = gates[size : 2 * size] * kept
        candidate *= gates[:size]
        cell += candidate
        return gates[3 * size :] * np.tanh(cell), cell
