"""Long short-term memory (Hochreiter & Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hachimachi.models.backbone import State
from hachimachi.models.parts import register
from hachimachi.models.recurrent import Layer, Recurrent, RecurrentStepper
from hachimachi.models.stepping import Vector, as_array, sigmoid


@register("backbone", "lstm")
class LSTM(Recurrent):
    """Layers of long short-term memory; see :class:`~hachimachi.models.recurrent.Recurrent`."""

    unit, parts = nn.LSTM, 2

    def cell(self, x: Tensor, state: State, weights: Sequence[Tensor]) -> State:
        """Return the new hidden vectors and cells."""
        return torch.lstm_cell(x, state, *weights)

    def stepper(self) -> RecurrentStepper:
        """Return the fast form; see :class:`~hachimachi.models.backbone.Backbone`."""
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
