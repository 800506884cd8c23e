"""The scale on which a network sees and foretells a column of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hachimachi.columns import MAX_BINS, Column, UniformGrid
from hachimachi.errors import HachimachiError


def category_index(known: Tensor, values: Tensor) -> Tensor:
    """Return the position of each value among the known categories, one past the last for unknown ones."""
    values = values.contiguous().to(known.dtype)
    place = torch.searchsorted(known, values).clamp_max(len(known) - 1)
    return torch.where(known[place] == values, place, len(known))


FAR = 1e6
"""Stands for infinity: how much farther the first and last bin reach, in standard deviations; gradients stay finite."""
WIDTHS = (-7.0, 3.0)
"""Bounds of the ln s of a logistic."""
SPREAD = math.sqrt(3) / math.pi
"""The s of a logistic whose variance is 1."""

ROUNDING = 1e-5
"""A place on a log scale that was rounded to float32 is off by less than this much of its value."""
NUDGE = 1e-3
"""Share of a bin that is taken for rounding."""


@dataclass(frozen=True)
class Scale:
    """Values ↔ distance from the training mean in standard deviations, on a log scale where the grid says so.

    Args:
        grid: The column's bins.
        mean: Mean of the warped training values.
        std: Their standard deviation, at least a quarter of the first bin above the mean.
        whole: Whether only whole multiples of the resolution are played.
    """

    grid: UniformGrid
    mean: float
    std: float
    whole: bool = False

    @staticmethod
    def of(column: Column) -> Scale:
        """Return the scale of a column of numbers, from its training histogram."""
        assert isinstance(column.grid, UniformGrid)
        values = column.grid.warp(column.grid.value(np.asarray(column.occupied)))
        mean = float(np.average(values, weights=column.counts))
        variance = float(np.average((values - mean) ** 2, weights=column.counts))
        least = 0.25 * (0.1 if column.grid.log else column.grid.resolution)
        return Scale(column.grid, mean, max(variance**0.5, least), column.whole)

    @property
    def foot(self) -> float:
        """Below this raw value a place on a log scale stands for zero."""
        return self.grid.resolution / 2 * (1 + ROUNDING)

    def standardise(self, values: Tensor) -> Tensor:
        """Return where raw values lie on the scale."""
        return (self._warp(values) - self.mean) / self.std

    def raw(self, places: Tensor) -> Tensor:
        """Return the raw values at places on the scale, float64, kept within the grid.

        A place may have been rounded to float32. The foot of a log scale, where zero stands, lies right between two
        bins, and has to fall into the first all the same.
        """
        values = places.double() * self.std + self.mean
        if self.grid.log:
            values = values.exp()
            values = values.masked_fill(values < self.foot, 0.0)
        return values.clamp(self.grid.low * self.grid.resolution, self.grid.high * self.grid.resolution)

    def index(self, values: Tensor) -> Tensor:
        """Return the position of each value's bin, from 0; see :class:`~hachimachi.columns.UniformGrid`."""
        number = torch.floor(values / self.grid.resolution + 0.5)
        return (number.clamp(self.grid.low, self.grid.high) - self.grid.low).long()

    def index_of_place(self, places: Tensor) -> Tensor:
        """Return the position of the bin of values that stand at places, which may have been rounded to float32.

        Many values lie right between two bins (a tick of 0.125 s on a grid of 0.01 s); rounded down by a hair they are
        to fall into the upper one all the same.
        """
        return self.index(self.raw(places) + NUDGE * self.grid.resolution)

    def outside(self, values: Tensor) -> Tensor:
        """Return which values lie beyond a closed end of the grid."""
        number = torch.floor(values / self.grid.resolution + 0.5)
        below = (number < self.grid.low) & (not self.grid.open_low)
        return below | ((number > self.grid.high) & (not self.grid.open_high))

    def centre(self, index: Tensor) -> Tensor:
        """Return the raw value in the middle of each bin, float64."""
        return (index + self.grid.low).double() * self.grid.resolution

    def edges(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the bins begin and end on the scale, float64; the first begins and the last ends far away."""
        middle = self.centre(index)
        half = self.grid.resolution / 2
        lower = self.standardise(middle - half) - FAR * (index == 0)
        upper = self.standardise(middle + half) + FAR * (index == self.grid.bins - 1)
        return lower, upper

    def all_bins(self, name: str) -> Tensor:
        """Return the positions of all bins, shape (bins,), if a table of them can be held.

        Raises:
            HachimachiError: There are too many; the column's name is told.
        """
        if self.grid.bins > MAX_BINS:
            advice = f"train with a coarser feature.{name}.resolution"
            raise HachimachiError(f"feature {name!r} has {self.grid.bins} bins, too many to tabulate; {advice}")
        return torch.arange(self.grid.bins)

    def _warp(self, values: Tensor) -> Tensor:
        return values.clamp_min(self.grid.resolution / 2).log() if self.grid.log else values


LIMIT = 5.0
"""Up to so many standard deviations places stay as they are; beyond, they grow as a logarithm."""


def squash(places: Tensor) -> Tensor:
    """Return places with those beyond LIMIT moved in; their order and their distances near the middle stay."""
    away = places.abs()
    return torch.where(away <= LIMIT, places, places.sign() * (LIMIT + (away - LIMIT).clamp_min(0).log1p()))


def unsquash(squashed: Tensor) -> Tensor:
    """Return the places that :func:`squash` was given."""
    away = squashed.abs()
    return torch.where(away <= LIMIT, squashed, squashed.sign() * (LIMIT + (away - LIMIT).clamp_min(0).expm1()))


def squash_one(place: float) -> float:
    """Return :func:`squash` of one place, in plain numbers."""
    away = abs(place)
    return place if away <= LIMIT else math.copysign(LIMIT + math.log1p(away - LIMIT), place)


def unsquash_one(squashed: float) -> float:
    """Return :func:`unsquash` of one place, in plain numbers."""
    away = abs(squashed)
    return squashed if away <= LIMIT else math.copysign(LIMIT + math.expm1(min(away - LIMIT, 700.0)), squashed)


NARROW = 1e-30
"""Least width of a bin: where a log scale has no room, below half a bin, the gradient stays finite."""


class Histogram(nn.Module):
    """H(bin), smoothed after Witten & Bell (1991, https://doi.org/10.1109/18.87000).

    Values never seen get the share distinct / (events + distinct), half of it even between the lowest and the highest
    training value and half as one logistic with the mean and variance of the data. That share is not learned: on the
    training data, where nothing is new, learning would take it to nothing.
    """

    occupied: Tensor
    log_share: Tensor

    def __init__(self, column: Column, scale: Scale) -> None:
        super().__init__()
        self.scale = scale
        self.played = column.played
        distinct = len(column.occupied)
        self.novel = distinct / (column.events + distinct)
        share = torch.tensor(column.counts, dtype=torch.float64) / column.events
        self.register_buffer("occupied", torch.tensor(column.occupied), persistent=False)
        self.register_buffer("log_share", share.log(), persistent=False)

    def log_prob(self, index: Tensor, lower: Tensor, upper: Tensor, tilt: Tensor | None = None) -> Tensor:
        """Return ln H of bins.

        Args:
            index: Positions of the bins, shape (...).
            lower: Where they begin on the scale.
            upper: Where they end.
            tilt: Logits added to those of the occupied bins, shape (..., distinct).
        """
        place = torch.searchsorted(self.occupied, index.contiguous()).clamp_max(len(self.occupied) - 1)
        if tilt is None:
            seen = self.log_share[place]
        else:
            shape = torch.broadcast_shapes(place.shape, tilt.shape[:-1])
            shares = self.tilted(tilt).expand(*shape, -1)
            seen = shares.gather(-1, place.expand(shape)[..., None])[..., 0]
        seen = seen.masked_fill(self.occupied[place] != index, -torch.inf) + math.log(1 - self.novel)
        return torch.logaddexp(seen, self._log_new(index, lower, upper).to(seen.dtype))

    def tilted(self, tilt: Tensor) -> Tensor:
        """Return ln of the occupied bins' shares with logits added, shape (..., distinct)."""
        return (self.log_share.to(tilt.dtype) + tilt).log_softmax(-1)

    def _log_new(self, index: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        low, high = self.occupied[0], self.occupied[-1]
        even = ((index >= low) & (index <= high)).double() / (high - low + 1)
        smooth = log_logistic(lower / SPREAD, upper / SPREAD, (upper - lower) / SPREAD).exp()
        return ((even + smooth) * (self.novel / 2)).log()


def log_logistic(a: Tensor, b: Tensor, width: Tensor) -> Tensor:
    """Return ln(σ(b) − σ(a)) as ln of σ(b) σ(−a) (1 − e^−width), width = b − a, which is exact in the tails too."""
    return F.logsigmoid(b) + F.logsigmoid(-a) + (-torch.expm1(-width.clamp_min(NARROW))).log()
