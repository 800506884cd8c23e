"""The emission of whole and continuous numbers, and of times."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hachimachi.columns import Column
from hachimachi.models.component_sampler import NumberComponentSampler
from hachimachi.models.emission import FLOOR, Emission
from hachimachi.models.histogram import Histogram, log_logistic
from hachimachi.models.scale import WIDTHS, Scale

GATE = 0.9
"""The training histogram's weight before training."""


class NumberEmission(Emission):
    """A logistic discretised on the grid and censored at its bounds, the training histogram, and the uniform floor.

    P(bin) = FLOOR / bins + (1 − FLOOR) · (g · H(bin) + (1 − g) · L(bin; μ, s)),  L = σ((b − μ) / s) − σ((a − μ) / s)

    where a and b are the ends of the bin on the column's scale, and H is the smoothed
    :class:`~hachimachi.models.histogram.Histogram`. Each component has its own μ, ln s and gate g, given as its logit.
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
