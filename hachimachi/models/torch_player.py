"""Playing by torch, for backbones and heads that have no form in :mod:`hachimachi.player`: those of plug-ins."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from hachimachi.columns import Categories, Column
from hachimachi.models.backbones.backbone import Backbone, State
from hachimachi.models.heads.head import Head
from hachimachi.player.column_samplers import CategorySampler, PlayedGrid
from hachimachi.player.numpy_backbones import NumpyBackbone, Vector
from hachimachi.player.numpy_heads import NumpyHead
from hachimachi.sampling import Sampling, draw_bin


class TorchBackbone(NumpyBackbone):
    """Any backbone, by its own step and with a copy of its weights."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = copy.deepcopy(backbone).float().cpu().eval()

    @torch.inference_mode()
    def initial_state(self) -> State:
        """Return the state before the first input."""
        return self.backbone.initial_state(1)

    @torch.inference_mode()
    def step(self, x: Vector, state: State) -> tuple[Vector, State]:
        """Go on by one step."""
        h, state = self.backbone.step(torch.from_numpy(x)[None], state)
        return h[0].numpy(), state


class TorchHead(NumpyHead):
    """Any head, by its tables and with a copy of its weights: inside a bin values are drawn evenly."""

    def __init__(self, head: Head, columns: Sequence[Column]) -> None:
        self.head = copy.deepcopy(head).float().cpu().eval()
        self.names = [column.name for column in columns]
        self.samplers = [
            CategorySampler(column.grid) if isinstance(column.grid, Categories) else PlayedGrid.of(column)
            for column in columns
        ]

    @torch.inference_mode()
    def sample(self, hidden: Vector, last: Sequence[float], sampling: Sampling, random: Random) -> NDArray[np.float64]:  # noqa: ARG002
        """Draw an event column by column, each given those drawn before it."""
        distribution = self.head(torch.from_numpy(hidden)[None])
        row = torch.full((1, len(self.names)), math.nan, dtype=torch.float64)
        for i in sampling.order(self.names, self.head.order):
            sampler, options = self.samplers[i], sampling.of(self.names[i])
            table = distribution.table(i, row, playable=True)[0].double().numpy()
            if isinstance(sampler, CategorySampler):
                row[0, i] = sampler.draw(table[:-1], options, random)
                continue
            bins = sampler.allowed(options.constraint)
            table = table[bins.start : bins.stop] * bins.mask
            index = bins.start + draw_bin(options.weigh(table if table.any() else bins.mask.astype(np.float64)), random)
            value = sampler.spread(index, random)
            row[0, i] = sampler.confine(value, index, options.constraint, random) if options.constraint else value
        return row[0].numpy()
