"""The emission of whole and continuous numbers, and of times."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hachimachi.errors import HachimachiError
from hachimachi.grid import MAX_BINS, Column
from hachimachi.models.emission import FLOOR, Emission
from hachimachi.models.number_sampler import NumberSampler
from hachimachi.models.scale import SPREAD, WIDTHS, Scale

NARROW = 1e-30
"""Least width of a bin: where a log scale has no room, below half a bin, the gradient stays finite."""
GATE = 0.9
"""The training histogram's weight before training."""


class NumberEmission(Emission):
    """A logistic discretised on the grid and censored at its bounds, the training histogram, and the uniform floor.

    P(bin) = FLOOR / bins + (1 − FLOOR) · (g · H(bin) + (1 − g) · L(bin; μ, s)),  L = σ((b − μ) / s) − σ((a − μ) / s)

    where a and b are the ends of the bin on the column's scale. Each component has its own μ, ln s and gate g, given as
    its logit. The discretised logistic L is that of PixelCNN++ (Salimans et al. 2017, https://arxiv.org/abs/1701.05517).
    H is the training histogram, smoothed after Witten & Bell (1991, https://doi.org/10.1109/18.87000): values never
    seen get the share distinct / (events + distinct), half of it even between the lowest and the highest training value
    and half as one logistic with the mean and variance of the data. That share is not learned: on the training data,
    where nothing is new, learning would take it to nothing.
    """

    occupied: Tensor
    log_share: Tensor
    size = 3

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.name = column.name
        self.scale = Scale.of(column)
        self.whole = column.feature.kind == "integer" or column.feature.resolution == 1
        distinct = len(column.occupied)
        self.novel = distinct / (column.events + distinct)
        share = torch.tensor(column.counts, dtype=torch.float64) / (column.events + distinct)
        self.register_buffer("occupied", torch.tensor(column.occupied), persistent=False)
        self.register_buffer("log_share", share.log(), persistent=False)

    def initial(self, values: Tensor) -> Tensor:
        """Each component stands on one training value; the histogram weighs GATE at first."""
        gate = torch.full_like(values, GATE).logit()
        return torch.stack([self.scale.standardise(values), torch.full_like(values, -1.0), gate], dim=-1)

    def log_prob(self, raw: Tensor, values: Tensor) -> Tensor:
        """Return ln P of values under each component."""
        known = values.nan_to_num(0.0)
        log_p = self._log_mass(raw, self.scale.index(known))
        outside = self.scale.outside(known)[..., None]
        log_p = self._with_floor(log_p.masked_fill(outside, -torch.inf))
        return log_p.masked_fill(values.isnan()[..., None], 0.0)

    def log_table(self, raw: Tensor) -> Tensor:
        """Return ln P of every bin under each component."""
        index = torch.arange(self.check_bins(), device=raw.device)
        return self._with_floor(self._log_mass(raw[..., None, :, :], index)).transpose(-1, -2)

    def sampler(self) -> NumberSampler:
        """Return what draws from components."""
        return NumberSampler(
            self.scale, self.whole, self.novel, self.occupied.tolist(), self.log_share.exp().tolist(), self._tabulate
        )

    def check_bins(self) -> int:
        """Return the number of bins, if a table of them can be held."""
        bins = self.scale.grid.bins
        if bins > MAX_BINS:
            advice = f"train with a coarser feature.{self.name}.resolution"
            raise HachimachiError(f"feature {self.name!r} has {bins} bins, too many to tabulate; {advice}")
        return bins

    def log_histogram(self, index: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        """Return ln H of bins, shape (...), whose ends on the column's scale are given."""
        place = torch.searchsorted(self.occupied, index.contiguous()).clamp_max(len(self.occupied) - 1)
        seen = self.log_share[place].masked_fill(self.occupied[place] != index, -torch.inf)
        between = (index >= self.occupied[0]) & (index <= self.occupied[-1])
        even = between.double() / (self.occupied[-1] - self.occupied[0] + 1)
        smooth = log_logistic(lower / SPREAD, upper / SPREAD, (upper - lower) / SPREAD).exp()
        new = (even + smooth) * (self.novel / 2)
        return torch.logaddexp(seen, new.log())

    def _tabulate(self) -> tuple[Tensor, Tensor]:
        """Return the ends of all bins on the scale, shape (bins + 1,), and the smoothed histogram, shape (bins,)."""
        index = torch.arange(self.check_bins())
        lower, upper = self.scale.edges(index)
        return torch.cat([lower, upper[-1:]]), self.log_histogram(index, lower, upper).exp()

    def _log_mass(self, raw: Tensor, index: Tensor) -> Tensor:
        """Return ln P without the floor at bins (...) under each component, shape (..., K)."""
        location, log_scale, gate = raw.unbind(-1)
        scale = log_scale.clamp(*WIDTHS).exp()
        lower, upper = self.scale.edges(index)
        histogram = self.log_histogram(index, lower, upper)[..., None].to(raw.dtype)
        ends = (lower, upper, upper - lower)  # the width in double precision: a narrow bin far out keeps it
        lower, upper, width = (end[..., None].to(raw.dtype) for end in ends)
        logistic = log_logistic((lower - location) / scale, (upper - location) / scale, width / scale)
        return torch.logaddexp(F.logsigmoid(gate) + histogram, F.logsigmoid(-gate) + logistic)

    def _with_floor(self, log_p: Tensor) -> Tensor:
        floor = torch.full_like(log_p, math.log(FLOOR / self.scale.grid.bins))
        return torch.logaddexp(log_p + math.log(1 - FLOOR), floor)


def log_logistic(a: Tensor, b: Tensor, width: Tensor) -> Tensor:
    """Return ln(σ(b) − σ(a)) as ln of σ(b) σ(−a) (1 − e^−width), width = b − a, which is exact in the tails too."""
    return F.logsigmoid(b) + F.logsigmoid(-a) + (-torch.expm1(-width.clamp_min(NARROW))).log()
