"""Likelihood of columns on other grids than the model's, and the grid that several models have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import FLOOR, LARGEST, MAX_BINS, Categories, Column, UniformGrid
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence
from hachimachi.models.event_model import EventModel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Regrid:
    """Bins of a column → bins of another grid, the mass of each spread evenly over its width.

    An open end bin of the model reaches to the end of the requested support. What the model gives to values beyond that
    support counts to its end bins, so that tables sum to 1; and the uniform floor is mixed in anew: no value costs more
    than −ln(FLOOR / bins).
    """

    original: Column
    column: Column

    @staticmethod
    def of(column: Column, resolution: float | None, support: tuple[float, float] | None) -> Regrid:
        """Restate a column. Outside a support, lowest and highest value, all costs the floor; ``None`` leaves the
        model's. HachimachiError for categories, or a grid with no bins or too many."""
        where, grid = f"the grid of {column.name!r}", column.grid
        if not isinstance(grid, UniformGrid):
            raise HachimachiError(f"{where}: it holds categories, which have no resolution and no support")
        width = grid.resolution if resolution is None else resolution
        if not 0 < width < math.inf:
            raise HachimachiError(f"{where}: resolution is {width:g}, expected a number above 0")
        low, high = support or (grid.low * grid.resolution, grid.high * grid.resolution)
        if not (low < high or support is None) or not math.isfinite(high - low):
            raise HachimachiError(f"{where}: support is {low:g}:{high:g}, expected two numbers, the lower one first")
        bins = max((high - low) / width + 1, grid.bins)
        if bins > MAX_BINS or max(abs(low), abs(high)) / width > LARGEST:
            raise HachimachiError(f"{where}: {bins:.0f} bins are too many; at most {MAX_BINS} can be summed")
        ends = {"low": math.floor(low / width + 0.5), "high": math.floor(high / width + 0.5)}
        closed = {"open_low": False, "open_high": False} if support else {}
        regridded = replace(column, grid=replace(grid, resolution=width, **ends, **closed))
        histogram = np.zeros(column.grid.bins)
        histogram[list(column.occupied)] = column.counts
        counts = Regrid(column, regridded)._spread(histogram)
        occupied = np.flatnonzero(counts > 0)
        kept = {"occupied": tuple(occupied.tolist()), "counts": tuple(counts[occupied].tolist())}
        return Regrid(column, replace(regridded, **kept))

    def table(self, p: Floats) -> Floats:
        """Return P of every requested bin, from P of the model's: (..., bins) → (..., other bins)."""
        return FLOOR / self.column.grid.bins + (1 - FLOOR) * self._spread(p)

    def prob(self, values: Floats, p: Floats) -> Floats:
        """Return P of the requested bins in which raw values (N,) lie, from P of the model's bins, (N, bins)."""
        grid = self.column.grid
        found = np.take_along_axis(self.table(p), grid.index(values)[:, None], axis=1)[:, 0]
        return np.where(grid.outside(values), FLOOR / grid.bins, found)

    def _spread(self, p: Floats) -> Floats:
        """Return the mass of the requested bins: what lies below each end, linear within a bin of the model's."""
        own, other = self.original.grid, self.column.grid
        assert isinstance(own, UniformGrid)
        assert isinstance(other, UniformGrid)
        knots, edges = own.edges(), other.edges()
        knots[0] = min(knots[0], edges[0]) if own.open_low else knots[0]
        knots[-1] = max(knots[-1], edges[-1]) if own.open_high else knots[-1]
        edges[0], edges[-1] = -np.inf, np.inf  # what lies beyond them all belongs to the end bins
        i = np.clip(np.searchsorted(knots, edges, side="right") - 1, 0, len(knots) - 2)
        share = np.clip((edges - knots[i]) / (knots[i + 1] - knots[i]), 0, 1)
        below = np.cumsum(p, axis=-1)[..., i] + (share - 1) * p[..., i]
        return np.maximum(np.diff(below), 0.0)


def regrids(
    columns: Sequence[Column],
    resolution: Mapping[str, float] | None = None,
    support: Mapping[str, tuple[float, float]] | None = None,
) -> dict[int, Regrid]:
    """Return what restates the columns whose grid is fixed, by index; those that have it already are left out.

    Both go by the column's name or the feature's number. HachimachiError for a column that is not there or has no grid
    of numbers, or a grid that cannot be.
    """
    widths = {find_column(columns, name): width for name, width in (resolution or {}).items()}
    ranges = {find_column(columns, name): ends for name, ends in (support or {}).items()}
    made = {i: Regrid.of(columns[i], widths.get(i), ranges.get(i)) for i in sorted({*widths, *ranges})}
    return {i: regrid for i, regrid in made.items() if regrid.column.grid != columns[i].grid}


def find_column(columns: Sequence[Column], name: str) -> int:
    """Return the index of the column of a name or, else, of the feature of a number; raises where there is none."""
    names = [column.name for column in columns]
    temporal = names[0] == TIME
    indices = {f"{number}": number + temporal for number in range(len(names) - temporal)}
    indices |= {name: i for i, name in enumerate(names)}
    if name not in indices:
        raise HachimachiError(f"{name}: the model has no such column; it has {', '.join(names)}")
    return indices[name]


def find_common_grid(
    models: Mapping[str, EventModel],
    sequences: Sequence[EventSequence],
    resolution: Mapping[str, float],
    support: Mapping[str, tuple[float, float]],
) -> tuple[dict[str, float], dict[str, tuple[float, float]], tuple[str, ...]]:
    """Return resolutions and supports, by name, of a grid that is the same for all models; and remarks for the user.
    Raises `HachimachiError`: categories that some of the models know and others do not, in data that holds them."""
    columns = next(iter(models.values())).columns
    widths = {columns[find_column(columns, name)].name: width for name, width in resolution.items()}
    ranges = {columns[find_column(columns, name)].name: ends for name, ends in support.items()}
    remarks = []
    for i, column in enumerate(columns):
        name, every = column.name, {label: model.columns[i].grid for label, model in models.items()}
        if len({*every.values()}) == 1:
            continue
        grids = {label: grid for label, grid in every.items() if isinstance(grid, UniformGrid)}
        if len(grids) < len(every):
            _check_categories(name, every, sequences)
            continue
        steps = {grid.resolution for grid in grids.values()}
        if name not in widths:
            widths[name] = max(steps)
            if len(steps) > 1:
                remarks.append(f"{name}: judged in steps of {max(steps):g}, the coarsest of the models'")
        low = min(grid.low * grid.resolution for grid in grids.values())
        ranges.setdefault(name, (low, max(grid.high * grid.resolution for grid in grids.values())))
    return widths, ranges, tuple(remarks)


def _check_categories(
    column: str, grids: Mapping[str, UniformGrid | Categories], sequences: Sequence[EventSequence]
) -> None:
    """Refuse categories that some models know and others do not: an unknown one stands for all that are unknown."""
    known = {name: set(grid.values) for name, grid in grids.items() if isinstance(grid, Categories)}
    if len(known) < len(grids):
        odd = next(name for name in grids if name not in known)
        raise HachimachiError(f"{column!r} is a category in some of the models and a number in {odd}; train them alike")
    there = {value for sequence in sequences for value in sequence.column(column).tolist()}
    for name, values in known.items():
        if lost := sorted(there & set.union(*known.values()) - values):
            raise HachimachiError(
                f"{name} does not know {column} {lost[0]:g}, another of the models does: on data that holds it they do "
                "not compare; train them on the same categories"
            )
