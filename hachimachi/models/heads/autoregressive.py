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
from hachimachi.errors import HachimachiError
from hachimachi.models.backbones.backbone import LockedDropout
from hachimachi.models.encoder import ColumnEncoder, encode_column
from hachimachi.models.heads.column_distribution import Conditional, condition
from hachimachi.models.heads.head import Distribution, EventSampler, Head
from hachimachi.models.registry import register
from hachimachi.models.scale import unsquash, unsquash_one
from hachimachi.player.numpy_backbones import Vector, as_array
from hachimachi.sampling import Sampling

Linear = tuple[Tensor, Tensor]
"""Weight (out, in) and bias."""
CACHED_VALUES = 256
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
            if len(self.said[column]) < CACHED_VALUES:
                self.said[column][value] = said
        self.heard += said


@register("head", "autoregressive")
class AutoregressiveHead(Head):
    """P(event) = Π_d P(column d | past, columns before d): the chain rule inside an event.

    Each column has a hidden layer of its own, which hears the past and the columns known so far, masked ones too: a
    note's duration may follow from its pitch. Some events are learned in an order drawn at random, so that any columns
    can be given and the others follow (Uria et al. 2014, https://arxiv.org/abs/1310.1757).

    Args:
        columns: What to foretell, D columns.
        size: Width of the hidden vectors.
        former: Where in the hidden vector the former value of a column stands, by column.
        components: Number of logistics for each column of numbers.
        width: Width of each column's hidden layer.
        dropout: Share of it left out at random in training.
        order: Names of the columns to foretell first; those not named follow as they stand in the data.
        any_order: Share of the events that are learned in a random order.

    Raises:
        HachimachiError: An order that names what is no column, or a column twice.
    """

    owner: Tensor
    before: Tensor

    def __init__(
        self,
        columns: Sequence[Column],
        size: int,
        former: Mapping[int, int],
        components: int = 8,
        width: int = 96,
        dropout: float = 0.2,
        order: Sequence[str] = (),
        any_order: float = 0.2,
    ) -> None:
        super().__init__()
        if min(components, width) < 1:
            raise HachimachiError(f"head: components {components} and width {width}; expected 1 or more of each")
        self.former, self.any_order = dict(former), any_order
        self.order = arrange([column.name for column in columns], order)
        self.given = [encode_column(column, place) for place, column in enumerate(columns)]
        self.conditionals: list[Conditional] = [condition(column, components) for column in columns]
        self.parts = nn.ModuleList([*self.given, *self.conditionals])
        # a column is heard as its encoding, and as being known
        owner = [place for place, part in enumerate(self.given) for _ in range(part.size)] + list(range(len(columns)))
        owns = F.one_hot(torch.tensor(owner), len(columns)).T.float()  # (D, G)
        self.register_buffer("owner", owns, persistent=False)
        self.register_buffer("before", precedes(torch.tensor(self.order).argsort()), persistent=False)
        self.listen = nn.Linear(size, len(columns) * width)
        self.relate = nn.Parameter(torch.empty(len(columns), len(owner), width).uniform_(-1, 1) / len(owner) ** 0.5)
        self.project = [nn.Linear(width, conditional.size) for conditional in self.conditionals]
        self.layers = nn.ModuleList(self.project)
        self.dropout = LockedDropout(dropout)
        for place, conditional in enumerate(self.conditionals):
            self.register_buffer(f"start_{place}", torch.zeros(conditional.size))

    @torch.no_grad()
    def start_at(self, rows: Tensor) -> None:
        """Set the biases so that the untrained head gives about the marginals of raw events, shape (N, D)."""
        for place, (conditional, project) in enumerate(zip(self.conditionals, self.project, strict=True)):
            values = rows[:, place]
            values = values[~values.isnan()] if not values.isnan().all() else torch.zeros(1, dtype=rows.dtype)
            project.weight.mul_(0.1)
            project.bias.copy_(conditional.initial(values))
            self.get_buffer(f"start_{place}").copy_(project.bias)

    @torch.no_grad()
    def shrink(self, shares: Sequence[float]) -> bool:
        """Take the last layer of each column back towards the marginals, keeping a share of what it learned."""
        for place, (project, share) in enumerate(zip(self.project, shares, strict=True)):
            project.weight.mul_(share)
            project.bias.lerp_(self.get_buffer(f"start_{place}"), 1 - share)
        return True

    def forward(self, hidden: Tensor) -> Autoregressive:
        """Return the distribution that follows hidden vectors of shape (..., H)."""
        return Autoregressive(self, hidden)

    def sampler(self) -> AutoregressiveSampler:
        """Return what draws from the head as it is now."""
        layers = [(project.weight, project.bias) for project in self.project]
        linear = (self.listen.weight, self.listen.bias), self.relate, layers
        return AutoregressiveSampler(self.given, self.conditionals, self.order, self.former, *linear)

    def encode(self, rows: Tensor) -> Tensor:
        """Return columns of shape (..., D) as other columns hear them, shape (..., G): zeros where a value is NaN.

        They hear bins, so that the chain rule is one of bins.
        """
        pairs = zip(self.conditionals, rows.unbind(-1), strict=True)
        snapped = torch.stack([conditional.snap(values) for conditional, values in pairs], dim=-1)
        return torch.cat([*(part(snapped) for part in self.given), (~rows.isnan()).double()], dim=-1)

    def hear(self, hidden: Tensor, encoded: Tensor, before: Tensor) -> Tensor:
        """Return the hidden layer of each column, shape (..., D, W).

        Args:
            hidden: The past, shape (..., H).
            encoded: What :meth:`encode` returns, shape (..., G).
            before: Which columns (last dimension) each column hears, shape (..., D, D).
        """
        known = before.to(hidden.dtype) @ self.owner.to(hidden.dtype)  # (..., D, G)
        related = torch.einsum("...dg,dgw->...dw", encoded.to(hidden.dtype)[..., None, :] * known, self.relate)
        return self.dropout(F.relu(self.listen(hidden).unflatten(-1, related.shape[-2:]) + related, inplace=True))

    def draw_orders(self, shape: torch.Size) -> Tensor:
        """Return which columns each column hears, shape (..., D, D): some events' at random, in training."""
        if not self.training or not self.any_order:
            return self.before
        device = self.before.device
        drawn = precedes(torch.rand(*shape, len(self.order), device=device))
        return torch.where(torch.rand(*shape, 1, 1, device=device) < self.any_order, drawn, self.before)


def arrange(names: Sequence[str], first: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of names, those to come first at the front.

    Raises:
        HachimachiError: One to come first that is not there, or comes twice.
    """
    for place, name in enumerate(first):
        if name not in names or name in first[:place]:
            found = "stands there twice" if name in names else "is no column"
            raise HachimachiError(f"head.order: {name!r} {found}; the columns are {', '.join(names)}")
    return (*map(names.index, first), *(place for place, name in enumerate(names) if name not in first))


def precedes(ranks: Tensor) -> Tensor:
    """Return whether one column (last dimension) comes before another (last but one), by their ranks (..., D)."""
    return ranks[..., None, :] < ranks[..., :, None]


class Autoregressive(Distribution):
    """The distribution that an :class:`AutoregressiveHead` gives for hidden vectors of shape (..., H)."""

    def __init__(self, head: AutoregressiveHead, hidden: Tensor) -> None:
        self.head, self.hidden = head, hidden

    def log_prob(self, rows: Tensor) -> Tensor:
        """Return ln P of each column given the past and the columns before it."""
        head, formers = self.head, self._formers()
        heard = head.hear(self.hidden, head.encode(rows), head.draw_orders(rows.shape[:-1]))
        costs = [
            conditional.log_prob(head.project[place](now), rows[..., place], formers.get(place))
            for place, (conditional, now) in enumerate(zip(head.conditionals, heard.unbind(-2), strict=True))
        ]
        return torch.stack(costs, dim=-1)

    def table(self, column: int, rows: Tensor, *, playable: bool = False) -> Tensor:
        """Return the probabilities of all bins of a column, given the other columns in rows."""
        head = self.head
        others = ~torch.eye(len(head.order), dtype=torch.bool, device=rows.device)
        heard = head.hear(self.hidden, head.encode(rows), others)
        raw = head.project[column](heard[..., column, :])
        return head.conditionals[column].table(raw, self._formers().get(column), playable=playable)

    def _formers(self) -> dict[int, Tensor]:
        """Return where the former value of each column stands on its scale; all at once, for the gradient's sake."""
        places = self.head.former
        if not places:
            return {}
        index = torch.tensor(list(places.values()), device=self.hidden.device)
        return dict(zip(places, unsquash(self.hidden.index_select(-1, index)).unbind(-1), strict=True))
