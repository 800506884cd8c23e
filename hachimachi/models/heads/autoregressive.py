"""The head that foretells the columns of an event one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hachimachi.columns import Column
from hachimachi.models.conditional import Conditional, condition
from hachimachi.models.distribution import Distribution, EventSampler, Head
from hachimachi.models.encoder import encode_column
from hachimachi.models.parts import register
from hachimachi.models.sampling import Sampling


@register("head", "autoregressive")
class AutoregressiveHead(Head):
    """P(event) = Π_d P(column d | past, columns before d): the chain rule inside an event.

    Each column has a hidden layer of its own, which hears the past and the columns before it, masked ones too: a
    note's duration may follow from its pitch.

    Args:
        columns: What to foretell, D columns.
        size: Width of the hidden vectors.
        former: Where in the hidden vector the former value of a column stands, by column.
        components: Number of logistics for each column of numbers.
        width: Width of each column's hidden layer.
        dropout: Share of it left out at random in training.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        size: int,
        former: Mapping[int, int],
        components: int = 8,
        width: int = 96,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.former = dict(former)
        self.given = [encode_column(column, place) for place, column in enumerate(columns[:-1])]
        self.conditionals: list[Conditional] = [condition(column, components) for column in columns]
        self.parts = nn.ModuleList([*self.given, *self.conditionals])
        widths = [sum(part.size for part in self.given[:place]) for place in range(len(columns))]
        self.listen = [nn.Linear(size, width) for _ in columns]
        self.relate = [nn.Linear(before, width, bias=False) for before in widths[1:]]
        self.project = [nn.Linear(width, conditional.size) for conditional in self.conditionals]
        self.layers = nn.ModuleList([*self.listen, *self.relate, *self.project])
        self.dropout = nn.Dropout(dropout)

    @torch.no_grad()
    def start_at(self, rows: Tensor) -> None:
        """Set the biases so that the untrained head gives about the marginals of raw events, shape (N, D)."""
        for place, conditional in enumerate(self.conditionals):
            values = rows[:, place]
            values = values[~values.isnan()] if not values.isnan().all() else torch.zeros(1, dtype=rows.dtype)
            self.project[place].weight.mul_(0.1)
            self.project[place].bias.copy_(conditional.initial(values))

    def forward(self, hidden: Tensor) -> Autoregressive:
        """Return the distribution that follows hidden vectors of shape (..., H)."""
        return Autoregressive(self, hidden)

    def sampler(self) -> EventSampler:
        """Return what draws from the head as it is now."""
        return AutoregressiveSampler(self)

    def parameters_of(self, column: int, hidden: Tensor, given: Tensor | None) -> Tensor:
        """Return the parameters of a column's conditional, shape (..., P).

        Args:
            column: Which one.
            hidden: The past, shape (..., H).
            given: The encoded columns before it, shape (..., E), ``None`` for the first.
        """
        heard = self.listen[column](hidden)
        if given is not None:
            heard = heard + self.relate[column - 1](given.to(heard.dtype))
        return self.project[column](self.dropout(F.relu(heard)))


class Autoregressive(Distribution):
    """The distribution that an :class:`AutoregressiveHead` gives for hidden vectors of shape (..., H)."""

    def __init__(self, head: AutoregressiveHead, hidden: Tensor) -> None:
        self.head, self.hidden = head, hidden

    def log_prob(self, rows: Tensor) -> Tensor:
        """Return ln P of each column given the past and the columns before it."""
        given = self._given(rows, len(self.head.given))
        costs = [
            conditional.log_prob(self._parameters(place, given), rows[..., place], self._former(place))
            for place, conditional in enumerate(self.head.conditionals)
        ]
        return torch.stack(costs, dim=-1)

    def table(self, column: int, rows: Tensor) -> Tensor:
        """Return the probabilities of all bins of a column, given the columns before it."""
        given = self._given(rows, column)
        return self.head.conditionals[column].table(self._parameters(column, given), self._former(column))

    def _given(self, rows: Tensor, columns: int) -> list[Tensor]:
        """Return the first columns as the ones after them hear them: bins, so that the chain rule is one of bins."""
        pairs = zip(self.head.conditionals, rows.unbind(-1), strict=True)
        snapped = torch.stack([conditional.snap(values) for conditional, values in pairs], dim=-1)
        return [part(snapped) for part in self.head.given[:columns]]

    def _parameters(self, column: int, given: list[Tensor]) -> Tensor:
        before = torch.cat(given[:column], dim=-1) if column else None
        return self.head.parameters_of(column, self.hidden, before)

    def _former(self, column: int) -> Tensor | None:
        place = self.head.former.get(column)
        return None if place is None else self.hidden[..., place]


class AutoregressiveSampler(EventSampler):
    """Draws the columns of an event one after the other."""

    def __init__(self, head: AutoregressiveHead) -> None:
        self.former = [head.former.get(column) for column in range(len(head.conditionals))]
        self.samplers = [conditional.sampler() for conditional in head.conditionals]
        self.encoders = [part.for_one_row() for part in head.given]
        # what every column hears of the past is one product, cut into columns
        weights, biases = zip(*((layer.weight, layer.bias) for layer in head.listen), strict=True)
        self.listen = torch.cat(weights), torch.cat(biases)
        self.relate = [layer.weight for layer in head.relate]
        self.project = [(layer.weight, layer.bias) for layer in head.project]

    def sample(self, hidden: Tensor, last: Sequence[float], sampling: Sampling, random: Random) -> NDArray[np.float64]:
        """Draw an event that follows a hidden vector of shape (H,)."""
        heard = F.linear(hidden, *self.listen).chunk(len(self.samplers))
        row: list[float] = []
        snapped: list[float] = []
        given: list[float] = []
        for column, sampler in enumerate(self.samplers):
            now = heard[column]
            if column:
                now = torch.addmv(now, self.relate[column - 1], torch.from_numpy(np.array(given)).to(now.dtype))
            raw = F.linear(F.relu(now), *self.project[column])
            place = self.former[column]
            former = math.nan if place is None else float(hidden[place])
            row.append(sampler.draw(raw, former, last[column], sampling, random))
            snapped.append(sampler.snap(row[-1]))
            if column < len(self.encoders):
                given += self.encoders[column](snapped)
        return np.array(row)
