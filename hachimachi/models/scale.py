"""The scale on which a network sees and predicts a column of numbers: standard deviations from the training mean."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hachimachi.columns import FAR, LIMIT, NUDGE, ROUNDING, Column, UniformGrid, check_bins


@dataclass(frozen=True)
class Scale:
    """Raw values ↔ distance from the training mean in standard deviations, on a log scale where the grid says so.

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
        return Scale(column.grid, *column.moments, column.whole)

    def standardise(self, values: Tensor) -> Tensor:
        """Return raw values on the scale."""
        warped = values.clamp_min(self.grid.resolution / 2).log() if self.grid.log else values
        return (warped - self.mean) / self.std

    def raw(self, scaled: Tensor) -> Tensor:
        """Return the raw values of numbers on the scale, float64, kept within the grid.

        A number may have been rounded to float32. The foot of a log scale, where zero stands, lies right between two
        bins, and has to fall into the first all the same.
        """
        values = scaled.double() * self.std + self.mean
        if self.grid.log:
            values = values.exp()
            values = values.masked_fill(values < self.grid.resolution / 2 * (1 + ROUNDING), 0.0)
        return values.clamp(self.grid.low * self.grid.resolution, self.grid.high * self.grid.resolution)

    def index(self, values: Tensor) -> Tensor:
        """Return the index of each raw value's bin, from 0; see :class:`~hachimachi.columns.UniformGrid`."""
        number = torch.floor(values / self.grid.resolution + 0.5)
        return (number.clamp(self.grid.low, self.grid.high) - self.grid.low).long()

    def index_of_scaled(self, scaled: Tensor) -> Tensor:
        """Return the index of the bin of numbers on the scale, which may have been rounded to float32.

        Many values lie right between two bins (a tick of 0.125 s on a grid of 0.01 s); rounded down by a hair they are
        to fall into the upper one all the same.
        """
        return self.index(self.raw(scaled) + NUDGE * self.grid.resolution)

    def outside(self, values: Tensor) -> Tensor:
        """Return which raw values lie beyond a closed end of the grid."""
        number = torch.floor(values / self.grid.resolution + 0.5)
        below = (number < self.grid.low) & (not self.grid.open_low)
        return below | ((number > self.grid.high) & (not self.grid.open_high))

    def centre(self, index: Tensor) -> Tensor:
        """Return the raw value in the middle of each bin, float64."""
        return (index + self.grid.low).double() * self.grid.resolution

    def edges(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return where bins begin and end on the scale, float64; the first begins and the last ends :data:`FAR` out."""
        middle, half = self.centre(index), self.grid.resolution / 2
        lower = self.standardise(middle - half) - FAR * (index == 0)
        upper = self.standardise(middle + half) + FAR * (index == self.grid.bins - 1)
        return lower, upper

    def all_bins(self, name: str) -> Tensor:
        """Return the indices of all bins, shape (bins,), if a table of them can be held.

        Raises:
            HachimachiError: There are too many; the message has the column's name.
        """
        check_bins(name, self.grid.bins)
        return torch.arange(self.grid.bins)


def symlog(x: Tensor) -> Tensor:
    """Return numbers as they are up to :data:`~hachimachi.columns.LIMIT`, and beyond as LIMIT + ln(1 + the rest)."""
    size = x.abs()
    return torch.where(size <= LIMIT, x, x.sign() * (LIMIT + (size - LIMIT).clamp_min(0).log1p()))


def symexp(x: Tensor) -> Tensor:
    """Return the numbers that :func:`symlog` was given."""
    size = x.abs()
    return torch.where(size <= LIMIT, x, x.sign() * (LIMIT + (size - LIMIT).clamp_min(0).expm1()))


def category_index(known: Tensor, values: Tensor) -> Tensor:
    """Return the index of each value among the known categories, one past the last for unknown ones."""
    values = values.contiguous().to(known.dtype)
    index = torch.searchsorted(known, values).clamp_max(len(known) - 1)
    return torch.where(known[index] == values, index, len(known))
