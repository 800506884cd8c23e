"""The emission of categories, and drawing them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hachimachi.columns import Column
from hachimachi.grid import Categories
from hachimachi.models.emission import FLOOR, Emission
from hachimachi.models.encoder import category_index
from hachimachi.models.sampling import Numbers, Sampler, draw_index

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

    def log_table(self, raw: Tensor) -> Tensor:
        """Return ln P of every category, the unknown one last, under each component."""
        known = F.softmax(raw, dim=-1) * (1 - self.unknown)
        unknown = torch.full_like(raw[..., :1], self.unknown)
        return (FLOOR / self.bins + (1 - FLOOR) * torch.cat([known, unknown], dim=-1)).log()

    def sampler(self) -> CategorySampler:
        """Return what draws from components."""
        return CategorySampler(self.known.tolist())


class CategorySampler(Sampler):
    """Draws from a :class:`CategoryEmission`; an unknown category cannot be played and is left out.

    Args:
        known: The categories.
    """

    def __init__(self, known: list[float]) -> None:
        self.known = known

    def draw(self, parameters: Sequence[float], random: Random) -> float:
        """Draw a category."""
        alone = np.array([parameters])
        return self.known[draw_index(self.table(alone, np.ones(1)).tolist(), random)]

    def table(self, parameters: Numbers, weights: Numbers) -> Numbers:
        """Return the probabilities of the known categories under weighted components."""
        return weights @ self._softmax(parameters)

    def masses(self, parameters: Numbers, index: int) -> Numbers:
        """Return the probability of one category under each component."""
        return self._softmax(parameters)[:, index]

    def place(self, parameters: Sequence[float], index: int, random: Random) -> float:  # noqa: ARG002
        """Return the category of a bin."""
        return self.known[index]

    def _softmax(self, parameters: Numbers) -> Numbers:
        powers = np.exp(parameters - parameters.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)
