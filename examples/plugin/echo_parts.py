"""Parts of one's own, kept outside hachimachi: a backbone, a head, and a format of files.

    cd examples/plugin
    hxmx format --plugin echo_parts steps.walk data.json
    hxmx train steps.walk echo.pt 'plugins=[echo_parts]' model=echo model.decays=[0.5,0.9]
    hxmx info echo.pt --plugin echo_parts
    hxmx gen echo.pt output.walk --plugin echo_parts
    hxmx train steps.walk walk.pt --config-dir conf experiment=walk

Importing this module registers them: that is all that `plugins=` and `--plugin` do. What a constructor takes, beside
what the model decides for it, are the keys of `model` and `head`, with the constructor's defaults: a misspelt one is
refused, and types are checked. Files in a folder of one's own, here conf/, may choose other values and name them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io.report import Report
from hachimachi.models.backbones.backbone import Backbone, State
from hachimachi.models.heads.mixture import MixtureHead
from hachimachi.plugins import register, register_format


@register("backbone", "echo")
class Echo(Backbone):
    """Remembers its inputs as averages that fade, some fast, some slowly; nothing about that is learned.

    Args:
        size_in: Width of the input, E; the model decides it.
        size: Width of the output, H.
        decays: How much of each average stays at a step, from 0 to below 1.
        bias: Whether what is made of the averages has a bias.
    """

    decays: Tensor

    def __init__(self, size_in: int, size: int = 64, decays: Sequence[float] = (0.5, 0.9, 0.99), bias: bool = True):
        super().__init__(size_in, size)
        if not decays or not all(0 <= decay < 1 for decay in decays):
            raise HachimachiError(f"model.decays is {list(decays)}; expected numbers from 0 to below 1")
        self.register_buffer("decays", torch.tensor(list(decays)), persistent=False)
        self.mix = nn.Linear(size_in * (1 + len(decays)), size, bias=bias)

    def initial_state(self, batch: int) -> State:
        """Return averages of nothing, shape (B, K, E)."""
        return (self.mix.weight.new_zeros(batch, len(self.decays), self.size_in),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on from a state, step by step."""
        hidden = []
        for now in x.unbind(1):
            out, state = self.step(now, state)
            hidden.append(out)
        return torch.stack(hidden, 1), state

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Go on by one step."""
        decays = self.decays[:, None]
        averages = decays * state[0] + (1 - decays) * x[:, None]  # (B, K, E)
        return torch.tanh(self.mix(torch.cat([x, averages.flatten(1)], -1))), (averages,)


@register("head", "crowd")
class CrowdHead(MixtureHead):
    """The classic mixture with more components than usual: the smallest head there can be, made of another."""

    def __init__(self, columns: Sequence[Column], size: int, previous: Mapping[int, int], components: int = 32) -> None:
        super().__init__(columns, size, previous, components)


def parse(data: bytes, file: str, report: Report) -> list[EventSequence]:  # noqa: ARG001  (as every format has it)
    """Read a walk: one step a line, ``seconds place``."""
    try:
        rows = np.loadtxt(data.decode().splitlines(), ndmin=2)
    except ValueError as error:
        raise HachimachiError(f"expected two numbers a line, seconds and a place: {error}") from error
    if rows.shape[1] != 2:
        raise HachimachiError(f"found {rows.shape[1]} numbers a line, expected two: seconds and a place")
    return [EventSequence((Feature("place", kind="integer"),), rows[:, 1:], rows[:, 0])]


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write a walk."""
    if len(sequences) > 1:
        raise HachimachiError(f"a walk is one sequence, there are {len(sequences)}; write .json")
    walk = sequences[0]
    if walk.time is None or len(walk.features) != 1:
        raise HachimachiError("a walk has time and one feature")
    return "".join(f"{at:.3f} {place:.0f}\n" for at, place in zip(walk.time, walk.data[:, 0], strict=True)).encode()


register_format(".walk", parse=parse, render=render)
