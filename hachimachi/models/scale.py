"""The scale on which a network sees and foretells a column of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.grid import MAX_BINS, Lattice

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

    grid: Lattice
    mean: float
    std: float
    whole: bool = False

    @staticmethod
    def of(column: Column) -> Scale:
        """Return the scale of a column of numbers, from its training histogram."""
        assert isinstance(column.grid, Lattice)
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
        """Return the position of each value's bin, from 0; see :class:`~hachimachi.grid.Lattice`."""
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
