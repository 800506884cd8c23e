"""Drawing events column by column, each given those drawn before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hachimachi.models.conditional import Conditional
from hachimachi.models.distribution import EventSampler
from hachimachi.models.encoder import ColumnEncoder
from hachimachi.models.sampling import Sampling


class AutoregressiveSampler(EventSampler):
    """Draws the columns of an event one after the other.

    Args:
        given: What a column is heard as by others, D encoders.
        conditionals: Each column's distribution.
        order: Positions of the columns, the first to be drawn first.
        former: Where in the hidden vector the former value of a column stands, by column.
        listen: Weight (D·W, H) and bias of the layer that hears the past.
        relate: Weights of the layer that hears other columns, shape (D, G, W).
        project: Weight (P, W) and bias of each column's last layer.
    """

    def __init__(
        self,
        given: Sequence[ColumnEncoder],
        conditionals: Sequence[Conditional],
        order: Sequence[int],
        former: Mapping[int, int],
        listen: tuple[Tensor, Tensor],
        relate: Tensor,
        project: Sequence[tuple[Tensor, Tensor]],
    ) -> None:
        self.order, self.listen, self.project = order, listen, project
        self.former = [former.get(column) for column in range(len(conditionals))]
        self.names = [conditional.name for conditional in conditionals]
        self.samplers = [conditional.sampler() for conditional in conditionals]
        self.encoders = [part.for_one_row() for part in given]
        self.relate = relate.transpose(1, 2).contiguous()  # (D, W, G)
        sizes = [part.size for part in given]
        self.starts = np.cumsum([0, *sizes]).tolist()

    def sample(self, hidden: Tensor, last: Sequence[float], sampling: Sampling, random: Random) -> NDArray[np.float64]:
        """Draw an event that follows a hidden vector of shape (H,)."""
        heard = F.linear(hidden, *self.listen).view(len(self.samplers), -1)
        row = [math.nan] * len(self.samplers)
        snapped = list(row)
        given = np.zeros(self.relate.shape[-1])
        for column in sampling.order(self.names, self.order):
            now = torch.addmv(heard[column], self.relate[column], torch.from_numpy(given).to(heard.dtype))
            raw = F.linear(F.relu(now), *self.project[column])
            place = self.former[column]
            former = math.nan if place is None else float(hidden[place])
            row[column] = self.samplers[column].draw(raw.numpy(), former, last[column], sampling, random)
            snapped[column] = self.samplers[column].snap(row[column])
            given[self.starts[column] : self.starts[column + 1]] = self.encoders[column](snapped)
            given[self.starts[-1] + column] = 1.0
        return np.array(row)
