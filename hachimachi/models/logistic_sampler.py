"""Logistics discretised on a grid: drawing from them, and what they give to bins. Plain numbers and NumPy."""

from __future__ import annotations

import math
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from hachimachi.models.played_grid import PlayedGrid
from hachimachi.models.sampling import Numbers, clip, logit, sigmoid
from hachimachi.models.scale import WIDTHS

Indices = NDArray[np.int64]

STEEPEST = 300.0
"""Distances from a location beyond this many widths count as this many: e^300 squared is still a number."""


class LogisticSampler:
    """Draws from logistics on a column's scale; a draw keeps its place inside its bin."""

    def __init__(self, grid: PlayedGrid) -> None:
        self.grid = grid

    def draw(self, location: float, log_scale: float, random: Random) -> float:
        """Draw a value."""
        low, high = WIDTHS
        log_scale = low if log_scale < low else high if log_scale > high else log_scale
        return self.grid.keep(location + math.exp(log_scale) * logit(random))

    def place(self, location: float, log_scale: float, index: int, random: Random) -> float:
        """Draw a value from the part of a logistic that lies in a bin."""
        width = math.exp(clip(log_scale, *WIDTHS))
        low, high = (sigmoid((edge - location) / width) for edge in self.grid.edges[index : index + 2].tolist())
        u = low + (high - low) * random.random()
        value = self.grid.keep(location + width * math.log(u / (1 - u))) if 0 < u < 1 else math.inf
        # far out in a tail u tells bins apart no more
        return value if value < math.inf and self.grid.index(value) == index else self.grid.spread(index, random)

    def masses(self, locations: Numbers, log_scales: Numbers, index: int) -> Numbers:
        """Return the mass of a bin under each logistic, shape (K,)."""
        low, high = self.grid.edges[index : index + 2].tolist()
        widths = [math.exp(clip(log_scale, *WIDTHS)) for log_scale in log_scales.tolist()]
        pairs = zip(locations.tolist(), widths, strict=True)
        return np.array([_between_two((at - low) / width, (at - high) / width) for at, width in pairs])

    def reach(self, weights: Numbers, locations: Numbers, widths: Numbers, least: float) -> tuple[Indices, Indices]:
        """Return for each logistic the first bin, and one past the last, beyond which hardly any of its mass lies.

        A logistic of weight w gives at most w e^−z to what lies beyond z widths.

        Args:
            weights: Shape (K,).
            locations: Shape (K,).
            widths: Shape (K,).
            least: ln of a mass that counts for nothing.
        """
        with np.errstate(divide="ignore"):
            far = np.maximum(np.log(weights) - least, 0) * widths
        lows, highs = np.searchsorted(self.grid.edges, [locations - far, locations + far])
        return np.maximum(lows - 1, 0), np.where(far > 0, np.minimum(highs, self.grid.grid.bins), 0)

    def table(
        self,
        weights: Numbers,
        locations: Numbers,
        widths: Numbers,
        lows: Indices,
        highs: Indices,
        start: int,
        stop: int,
    ) -> Numbers:
        """Return the mass of bins under weighted logistics, each looked at between its own ends only.

        Args:
            weights: Shape (K,).
            locations: Shape (K,).
            widths: Shape (K,).
            lows: The first bin to look at for each, shape (K,).
            highs: One past the last, shape (K,).
            start: The first bin of the table.
            stop: One past its last.
        """
        narrow = highs - lows < (stop - start) / 8
        if not narrow.any():
            return weights @ self._wide(locations, widths, start, stop)
        table, wide = np.zeros(stop - start), ~narrow
        if wide.any():
            table = weights[wide] @ self._wide(locations[wide], widths[wide], start, stop)
        narrow &= lows < highs
        if narrow.any():
            few = weights[narrow], locations[narrow], widths[narrow], lows[narrow], highs[narrow]
            table += self._narrow(*few, start, stop)
        return table

    def quick_table(self, weights: Numbers, locations: Numbers, widths: Numbers, start: int, stop: int) -> Numbers:
        """Return the mass of bins under weighted logistics, right to within about 10⁻¹⁵ of all mass.

        As differences of the distribution function, (1 + tanh(x / 2)) / 2: in a third of the time, but far out nothing
        is left of them.
        """
        half = 0.5 / widths
        lines = np.empty((len(half), 2))
        lines[:, 0], lines[:, 1] = half, -locations * half
        rising = (0.5 * weights).dot(np.tanh(lines.dot(self._edges_and_ones[:, start : stop + 1])))
        table = rising[1:] - rising[:-1]
        return np.maximum(table, 0.0, out=table)

    @cached_property
    def _edges_and_ones(self) -> Numbers:
        return np.stack((self.grid.edges, np.ones_like(self.grid.edges)))

    def _wide(self, locations: Numbers, widths: Numbers, start: int, stop: int) -> Numbers:
        slopes = (1 / widths)[:, None]
        return _between(locations[:, None] * slopes - self.grid.edges[start : stop + 1] * slopes)

    def _narrow(
        self,
        weights: Numbers,
        locations: Numbers,
        widths: Numbers,
        lows: Indices,
        highs: Indices,
        start: int,
        stop: int,
    ) -> Numbers:
        """Do it for those that look at few bins, one's edges after another's in one array."""
        counts = highs - lows + 1
        ends = counts.cumsum()
        edges = np.arange(ends[-1]) + np.repeat(lows - ends + counts, counts)
        away = np.repeat(locations / widths, counts) - self.grid.edges[edges] * np.repeat(1 / widths, counts)
        mass = _between(away) * np.repeat(weights, counts)[:-1]
        mass[ends[:-1] - 1] = 0  # from one's last edge to the next one's first
        return np.bincount(edges[:-1] - start, mass, stop - start)[: stop - start].astype(np.float64, copy=False)


def _between_two(a: float, b: float) -> float:
    """Do what :func:`_between` does for one bin, in plain numbers: few of them are quicker so."""
    low, high = math.exp(clip(a, -STEEPEST, STEEPEST)), math.exp(clip(b, -STEEPEST, STEEPEST))
    return (low - high) / (1 + low) / (1 + high)


def _between(away: Numbers) -> Numbers:
    """Return σ(b) − σ(a) between neighbours, given how far a location lies above each edge, shape (..., N).

    As (e^−a − e^−b) σ(a) σ(b), which is exact far out too: high temperatures look there.
    """
    powers = np.minimum(np.maximum(away, -STEEPEST), STEEPEST)
    np.exp(powers, out=powers)
    sigmoids = powers + 1
    np.reciprocal(sigmoids, out=sigmoids)
    mass = powers[..., :-1] - powers[..., 1:]
    mass *= sigmoids[..., :-1]
    mass *= sigmoids[..., 1:]
    return mass
