"""The classic head: one mixture across the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hachimachi.columns import Categories, Column
from hachimachi.errors import HachimachiError
from hachimachi.models.heads.categorical import CategoryEmission
from hachimachi.models.heads.column_distribution import NumberEmission
from hachimachi.models.heads.head import Distribution, Emission, EventSampler, Head
from hachimachi.models.registry import register
from hachimachi.player.numpy_backbones import Vector, as_array
from hachimachi.sampling import Numbers, Sampling, draw_index


@register("head", "mixture")
class MixtureHead(Head):
    """A mixture density head (Bishop 1994, https://publications.aston.ac.uk/id/eprint/373/; Graves 2013,
    https://arxiv.org/abs/1308.0850) on the stated grid: inside a component the columns are independent.

    Args:
        columns: What to foretell, D columns.
        size: Width of the hidden vectors.
        former: Where in the hidden vector the former value of a column stands, by column.
        components: Number of components, K.
    """

    def __init__(self, columns: Sequence[Column], size: int, former: Mapping[int, int], components: int = 10) -> None:
        super().__init__()
        if components < 1:
            raise HachimachiError(f"head.components is {components}; expected 1 or more")
        self.former = dict(former)
        self.names = [column.name for column in columns]
        self.order = tuple(range(len(columns)))
        self.components = components
        self.emissions: list[Emission] = [
            CategoryEmission(column) if isinstance(column.grid, Categories) else NumberEmission(column)
            for column in columns
        ]
        self.tables = nn.ModuleList(self.emissions)  # their histograms follow the head to another device
        self.sizes = [components, *(components * emission.size for emission in self.emissions)]
        self.project = nn.Linear(size, sum(self.sizes))

    @torch.no_grad()
    def start_at(self, rows: Tensor) -> None:
        """Set the biases so that the untrained head gives about the marginals of raw events, shape (N, D).

        Each component stands on an event drawn at random; every other one moves along with the last event heard.
        """
        rows = rows[torch.randint(len(rows), (self.components,))]
        bias, weight = self.project.bias.split(self.sizes), self.project.weight.split(self.sizes)
        self.project.weight.mul_(0.1)
        bias[0].zero_()
        for column, emission in enumerate(self.emissions):
            initial = emission.initial(rows[:, column].nan_to_num(0.0))  # (K, P)
            bias[1 + column].copy_(initial.flatten())
            if column in self.former:
                locations = weight[1 + column][:, self.former[column]].view(self.components, -1)[:, 0]
                locations[::2] = 1.0
                bias[1 + column].view(self.components, -1)[::2, 0] = 0.0

    def shrink(self, shares: Sequence[float]) -> bool:  # noqa: ARG002  (its columns share their components)
        """Leave everything as it is: there is no last layer of one column alone."""
        return False

    def sampler(self) -> EventSampler:
        """Return what draws from the head as it is now."""
        return MixtureSampler(self)

    def forward(self, hidden: Tensor) -> Mixture:
        """Return the distribution that follows hidden vectors of shape (..., H)."""
        weights, *raws = self.project(hidden).split(self.sizes, dim=-1)
        raws = [raw.unflatten(-1, (self.components, -1)) for raw in raws]  # (..., K, P)
        return Mixture(self.names, self.emissions, weights.log_softmax(-1), raws)


class Mixture(Distribution):
    """P(event) = Σ_k π_k Π_d P_kd(column d); column by column, the weights π follow what the columns before have shown.

    Args:
        names: Names of the columns.
        emissions: What turns a component's parameters into probabilities, one for each column.
        log_weights: ln π, shape (..., K).
        raws: Parameters of the components, shape (..., K, P) for each column.
    """

    def __init__(
        self, names: Sequence[str], emissions: Sequence[Emission], log_weights: Tensor, raws: Sequence[Tensor]
    ) -> None:
        self.names, self.emissions, self.log_weights, self.raws = names, emissions, log_weights, raws

    def log_prob(self, rows: Tensor) -> Tensor:
        """Return ln P of each column given the past and the columns before it."""
        running = [self.log_weights]
        for column, raw in enumerate(self.raws):
            running.append(running[-1] + self.emissions[column].log_prob(raw, rows[..., column]))
        return torch.stack([joint.logsumexp(-1) for joint in running], dim=-1).diff(dim=-1)

    def table(self, column: int, rows: Tensor, *, playable: bool = False) -> Tensor:
        """Return the probabilities of all bins of a column, given the other columns in rows."""
        log_weights = self.log_weights
        for other in range(len(self.emissions)):
            if other != column:  # what is not known (NaN) costs nothing and says nothing
                log_weights = log_weights + self.emissions[other].log_prob(self.raws[other], rows[..., other])
        log_table = self.emissions[column].log_table(self.raws[column], playable=playable)
        return (log_weights.log_softmax(-1)[..., None] + log_table).exp().sum(-2)


class MixtureSampler(EventSampler):
    """Draws a component and then its columns where nothing else is asked, else column by column from their tables."""

    def __init__(self, head: MixtureHead) -> None:
        self.names, self.order, self.components = head.names, head.order, head.components
        self.samplers = [emission.sampler() for emission in head.emissions]
        self.weight, self.bias = as_array(head.project.weight.T), as_array(head.project.bias)
        self.ends = np.cumsum(head.sizes)[:-1].tolist()

    def parameters(self, hidden: Vector) -> list[Vector]:
        """Return the logits of the components, shape (K,), and their parameters for each column, shape (K, P)."""
        logits, *raws = np.split(hidden.dot(self.weight) + self.bias, self.ends)
        return [logits, *(raw.reshape(self.components, -1) for raw in raws)]

    def sample(
        self,
        hidden: Vector,
        last: Sequence[float],  # noqa: ARG002  (what a component says of it stands in the hidden vector)
        sampling: Sampling,
        random: Random,
    ) -> NDArray[np.float64]:
        """Draw an event that follows a hidden vector of shape (H,)."""
        logits, *raws = (part.astype(np.float64) for part in self.parameters(hidden))
        weights = np.exp(logits - logits.max())
        if all(sampling.of(name).plain for name in self.names):
            chosen = draw_index(weights.tolist(), random)
            drawn = [
                sampler.draw(raw[chosen].tolist(), random) for sampler, raw in zip(self.samplers, raws, strict=True)
            ]
            kept = [sampler.plays(value) for sampler, value in zip(self.samplers, drawn, strict=True)]
            if all(kept):
                return np.array(drawn)
            return self._draw_in_turn(weights, raws, sampling, random, drawn[: kept.index(False)])
        return self._draw_in_turn(weights, raws, sampling, random)

    def _draw_in_turn(
        self, weights: Numbers, raws: list[Numbers], sampling: Sampling, random: Random, drawn: Sequence[float] = ()
    ) -> NDArray[np.float64]:
        """Draw column by column, the first ones as they are drawn already."""
        row = np.empty(len(raws))
        for place, column in enumerate(sampling.order(self.names, self.order)):
            weights = weights / weights.sum()
            sampler, raw, how = self.samplers[column], raws[column], sampling.of(self.names[column])
            known = place < len(drawn)
            row[column] = drawn[place] if known else sampler.draw_among(raw, weights, how, random)
            weights = weights * sampler.masses(raw, row[column])
        return row
