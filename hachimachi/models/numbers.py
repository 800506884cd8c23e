"""The emission of whole and continuous numbers, and of times."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hachimachi.errors import HachimachiError
from hachimachi.grid import MAX_BINS, Column
from hachimachi.models.emission import FLOOR, Emission, draw, uniform
from hachimachi.models.scale import Scale

WIDTHS = (-7.0, 3.0)
"""Bounds of ln s, in standard deviations of the training data."""


SPREAD = math.sqrt(3) / math.pi
"""The s of a logistic whose variance is 1."""
GATE = 0.9
"""The training histogram's weight before training."""


class NumberEmission(Emission):
    """A logistic discretised on the grid and censored at its bounds, the training histogram, and the uniform floor.

    P(bin) = FLOOR / bins + (1 − FLOOR) · (g · H(bin) + (1 − g) · L(bin; μ, s)),  L = σ((b − μ) / s) − σ((a − μ) / s)

    where a and b are the ends of the bin on the column's scale. Each component has its own μ, ln s and gate g, given as
    its logit. The discretised logistic L is that of PixelCNN++ (Salimans et al. 2017, https://arxiv.org/abs/1701.05517).
    H is the training histogram, smoothed after Witten & Bell (1991, https://doi.org/10.1109/18.87000): values never
    seen get the share distinct / (events + distinct), spread as one logistic with the mean and variance of the data.
    That share is not learned: on the training data, where nothing is new, learning would take it to nothing.
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
        index = self.scale.index(known)
        log_p = torch.logaddexp(*self._branches(raw, index))
        outside = self.scale.outside(known)[..., None]
        log_p = self._with_floor(log_p.masked_fill(outside, -torch.inf))
        return log_p.masked_fill(values.isnan()[..., None], 0.0)

    def log_table(self, raw: Tensor) -> Tensor:
        """Return ln P of every bin under each component."""
        bins = self.scale.grid.bins
        if bins > MAX_BINS:
            advice = f"train with a coarser feature.{self.name}.resolution"
            raise HachimachiError(f"feature {self.name!r} has {bins} bins, too many to tabulate; {advice}")
        index = torch.arange(bins, device=raw.device)
        log_p = torch.logaddexp(*self._branches(raw[..., None, :, :], index))  # (..., bins, K)
        return self._with_floor(log_p).transpose(-1, -2)

    def sample(self, raw: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw raw values from one component each."""
        location, scale, gate = self._unpack(raw.double())
        branch, inner = uniform(gate, generator), uniform(gate, generator)
        smooth = self.scale.raw(location + scale * inner.logit())
        index = self.scale.index(smooth)
        counted = branch < FLOOR + (1 - FLOOR) * gate.sigmoid()
        if counted.any():
            index = torch.where(counted, self._draw_counted(gate, generator), index)
        anywhere = branch < FLOOR
        if anywhere.any():
            index = torch.where(anywhere, (inner * self.scale.grid.bins).long(), index)
        flat = self._spread(index, uniform(gate, generator))
        return self._playable(torch.where(counted, flat, smooth), index)

    def _draw_counted(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw bins from the smoothed histogram."""
        index = self.occupied[draw(self.log_share.exp().expand(*like.shape, -1), generator)]
        new, inner = uniform(like, generator), uniform(like, generator)
        if (new < self.novel).any():
            low, high = self.occupied[0], self.occupied[-1]
            between = low + (inner * (high - low + 1)).long()
            beyond = self.scale.index(self.scale.raw(SPREAD * inner.logit()))
            index = torch.where(new < self.novel, torch.where(new < self.novel / 2, between, beyond), index)
        return index

    def place(self, raw: Tensor, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw raw values inside given bins, from one component each."""
        raw = raw.double()
        location, scale, _ = self._unpack(raw)
        counted, logistic = self._branches(raw[..., None, :], index)
        lower, upper = (((edge - location) / scale).sigmoid() for edge in self.scale.edges(index))
        inner = uniform(location, generator)
        smooth = self.scale.raw(location + scale * (lower + (upper - lower) * inner).logit())
        flat = self._spread(index, inner)
        rest = counted.exp() + FLOOR / self.scale.grid.bins
        share = (rest / (rest + logistic.exp()))[..., 0]
        return self._playable(torch.where(uniform(share, generator) < share, flat, smooth), index)

    def _unpack(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        location, log_scale, gate = raw.unbind(-1)
        return location, log_scale.clamp(*WIDTHS).exp(), gate

    def _branches(self, raw: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return ln of histogram's and logistic's mass at bins (...), shape (..., K) each, weighed by the gate."""
        location, scale, gate = self._unpack(raw)
        lower, upper = (edge[..., None].to(raw.dtype) for edge in self.scale.edges(index))
        a, b = (lower - location) / scale, (upper - location) / scale
        histogram = self._log_histogram(index, lower, upper)
        return F.logsigmoid(gate) + histogram, F.logsigmoid(-gate) + _log_logistic(a, b)

    def _log_histogram(self, index: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        place = torch.searchsorted(self.occupied, index.contiguous()).clamp_max(len(self.occupied) - 1)
        missing = self.occupied[place] != index
        seen = self.log_share[place].masked_fill(missing, -torch.inf)[..., None].to(lower.dtype)
        new = _log_logistic(lower / SPREAD, upper / SPREAD).exp() / 2
        between = (index >= self.occupied[0]) & (index <= self.occupied[-1])
        new = new + between[..., None] / (2 * (self.occupied[-1] - self.occupied[0] + 1))
        return torch.logaddexp(seen, (new * self.novel).log())

    def _with_floor(self, log_p: Tensor) -> Tensor:
        share = torch.tensor([1 - FLOOR, FLOOR / self.scale.grid.bins], dtype=log_p.dtype).log()
        return torch.logaddexp(log_p + share[0], share[1].expand_as(log_p))

    def _spread(self, index: Tensor, inner: Tensor) -> Tensor:
        """Return values spread evenly over bins."""
        grid = self.scale.grid
        values = self.scale.centre(index) + (inner - 0.5) * grid.resolution
        return values.clamp(grid.low * grid.resolution, grid.high * grid.resolution)

    def _playable(self, values: Tensor, index: Tensor) -> Tensor:
        """Whole numbers play as such, and the zero bin of a time plays exactly 0."""
        if self.whole:
            return self.scale.centre(index)
        return values.masked_fill(index == 0, 0.0) if self.scale.grid.log else values


def _log_logistic(a: Tensor, b: Tensor) -> Tensor:
    """Return ln(σ(b) − σ(a)) as σ(b) σ(−a) (1 − e^(a − b)), which is exact in the tails too."""
    return F.logsigmoid(b) + F.logsigmoid(-a) + (-torch.expm1(a - b)).log()
