"""The classic head: one mixture across the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hachimachi.grid import Categories, Column
from hachimachi.models.categories import CategoryEmission
from hachimachi.models.distribution import Distribution, Head, Sampling
from hachimachi.models.emission import Emission, draw
from hachimachi.models.numbers import NumberEmission
from hachimachi.models.parts import register


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
        self.former = dict(former)
        self.names = [column.name for column in columns]
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

    def table(self, column: int, rows: Tensor) -> Tensor:
        """Return the probabilities of all bins of a column, given the columns before it."""
        log_weights = self.log_weights
        for before in range(column):
            log_weights = log_weights + self.emissions[before].log_prob(self.raws[before], rows[..., before])
        return self._tabulate(column, log_weights.log_softmax(-1)).sum(-2)

    def sample(self, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
        """Draw events; a component for all columns at once where the temperature is 1."""
        if all(sampling.temperature_of(name) == 1 for name in self.names):
            chosen = draw(self.log_weights.exp(), generator)
            parts = [
                e.sample(_component(raw, chosen), generator) for e, raw in zip(self.emissions, self.raws, strict=True)
            ]
            return torch.stack(parts, dim=-1)
        return self._sample_in_turn(sampling, generator)

    def _sample_in_turn(self, sampling: Sampling, generator: torch.Generator | None) -> Tensor:
        log_weights, parts = self.log_weights, []
        for name, emission, raw, column in zip(
            self.names, self.emissions, self.raws, range(len(self.raws)), strict=True
        ):
            joint = self._tabulate(column, log_weights.log_softmax(-1))  # (..., K, bins)
            index = sampling.draw_bin(joint.sum(-2), name, generator)
            at_bin = joint.gather(-1, index[..., None, None].expand(*joint.shape[:-1], 1))[..., 0]
            parts.append(emission.place(_component(raw, draw(at_bin, generator)), index, generator))
            log_weights = at_bin.log()
        return torch.stack(parts, dim=-1)

    def _tabulate(self, column: int, log_weights: Tensor) -> Tensor:
        return (log_weights[..., None] + self.emissions[column].log_table(self.raws[column])).exp()


def _component(raw: Tensor, chosen: Tensor) -> Tensor:
    """Return the parameters of one component each: (..., K, P) and (...) → (..., P)."""
    index = chosen[..., None, None].expand(*raw.shape[:-2], 1, raw.shape[-1])
    return raw.gather(-2, index)[..., 0, :]
