"""Gated recurrent units (Cho et al. 2014, https://arxiv.org/abs/1406.1078)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hachimachi.models.backbone import State
from hachimachi.models.parts import register
from hachimachi.models.recurrent import Layer, Recurrent, RecurrentStepper
from hachimachi.models.stepping import Vector, sigmoid


@register("backbone", "gru")
class GRU(Recurrent):
    """Layers of gated recurrent units; see :class:`~hachimachi.models.recurrent.Recurrent`."""

    unit, parts = nn.GRU, 1

    def cell(self, x: Tensor, state: State, weights: Sequence[Tensor]) -> State:
        """Return the new hidden vectors."""
        return (torch.gru_cell(x, state[0], *weights),)

    def stepper(self) -> RecurrentStepper:
        """Return the fast form; see :class:`~hachimachi.models.backbone.Backbone`."""
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
