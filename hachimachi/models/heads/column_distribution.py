"""The distribution of one column given the past and other columns: what an autoregressive head is made of."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hachimachi.columns import Categories, Column
from hachimachi.models.heads.categorical import CategoryEmission
from hachimachi.models.heads.head import FLOOR, Emission
from hachimachi.models.scale import WIDTHS, Histogram, Scale, log_logistic
from hachimachi.player.numpy_heads import (
    CategoryConditionalSampler,
    ConditionalSampler,
    NumberComponentSampler,
    NumberConditionalSampler,
)

GATE = 0.9
"""The training histogram's weight before training."""


class NumberEmission(Emission):
    """A logistic discretised on the grid and censored at its bounds, the training histogram, and the uniform floor.

    P(bin) = FLOOR / bins + (1 − FLOOR) · (g · H(bin) + (1 − g) · L(bin; μ, s)),  L = σ((b − μ) / s) − σ((a − μ) / s)

    where a and b are the ends of the bin on the column's scale, and H is the smoothed
    :class:`~hachimachi.models.scale.Histogram`. Each component has its own μ, ln s and gate g, given as its logit.
    The discretised logistic L is that of PixelCNN++ (Salimans et al. 2017, https://arxiv.org/abs/1701.05517).
    """

    size = 3

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.name = column.name
        self.scale = Scale.of(column)
        self.histogram = Histogram(column, self.scale)

    def initial(self, values: Tensor) -> Tensor:
        """Each component stands on one training value; the histogram weighs GATE at first."""
        gate = torch.full_like(values, GATE).logit()
        return torch.stack([self.scale.standardise(values), torch.full_like(values, -1.0), gate], dim=-1)

    def log_prob(self, raw: Tensor, values: Tensor) -> Tensor:
        """Return ln P of values under each component."""
        known = values.nan_to_num(0.0)
        log_p = self._log_mass(raw, self.scale.index(known))
        outside = self.scale.outside(known)[..., None]
        log_p = with_floor(log_p.masked_fill(outside, -torch.inf), self.scale.grid.bins)
        return log_p.masked_fill(values.isnan()[..., None], 0.0)

    def log_table(self, raw: Tensor, *, playable: bool = False) -> Tensor:
        """Return ln P of every bin under each component."""
        log_p = self._log_mass(raw[..., None, :, :], self.scale.all_bins(self.name))
        return (log_p if playable else with_floor(log_p, self.scale.grid.bins)).transpose(-1, -2)

    def sampler(self) -> NumberComponentSampler:
        """Return what draws from components."""
        return NumberComponentSampler(self.name, self.scale, self.histogram)

    def _log_mass(self, raw: Tensor, index: Tensor) -> Tensor:
        """Return ln P without the floor at bins (...) under each component, shape (..., K)."""
        location, log_scale, gate = raw.unbind(-1)
        lower, upper = self.scale.edges(index)
        histogram = self.histogram.log_prob(index, lower, upper)[..., None].to(raw.dtype)
        logistic = log_logistics(location, log_scale, lower, upper)
        return torch.logaddexp(F.logsigmoid(gate) + histogram, F.logsigmoid(-gate) + logistic)


def log_logistics(location: Tensor, log_scale: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Return ln of the mass that logistics (..., K) give to bins with given ends (...), shape (..., K)."""
    scale = log_scale.clamp(*WIDTHS).exp()
    ends = (lower, upper, upper - lower)  # the width in double precision: a narrow bin far out keeps it
    lower, upper, width = (end[..., None].to(location.dtype) for end in ends)
    return log_logistic((lower - location) / scale, (upper - location) / scale, width / scale)


def with_floor(log_p: Tensor, bins: int) -> Tensor:
    """Mix the uniform floor into ln P."""
    return torch.logaddexp(log_p + math.log(1 - FLOOR), torch.full_like(log_p, math.log(FLOOR / bins)))


FEW = 256
"""Up to so many distinct training values, their histogram may follow the context."""
OFTEN = 25
"""So often a value has to occur on average for that: what is rarer would be learned by heart."""
START = (0.9, 0.02)
"""Weights of the histogram and of the former value before training."""


class Conditional(nn.Module, ABC):
    """A distribution over the bins of one column, with parameters of shape (..., P), P being ``size``.

    ``former`` is where the column's former value stands on its scale, shape (...), or ``None`` where it is never known.
    """

    name: str
    size: int

    @abstractmethod
    def initial(self, values: Tensor) -> Tensor:
        """Return parameters, shape (P,), that give about the training histogram; raw training values to stand on."""

    @abstractmethod
    def log_prob(self, raw: Tensor, values: Tensor, former: Tensor | None) -> Tensor:
        """Return ln P of raw values (...); 0 where a value is NaN."""

    @abstractmethod
    def table(self, raw: Tensor, former: Tensor | None, *, playable: bool = False) -> Tensor:
        """Return P of every bin, shape (..., bins); ``playable`` leaves out the floor and unknown categories."""

    @abstractmethod
    def snap(self, values: Tensor) -> Tensor:
        """Return the values that stand for the bins of raw values: all that other columns may know of them."""

    @abstractmethod
    def sampler(self) -> ConditionalSampler:
        """Return what draws from it."""


class NumberConditional(Conditional):
    """Four ways to foretell a number, weighed by the context, and the uniform floor.

    P(bin) = FLOOR / bins + (1 − FLOOR) · (w₀ H(bin) + w₁ [bin is the former value's] + Σ_k w_k L(bin; μ_k, s_k))

    H is the smoothed training histogram, tilted by the context where it has few distinct values. L are logistics
    discretised on the grid and censored at its bounds, as in PixelCNN++ (Salimans et al. 2017,
    https://arxiv.org/abs/1701.05517); every other one is centred on the former value, where there is one.
    """

    def __init__(self, column: Column, components: int) -> None:
        super().__init__()
        self.name, self.components = column.name, components
        self.scale = Scale.of(column)
        self.histogram = Histogram(column, self.scale)
        distinct = len(column.occupied)
        self.tilts = distinct if distinct <= FEW and column.events >= OFTEN * distinct else 0
        self.sizes = [2 + components, components, components, self.tilts]
        self.size = sum(self.sizes)

    def initial(self, values: Tensor) -> Tensor:
        """The histogram weighs most; logistics stand on training values."""
        drawn = values[torch.randint(len(values), (self.components,))]
        rest = (1 - sum(START)) / self.components
        weights = torch.tensor([*START, *[rest] * self.components]).log()
        locations = self.scale.standardise(drawn).float()
        locations[::2] = 0.0
        return torch.cat([weights, locations, torch.full((self.components,), -1.0), torch.zeros(self.tilts)])

    def log_prob(self, raw: Tensor, values: Tensor, former: Tensor | None) -> Tensor:
        """Return ln P of raw values."""
        known = values.nan_to_num(0.0)
        log_p = self._log_mass(raw, self.scale.index(known), former)
        log_p = log_p.masked_fill(self.scale.outside(known), -torch.inf)
        return with_floor(log_p, self.scale.grid.bins).masked_fill(values.isnan(), 0.0)

    def table(self, raw: Tensor, former: Tensor | None, *, playable: bool = False) -> Tensor:
        """Return P of every bin."""
        index = self.scale.all_bins(self.name).to(raw.device)
        log_p = self._log_mass(raw[..., None, :], index, None if former is None else former[..., None])
        return (log_p if playable else with_floor(log_p, self.scale.grid.bins)).exp()

    def snap(self, values: Tensor) -> Tensor:
        """Return the middles of bins."""
        return torch.where(values.isnan(), values, self.scale.centre(self.scale.index(values.nan_to_num(0.0))))

    def sampler(self) -> NumberConditionalSampler:
        """Return what draws from it."""
        return NumberConditionalSampler(self.name, self.scale, self.histogram, self.sizes)

    def _log_mass(self, raw: Tensor, index: Tensor, former: Tensor | None) -> Tensor:
        """Return ln P without the floor at bins, shape (...)."""
        logits, locations, log_scales, tilt = raw.split(self.sizes, dim=-1)
        lower, upper = self.scale.edges(index)
        histogram = self.histogram.log_prob(index, lower, upper, tilt if self.tilts else None).to(raw.dtype)
        if former is None:
            logits = torch.cat([logits[..., :1], logits[..., 2:]], dim=-1)
        else:
            moving = torch.arange(self.components, device=raw.device) % 2 == 0
            locations = locations + moving * former[..., None].to(raw.dtype)
        logistics = log_logistics(locations, log_scales, lower, upper)
        histogram = histogram.expand(logistics.shape[:-1])
        parts = [histogram[..., None], logistics]
        if former is not None:
            same = self.scale.index_of_place(former) == index
            parts.insert(1, torch.zeros_like(histogram).masked_fill(~same, -torch.inf)[..., None])
        # weights as they are and what they add up to taken off after: a softmax over so few takes PyTorch longer
        return (logits + torch.cat(parts, dim=-1)).logsumexp(-1) - logits.logsumexp(-1)


class CategoryConditional(Conditional):
    """A softmax over categories; see :class:`~hachimachi.models.heads.categorical.CategoryEmission`."""

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.name = column.name
        self.emission = CategoryEmission(column)
        self.size = self.emission.size

    def initial(self, values: Tensor) -> Tensor:
        """The training histogram."""
        return self.emission.initial(values[:1])[0]

    def log_prob(self, raw: Tensor, values: Tensor, former: Tensor | None) -> Tensor:  # noqa: ARG002
        """Return ln P of categories."""
        return self.emission.log_prob(raw[..., None, :], values)[..., 0]

    def table(self, raw: Tensor, former: Tensor | None, *, playable: bool = False) -> Tensor:  # noqa: ARG002
        """Return P of every category, the unknown one last."""
        return self.emission.log_table(raw[..., None, :], playable=playable)[..., 0, :].exp()

    def snap(self, values: Tensor) -> Tensor:
        """Return the categories as they are."""
        return values

    def sampler(self) -> CategoryConditionalSampler:
        """Return what draws from it."""
        return CategoryConditionalSampler(self.name, self.emission.known.tolist())


def condition(column: Column, components: int) -> Conditional:
    """Return the conditional that fits a column."""
    if isinstance(column.grid, Categories):
        return CategoryConditional(column)
    return NumberConditional(column, components)
