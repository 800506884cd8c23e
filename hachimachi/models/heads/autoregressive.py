"""The head that predicts the columns of an event one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hachimachi.columns import Categories, Column, arrange
from hachimachi.errors import HachimachiError
from hachimachi.models.backbones.rnn import LockedDropout
from hachimachi.models.encoder import encode_column, symexp
from hachimachi.models.heads.column_distribution import CategoryDistribution, ColumnDistribution, NumberDistribution
from hachimachi.models.heads.head import Distribution, Head
from hachimachi.plugins import register


@register("head", "autoregressive")
class AutoregressiveHead(Head):
    """P(event) = Π_d P(column d | past, columns before d): the chain rule inside an event.

    Each column has a hidden layer of its own, which sees the past and the columns known so far, masked ones too: a
    note's duration may follow from its pitch. Some events are learned in an order drawn at random, so that any columns
    can be given and the others follow (Uria et al. 2014, https://arxiv.org/abs/1310.1757).

    Args:
        columns: As of every :class:`Head`, and so are ``size`` and ``previous``.
        components: Number of logistics for each column of numbers.
        width: Width of each column's hidden layer, W.
        dropout: Share of it left out at random in training.
        order: Names of the columns to predict first; those not named follow as they stand in the data.
        any_order: Share of the events that are learned in a random order.
        intervals: Semitones from the previous pitch that are told apart, up and down.
    """

    takes_original = True
    owner: Tensor
    before: Tensor

    def __init__(  # noqa: PLR0913
        self,
        columns: Sequence[Column],
        size: int,
        previous: Mapping[int, int],
        *,
        components: int = 8,
        width: int = 96,
        dropout: float = 0.2,
        order: Sequence[str] = (),
        any_order: float = 0.2,
        intervals: int = 0,
    ) -> None:
        super().__init__()
        if min(components, width) < 1:
            raise HachimachiError(f"head: components {components} and width {width}; expected 1 or more of each")
        self.previous, self.any_order = dict(previous), any_order
        self.order = arrange([column.name for column in columns], order)
        encoders = [encode_column(column, i) for i, column in enumerate(columns)]
        self.encoders = nn.ModuleList(encoders)
        self.distributions: Sequence[ColumnDistribution] = nn.ModuleList(  # pyright: ignore[reportAttributeAccessIssue]
            CategoryDistribution(column)
            if isinstance(column.grid, Categories)
            else NumberDistribution(column, components, intervals)
            for column in columns
        )
        # other columns see a column's encoding, and whether it is known: G numbers, each of which belongs to a column
        owner = [i for i, part in enumerate(encoders) for _ in range(part.size)] + list(range(len(columns)))
        one_hot = F.one_hot(torch.tensor(owner), len(columns)).T.float()  # (D, G)
        self.register_buffer("owner", one_hot, persistent=False)
        self.register_buffer("before", precedes(torch.tensor(self.order).argsort()), persistent=False)
        self.context_proj = nn.Linear(size, len(columns) * width)
        start = torch.empty(len(columns), len(owner), width).uniform_(-1, 1)
        self.cross_column = nn.Parameter(start / len(owner) ** 0.5)  # (D, G, W)
        out_proj = nn.ModuleList(nn.Linear(width, distribution.size) for distribution in self.distributions)
        self.out_proj: Sequence[nn.Linear] = out_proj  # pyright: ignore[reportAttributeAccessIssue]
        self.dropout = LockedDropout(dropout)
        for i, distribution in enumerate(self.distributions):
            self.register_buffer(f"marginal_bias_{i}", torch.zeros(distribution.size))

    @torch.no_grad()
    def init_to_marginals(self, rows: Tensor) -> None:
        """Set the biases so that the untrained head gives about the marginals of raw events, shape (N, D)."""
        for i, (distribution, linear) in enumerate(zip(self.distributions, self.out_proj, strict=True)):
            values = rows[:, i]
            values = values[~values.isnan()] if not values.isnan().all() else torch.zeros(1, dtype=rows.dtype)
            linear.weight.mul_(0.1)
            linear.bias.copy_(distribution.initial(values))
            self.get_buffer(f"marginal_bias_{i}").copy_(linear.bias)

    @torch.no_grad()
    def shrink(self, shares: Sequence[float]) -> bool:
        """Take the last layer of each column back towards the marginals, keeping a share of what it learned."""
        for i, (linear, share) in enumerate(zip(self.out_proj, shares, strict=True)):
            linear.weight.mul_(share)
            linear.bias.lerp_(self.get_buffer(f"marginal_bias_{i}"), 1 - share)
        return True

    def forward(self, hidden: Tensor) -> AutoregressiveDistribution:
        """Return the distribution that follows hidden vectors of shape (..., H)."""
        return AutoregressiveDistribution(self, hidden)

    def encode(self, rows: Tensor) -> Tensor:
        """Return columns of shape (..., D) as other columns see them, shape (..., G): zeros where a value is NaN. They
        see bins, so that the chain rule is one of bins."""
        pairs = zip(self.distributions, rows.unbind(-1), strict=True)
        snapped = torch.stack([distribution.snap(values) for distribution, values in pairs], dim=-1)  # (..., D)
        return torch.cat([*(part(snapped) for part in self.encoders), (~rows.isnan()).double()], dim=-1)

    def column_hidden(self, hidden: Tensor, encoded: Tensor, before: Tensor) -> Tensor:
        """Return the hidden layer of each column, shape (..., D, W).

        They come of the past, shape (..., H), of what :meth:`encode` returns, shape (..., G), and of which columns
        (last dimension) each column sees, shape (..., D, D).
        """
        known = before.to(hidden.dtype) @ self.owner.to(hidden.dtype)  # (..., D, G)
        inputs = encoded.to(hidden.dtype)[..., None, :] * known  # (..., D, G)
        crossed = torch.einsum("...dg,dgw->...dw", inputs, self.cross_column)  # (..., D, W)
        context = self.context_proj(hidden).unflatten(-1, crossed.shape[-2:])  # (..., D, W)
        return self.dropout(F.relu(context + crossed, inplace=True))

    def draw_orders(self, shape: torch.Size) -> Tensor:
        """Return which columns each column sees, shape (..., D, D): some events' at random, in training."""
        if not self.training or not self.any_order:
            return self.before
        device = self.before.device
        drawn = precedes(torch.rand(*shape, len(self.order), device=device))
        return torch.where(torch.rand(*shape, 1, 1, device=device) < self.any_order, drawn, self.before)


class AutoregressiveDistribution(Distribution):
    """The distribution that an :class:`AutoregressiveHead` gives for hidden vectors of shape (..., H)."""

    def __init__(self, head: AutoregressiveHead, hidden: Tensor) -> None:
        self.head, self.hidden = head, hidden

    def log_prob(self, rows: Tensor, original: Tensor | None = None) -> Tensor:
        """Return ln P of each column given the past and the columns before it."""
        head, previous = self.head, self._previous()
        hidden = head.column_hidden(self.hidden, head.encode(rows), head.draw_orders(rows.shape[:-1]))
        originals = [None] * rows.shape[-1] if original is None else original.unbind(-1)
        log_p = [
            distribution.log_prob(head.out_proj[i](now), rows[..., i], previous.get(i), originals[i])
            for i, (distribution, now) in enumerate(zip(head.distributions, hidden.unbind(-2), strict=True))
        ]
        return torch.stack(log_p, dim=-1)  # (..., D)

    def table(self, column: int, rows: Tensor, *, playable: bool = False) -> Tensor:
        """Return the probabilities of all bins of a column, given the other columns in rows."""
        head = self.head
        others = ~torch.eye(len(head.order), dtype=torch.bool, device=rows.device)
        hidden = head.column_hidden(self.hidden, head.encode(rows), others)
        raw = head.out_proj[column](hidden[..., column, :])  # (..., P)
        return head.distributions[column].table(raw, self._previous().get(column), playable=playable)

    def _previous(self) -> dict[int, Tensor]:
        """Return each column's previous value on its scale, shape (...); all at once, for the gradient's sake."""
        offsets = self.head.previous
        if not offsets:
            return {}
        index = torch.tensor(list(offsets.values()), device=self.hidden.device)
        return dict(zip(offsets, symexp(self.hidden.index_select(-1, index)).unbind(-1), strict=True))


def precedes(ranks: Tensor) -> Tensor:
    """Return whether one column (last dimension) comes before another (last but one), by their ranks (..., D)."""
    return ranks[..., None, :] < ranks[..., :, None]  # (..., D, D)
