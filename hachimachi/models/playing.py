"""Bins and places on a scale as values that are played, in plain numbers."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from hachimachi.models.histogram import Histogram
from hachimachi.models.sampling import Numbers, clip, logit, sigmoid
from hachimachi.models.scale import SPREAD, WIDTHS, Scale


class Playing:
    """What a column's values are when played: whole numbers as such, the zero bin of a time as exactly 0.

    Args:
        name: The column's name.
        scale: Its scale.
    """

    def __init__(self, name: str, scale: Scale) -> None:
        self.name, self.scale, self.grid = name, scale, scale.grid
        self.foot = scale.foot
        self.ends = scale.grid.low * scale.grid.resolution, scale.grid.high * scale.grid.resolution

    def raw(self, place: float) -> float:
        """Return the raw value at a place on the scale, kept within the grid."""
        value = place * self.scale.std + self.scale.mean
        if self.grid.log:
            value = math.exp(min(value, 700.0))
            value = 0.0 if value < self.foot else value
        return clip(value, *self.ends)

    def index(self, value: float) -> int:
        """Return the position of the bin of a raw value within the grid."""
        return math.floor(value / self.grid.resolution + 0.5) - self.grid.low

    def keep(self, place: float) -> float:
        """Return the value that is played for a place on the scale."""
        value = self.raw(place)
        index = self.index(value)
        return self.centre(index) if self._is_fixed(index) else value

    def spread(self, index: int, random: Random) -> float:
        """Draw a value evenly from a bin."""
        if self._is_fixed(index):
            return self.centre(index)
        return clip(self.centre(index) + (random.random() - 0.5) * self.grid.resolution, *self.ends)

    def place(self, location: float, log_scale: float, index: int, random: Random) -> float:
        """Draw a value from the part of a logistic that lies in a bin."""
        width = math.exp(clip(log_scale, *WIDTHS))
        low, high = (sigmoid((edge - location) / width) for edge in self.edges[index : index + 2].tolist())
        u = low + (high - low) * random.random()
        return self.keep(location + width * math.log(u / (1 - u))) if 0 < u < 1 else self.spread(index, random)

    def centre(self, index: int) -> float:
        """Return the middle of a bin."""
        return (index + self.grid.low) * self.grid.resolution

    def table(self, location: Numbers, log_scale: Numbers, weights: Numbers) -> Numbers:
        """Return the mass of all bins under weighted logistics (K,), shape (bins,)."""
        slope = 0.5 * np.exp(-log_scale.clip(*WIDTHS)).astype(np.float32)
        centred = self._narrow_edges - location.astype(np.float32)[:, None]
        below = np.tanh(centred * slope[:, None])  # 2 σ(x) − 1
        return np.asarray(np.diff((weights / 2).astype(np.float32) @ below).clip(0), dtype=np.float64)

    def masses(self, location: Numbers, log_scale: Numbers, index: int) -> Numbers:
        """Return the mass of one bin under each logistic, shape (K,)."""
        slope = 0.5 * np.exp(-log_scale.clip(*WIDTHS))
        low, high = (np.tanh((edge - location) * slope) for edge in self.edges[index : index + 2])
        return (high - low) / 2

    @cached_property
    def edges(self) -> Numbers:
        """Where each bin begins on the scale and the last one ends, shape (bins + 1,)."""
        lower, upper = self.scale.edges(self.scale.all_bins(self.name))
        return torch.cat([lower, upper[-1:]]).numpy()

    @cached_property
    def _narrow_edges(self) -> NDArray[np.float32]:
        return self.edges.astype(np.float32)

    def _is_fixed(self, index: int) -> bool:
        return self.scale.whole or (self.grid.log and index == 0)


class HistogramSampler:
    """Draws bins from a :class:`~hachimachi.models.histogram.Histogram`."""

    def __init__(self, histogram: Histogram, playing: Playing) -> None:
        self.histogram, self.playing, self.novel = histogram, playing, histogram.novel
        self.occupied = histogram.occupied.tolist()
        self.rising = list(accumulate(histogram.log_share.exp().tolist()))

    def draw(self, random: Random, tilt: Numbers | None = None) -> int:
        """Draw a bin, with logits (distinct,) added to those of the occupied bins."""
        new = random.random()
        if new < self.novel / 2:
            low, high = self.occupied[0], self.occupied[-1]
            return low + int(random.random() * (high - low + 1))
        if new < self.novel:
            return self.playing.index(self.playing.raw(SPREAD * logit(random)))
        rising = self.rising if tilt is None else self._shares(tilt).cumsum().tolist()
        return self.occupied[min(bisect_right(rising, random.random() * rising[-1]), len(rising) - 1)]

    def table(self, tilt: Numbers | None = None) -> Numbers:
        """Return the probabilities of all bins, shape (bins,)."""
        if tilt is None:
            return self._plain
        table = self._plain.copy()
        table[self.histogram.occupied.numpy()] += (1 - self.novel) * (self._shares(tilt) - self._shares(None))
        return table

    def _shares(self, tilt: Numbers | None) -> Numbers:
        logits = self._log_share if tilt is None else self._log_share + tilt
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()

    @cached_property
    def _log_share(self) -> Numbers:
        return self.histogram.log_share.numpy()

    @cached_property
    def _plain(self) -> Numbers:
        index = self.playing.scale.all_bins(self.playing.name)
        return self.histogram.log_prob(index, *self.playing.scale.edges(index)).exp().numpy()
