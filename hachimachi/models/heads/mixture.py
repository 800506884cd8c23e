"""The classic head: one mixture across the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hachimachi.columns import Categories, Column
from hachimachi.errors import HachimachiError
from hachimachi.models.heads.column_distribution import CategoryDistribution, ColumnDistribution, NumberComponent
from hachimachi.models.heads.head import Distribution, Head
from hachimachi.plugins import register


@register("head", "mixture")
class MixtureHead(Head):
    """A mixture density head (Bishop 1994, https://publications.aston.ac.uk/id/eprint/373/; Graves 2013,
    https://arxiv.org/abs/1308.0850) on the stated grid: inside each of K components the columns are independent.
    """

    takes_original = True

    def __init__(self, columns: Sequence[Column], size: int, previous: Mapping[int, int], components: int = 10) -> None:
        super().__init__()
        if components < 1:
            raise HachimachiError(f"head.components is {components}; expected 1 or more")
        self.previous, self.order, self.components = dict(previous), tuple(range(len(columns))), components
        self.distributions: Sequence[ColumnDistribution] = nn.ModuleList(  # pyright: ignore[reportAttributeAccessIssue]
            CategoryDistribution(column) if isinstance(column.grid, Categories) else NumberComponent(column)
            for column in columns
        )
        self.sizes = [components, *(components * distribution.size for distribution in self.distributions)]
        self.out_proj = nn.Linear(size, sum(self.sizes))

    @torch.no_grad()
    def init_to_marginals(self, rows: Tensor) -> None:
        """Set the biases so that the untrained head gives about the marginals of raw events, shape (N, D). Each
        component stands on an event drawn at random; every other one moves along with the previous event."""
        rows = rows[torch.randint(len(rows), (self.components,))]
        bias, weight = self.out_proj.bias.split(self.sizes), self.out_proj.weight.split(self.sizes)
        self.out_proj.weight.mul_(0.1)
        bias[0].zero_()
        for i, distribution in enumerate(self.distributions):
            start = bias[1 + i].view(self.components, -1)  # (K, P)
            start.copy_(distribution.initial(rows[:, i].nan_to_num(0.0)))
            if i in self.previous:
                locations = weight[1 + i][:, self.previous[i]].view(self.components, -1)[:, 0]  # (K,)
                locations[::2] = 1.0
                start[::2, 0] = 0.0

    def forward(self, hidden: Tensor) -> MixtureDistribution:
        """Return the distribution that follows hidden vectors of shape (..., H)."""
        logits, *raws = self.out_proj(hidden).split(self.sizes, dim=-1)
        raws = [raw.unflatten(-1, (self.components, -1)) for raw in raws]  # (..., K, P)
        return MixtureDistribution(self.distributions, logits.log_softmax(-1), raws)


class MixtureDistribution(Distribution):
    """P(event) = Σ_k π_k Π_d P_kd(column d); column by column, the weights π follow what the columns before have shown.
    It is made of ln π, shape (..., K), and for each column of the components' parameters, shape (..., K, P)."""

    def __init__(
        self, distributions: Sequence[ColumnDistribution], log_weights: Tensor, raws: Sequence[Tensor]
    ) -> None:
        self.distributions, self.log_weights, self.raws = distributions, log_weights, raws

    def log_prob(self, rows: Tensor, original: Tensor | None = None) -> Tensor:
        """Return ln P of each column given the past and the columns before it."""
        running = [self.log_weights]
        for i, raw in enumerate(self.raws):
            before = None if original is None else original[..., i, None]  # (..., 1)
            log_p = self.distributions[i].log_prob(raw, rows[..., i, None], original=before)
            running.append(running[-1] + log_p)  # (..., K)
        return torch.stack([joint.logsumexp(-1) for joint in running], dim=-1).diff(dim=-1)  # (..., D)

    def table(self, column: int, rows: Tensor, *, playable: bool = False) -> Tensor:
        """Return the probabilities of all bins of a column, given the other columns in rows."""
        log_weights = self.log_weights
        for i, raw in enumerate(self.raws):
            if i != column:  # what is not known (NaN) costs nothing and says nothing
                log_weights = log_weights + self.distributions[i].log_prob(raw, rows[..., i, None])
        table = self.distributions[column].table(self.raws[column], playable=playable)  # (..., K, bins)
        return (log_weights.softmax(-1)[..., None] * table).sum(-2)
