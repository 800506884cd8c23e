"""Minimal gated recurrent units (Feng et al. 2024, https://arxiv.org/abs/2410.01201)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from hachimachi.models.backbone import Backbone, State
from hachimachi.models.parts import register
from hachimachi.models.scan import scan
from hachimachi.models.stepping import Norm, Product, Stepper, Vector, sigmoid

LONGEST = 64.0
"""Events over which the slowest unit of an untrained layer remembers; the fastest remembers two."""


@register("backbone", "mingru")
class MinGRU(Backbone):
    """Layers of minimal gated recurrent units, each with a norm before, a gate after, and a way around it.

    Gates and candidates of a layer depend on its input only, never on its former state, so that in training all steps
    are computed at once but for one multiplication and one addition. What looks at the past is the layer above.

    Args:
        size_in: Width of the input.
        size: Width of each layer and of the output.
        layers: Number of layers.
        dropout: Share of inputs, of what each layer adds and of outputs left out at random in training.
    """

    def __init__(self, size_in: int, size: int = 128, layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__(size_in, size)
        self.enter = nn.Linear(size_in, size)
        self.layers = [MinGRULayer(size) for _ in range(layers)]
        self.modules_of_layers = nn.ModuleList(self.layers)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, batch: int) -> State:
        """Return zeros, shape (B, layers, H)."""
        return (self.norm.weight.new_zeros(batch, len(self.layers), self.size),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state; see :class:`Backbone`."""
        return self._run(x, state, self.dropout)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step; see :class:`Backbone`."""
        h, state = self._run(x[:, None], state, lambda whole: whole)
        return h[:, 0], state

    def stepper(self) -> Stepper:
        """Return the fast form; see :class:`Backbone`."""
        return MinGRUStepper(self)

    def _run(self, x: Tensor, state: State, drop: Callable[[Tensor], Tensor]) -> tuple[Tensor, State]:
        stream, last = self.enter(drop(x)), []
        for layer, former in zip(self.layers, state[0].unbind(1), strict=True):
            added, h = layer(stream, former)
            stream = stream + drop(added)
            last.append(h)
        return drop(self.norm(stream)), (torch.stack(last, dim=1),)


class MinGRULayer(nn.Module):
    """One layer: what it adds to the stream, and its state after the last step."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.gates = nn.Linear(size, 3 * size)  # update, candidate, output
        self.leave = nn.Linear(size, size)
        with torch.no_grad():  # units that remember for long and for short from the start (Tallec & Ollivier 2018)
            self.gates.bias[:size] = -torch.linspace(0, np.log(LONGEST - 1), size)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Go through x, shape (B, T, H), from a state, shape (B, H)."""
        update, candidate, gate = self.gates(self.norm(x)).to(state.dtype).chunk(3, dim=-1)
        h = scan(torch.sigmoid(-update), torch.sigmoid(update) * candidate, state)
        return self.leave(h * silu(gate)), h[:, -1]


class MinGRUStepper(Stepper):
    """A :class:`MinGRU` one step at a time. Its state is one vector for each layer."""

    def __init__(self, backbone: MinGRU) -> None:
        self.size, self.enter, self.norm = backbone.size, Product(backbone.enter), Norm(backbone.norm)
        self.layers = [(Product(layer.gates, layer.norm), Product(layer.leave)) for layer in backbone.layers]

    def initial_state(self) -> tuple[Vector, ...]:
        """Return zeros."""
        return tuple(np.zeros(self.size, np.float32) for _ in self.layers)

    def step(self, x: Vector, state: tuple[Vector, ...]) -> tuple[Vector, tuple[Vector, ...]]:
        """Go on by one step; see :class:`Stepper`."""
        size, stream, last = self.size, self.enter(x), []
        for (gates, leave), former in zip(self.layers, state, strict=True):
            gate = gates(stream)
            candidate, passed = gate[size : 2 * size], gate[2 * size :]
            h = candidate - former
            h *= sigmoid(gate[:size])
            h += former
            stream += leave(h * passed * sigmoid(passed.copy()))
            last.append(h)
        return self.norm(stream), tuple(last)
