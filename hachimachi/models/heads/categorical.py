"""The emission of categories, and drawing them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hachimachi.columns import Categories, Column
from hachimachi.constraints import Bins, Constraint, category_bins
from hachimachi.models.heads.head import FLOOR, Emission, Sampler
from hachimachi.models.scale import category_index
from hachimachi.sampling import PLAIN, ColumnSampling, Numbers, draw_bin

MOST_UNKNOWN = 0.01
"""Most that the class of unknown categories may weigh."""


class CategoryEmission(Emission):
    """A softmax over the categories of the training data, beside a small fixed mass for one never seen.

    P = FLOOR / bins + (1 − FLOOR) · (u for the unknown, (1 − u) · softmax for the others), where u is what the training
    histogram leaves for one unseen category, at most MOST_UNKNOWN.
    """

    known: Tensor
    shares: Tensor

    def __init__(self, column: Column) -> None:
        super().__init__()
        assert isinstance(column.grid, Categories)
        self.bins, self.size = column.grid.bins, len(column.grid.values)
        self.unknown = min(MOST_UNKNOWN, 0.5 / (column.events + 0.5 * self.bins))
        counts = torch.zeros(self.size, dtype=torch.float64)
        counts[list(column.occupied)] = torch.tensor(column.counts, dtype=torch.float64)
        self.register_buffer("known", torch.tensor(column.grid.values, dtype=torch.float64), persistent=False)
        self.register_buffer("shares", (counts + 0.5) / (counts + 0.5).sum(), persistent=False)

    def initial(self, values: Tensor) -> Tensor:
        """Every component starts at the training histogram."""
        return self.shares.log().expand(len(values), -1)

    def log_prob(self, raw: Tensor, values: Tensor) -> Tensor:
        """Return ln P of values under each component."""
        index = category_index(self.known, values.nan_to_num(0.0))[..., None, None].expand(*raw.shape[:-1], 1)
        log_p = self.log_table(raw).gather(-1, index)[..., 0]
        return log_p.masked_fill(values.isnan()[..., None], 0.0)

    def log_table(self, raw: Tensor, *, playable: bool = False) -> Tensor:
        """Return ln P of every category, the unknown one last, under each component."""
        if playable:
            return F.pad(raw.log_softmax(-1), (0, 1), value=-torch.inf)
        known = F.softmax(raw, dim=-1) * (1 - self.unknown)
        unknown = torch.full_like(raw[..., :1], self.unknown)
        return (FLOOR / self.bins + (1 - FLOOR) * torch.cat([known, unknown], dim=-1)).log()

    def sampler(self) -> CategorySampler:
        """Return what draws from components."""
        return CategorySampler(self.known.tolist(), self.unknown)


class CategorySampler(Sampler):
    """Draws from a :class:`CategoryEmission`; an unknown category cannot be played and is left out.

    Args:
        known: The categories.
        unknown: What the class of unknown ones weighs.
    """

    def __init__(self, known: list[float], unknown: float = 0.0) -> None:
        self.known, self.unknown = known, unknown
        self.grid = Categories(tuple(known))
        self._latest: tuple[Constraint | None, Bins] = (None, Bins(0, len(known)))

    def draw(self, parameters: Sequence[float], random: Random) -> float:
        """Draw a category from one component."""
        return self.choose(_softmax(np.array([parameters]))[0], PLAIN, random)

    def draw_among(self, parameters: Numbers, weights: Numbers, how: ColumnSampling, random: Random) -> float:
        """Draw a category from weighted components."""
        return self.choose(weights @ _softmax(parameters), how, random)

    def choose(self, table: Numbers, how: ColumnSampling, random: Random) -> float:
        """Draw a category by the probabilities of the known ones, shape (categories,)."""
        if how.plain:
            return self.known[draw_bin(table, random)]
        bins = self._allowed(how.constraint)
        table = table[bins.start : bins.stop] * bins.mask(bins.start, bins.stop)
        if not table.any():  # all underflow: what is asked is as good as impossible
            table = bins.mask(bins.start, bins.stop).astype(np.float64)
        return self.known[bins.start + draw_bin(how.weigh(table), random)]

    def _allowed(self, constraint: Constraint | None) -> Bins:
        if constraint is not self._latest[0]:
            bins = category_bins(self.grid, constraint) if constraint else Bins(0, len(self.known))
            self._latest = constraint, bins
        return self._latest[1]

    def masses(self, parameters: Numbers, value: float) -> Numbers:
        """Return the probability of a category under each component."""
        share = (1 - self.unknown) * _softmax(parameters)[:, self.known.index(value)]
        return FLOOR / self.grid.bins + (1 - FLOOR) * share


def _softmax(parameters: Numbers) -> Numbers:
    powers = np.exp(parameters - parameters.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
