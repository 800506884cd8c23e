"""The grid of a column of numbers as it is played, in plain numbers."""

from __future__ import annotations

import math
from functools import cached_property
from random import Random

import torch

from hachimachi.models.constraint import Bins, Constraint, number_bins
from hachimachi.models.sampling import Numbers, clip
from hachimachi.models.scale import NUDGE, Scale

REMEMBERED = 64
"""Constraints whose bins are kept."""


class PlayedGrid:
    """What a column's values are when played: whole numbers as such, the zero bin of a time as exactly 0.

    Args:
        name: The column's name.
        scale: Its scale.
        played: Positions of the first and the last bin that are played where nothing else is asked; all by default.
    """

    def __init__(self, name: str, scale: Scale, played: tuple[int, int] | None = None) -> None:
        self.name, self.scale, self.grid = name, scale, scale.grid
        self.mean, self.std, self.whole = scale.mean, scale.std, scale.whole
        # at hand, since they are asked for at every draw
        self.resolution, self.low, self.log, self.foot = (
            scale.grid.resolution,
            scale.grid.low,
            scale.grid.log,
            scale.foot,
        )
        self.highest = scale.grid.bins - 1
        self.ends = self.low * self.resolution, scale.grid.high * self.resolution
        first, last = played or (0, self.highest)
        self.every = Bins(first, last + 1)
        self._bins: dict[Constraint | None, Bins] = {}
        self._latest: tuple[Constraint | None, Bins] = (None, self.every)

    def raw(self, place: float) -> float:
        """Return the raw value at a place on the scale, kept within the grid."""
        value = place * self.std + self.mean
        if self.log:
            value = math.exp(min(value, 700.0))
            value = 0.0 if value < self.foot else value
        low, high = self.ends
        return low if value < low else high if value > high else value

    def index(self, value: float) -> int:
        """Return the position of the bin of a raw value; what lies beyond the grid falls into its first or last."""
        index = math.floor(value / self.resolution + 0.5) - self.low
        return 0 if index < 0 else self.highest if index > self.highest else index

    def index_of_place(self, place: float) -> int:
        """Return the position of the bin of what stands at a place; see :class:`~hachimachi.models.scale.Scale`."""
        return self.index(self.raw(place) + NUDGE * self.resolution)

    def centre(self, index: int) -> float:
        """Return the middle of a bin."""
        return (index + self.low) * self.resolution

    def keep(self, place: float) -> float:
        """Return the value that is played for a place on the scale."""
        value = self.raw(place)
        index = self.index(value)
        return self.centre(index) if self.is_fixed(index) else value

    def spread(self, index: int, random: Random) -> float:
        """Draw a value evenly from a bin."""
        if self.is_fixed(index):
            return self.centre(index)
        return clip(self.centre(index) + (random.random() - 0.5) * self.resolution, *self.ends)

    def confine(self, value: float, index: int, constraint: Constraint, random: Random) -> float:
        """Return a value of a bin if it is allowed, else another of this bin that is: evenly drawn."""
        if constraint.allows(value):
            return value
        middle, half = self.centre(index), self.resolution / 2
        low, high = max(middle - half, self.ends[0]), min(middle + half, self.ends[1])
        if self.is_fixed(index) or not (constraint & Constraint.between(low, high)).intervals:
            return constraint.nearest(value)  # by a rounding error away
        return constraint.draw(low, high, random)

    def plays(self, value: float) -> bool:
        """Return whether a value is one that is played where nothing else is asked."""
        return self.every.start <= self.index(value) < self.every.stop

    def allowed(self, constraint: Constraint | None) -> Bins:
        """Return the bins that a constraint leaves."""
        known, bins = self._latest
        if constraint is known:  # to look up a scale takes as long as to draw from it
            return bins
        if constraint not in self._bins:
            if len(self._bins) >= REMEMBERED:
                self._bins.clear()
            bins = number_bins(self.grid, self.whole, constraint) if constraint else self.every
            self._bins[constraint] = bins
        self._latest = constraint, self._bins[constraint]
        return self._bins[constraint]

    @cached_property
    def edges(self) -> Numbers:
        """Where each bin begins on the scale and the last one ends, shape (bins + 1,)."""
        lower, upper = self.scale.edges(self.scale.all_bins(self.name))
        return torch.cat([lower, upper[-1:]]).numpy()

    def is_fixed(self, index: int) -> bool:
        """Return whether a bin plays its middle only."""
        return self.whole or (self.log and index == 0)
