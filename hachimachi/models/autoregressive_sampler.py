"""Drawing events column by column, each given those drawn before. NumPy, one event at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hachimachi.models.conditional import Conditional
from hachimachi.models.distribution import EventSampler
from hachimachi.models.encoder import ColumnEncoder
from hachimachi.models.sampling import Sampling
from hachimachi.models.squash import unsquash_one
from hachimachi.models.stepping import Vector, as_array

Linear = tuple[Tensor, Tensor]
"""Weight (out, in) and bias."""
REMEMBERED = 256
"""Values of a column for which it is kept what they say to the others: most columns have no more."""


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
        listen: Linear,
        relate: Tensor,
        project: Sequence[Linear],
    ) -> None:
        self.order = order
        self.former = [former.get(column) for column in range(len(conditionals))]
        self.names = [conditional.name for conditional in conditionals]
        self.samplers = [conditional.sampler() for conditional in conditionals]
        self.layers = Layers(given, listen, relate, project)

    def sample(self, hidden: Vector, last: Sequence[float], sampling: Sampling, random: Random) -> NDArray[np.float64]:
        """Draw an event that follows a hidden vector of shape (H,)."""
        layers, order = self.layers, sampling.order(self.names, self.order)
        layers.listen(hidden)
        row = [math.nan] * len(order)
        for column in order:
            place, sampler = self.former[column], self.samplers[column]
            former = math.nan if place is None else unsquash_one(float(hidden[place]))
            row[column] = sampler.draw(layers.parameters(column), former, last[column], sampling, random)
            if column != order[-1]:  # after that there is nobody to tell
                layers.tell(column, sampler.snap(row[column]))
        return np.array(row)


class Layers:
    """The layers of an :class:`~hachimachi.models.heads.autoregressive.AutoregressiveHead` for one event at a time.

    First :meth:`listen`; then, in any order, ask for the parameters of a column and tell its value. What a column says
    to the others is added to what they hear as soon as it is told, and never computed again.
    """

    def __init__(
        self, given: Sequence[ColumnEncoder], listen: Linear, relate: Tensor, project: Sequence[Linear]
    ) -> None:
        self.past = as_array(listen[0].T), as_array(listen[1])
        self.project = [(as_array(weight.T), as_array(bias)) for weight, bias in project]
        self.heard, self.open = np.empty(len(self.past[1]), np.float32), np.empty(relate.shape[-1], np.float32)
        self.columns = list(self.heard.reshape(len(given), -1))  # views
        *told, known = relate.transpose(0, 1).flatten(1).split([*(part.size for part in given), len(given)])
        self.relate = [as_array(torch.cat([part, flag[None]])) for part, flag in zip(told, known, strict=True)]
        self.encoded = [np.ones(part.size + 1, np.float32) for part in given]  # each ends in the 1 that says: known
        self.write = [part.writer(out[:-1]) for part, out in zip(given, self.encoded, strict=True)]
        self.said: list[dict[float, Vector]] = [{} for _ in given]

    def listen(self, hidden: Vector) -> None:
        """Hear the past, shape (H,); what was told of an event before is forgotten."""
        weight, bias = self.past
        np.dot(hidden, weight, out=self.heard)
        self.heard += bias

    def parameters(self, column: int) -> Vector:
        """Return the parameters of a column's conditional, shape (P,), given the past and what was told."""
        weight, bias = self.project[column]
        np.maximum(self.columns[column], 0.0, out=self.open)
        raw = self.open.dot(weight)
        raw += bias
        return raw

    def tell(self, column: int, value: float) -> None:
        """Let the other columns hear the value of one, the middle of its bin."""
        said = self.said[column].get(value)
        if said is None:
            self.write[column](value)
            said = self.encoded[column].dot(self.relate[column])
            if len(self.said[column]) < REMEMBERED:
                self.said[column][value] = said
        self.heard += said
