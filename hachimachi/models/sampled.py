"""The distribution that events are drawn from: a model's, column by column as a sampling shapes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hachimachi.columns import Categories, Column
from hachimachi.constraints import Bins, Constraint, allowed_bins
from hachimachi.models.heads.head import Distribution
from hachimachi.player.polyphony import Voices
from hachimachi.sampling import Numbers, Sampling


class Sampled:
    """Tables of what is drawn.

    The columns come in the order in which they are drawn, constrained ones first; each is given those before it. One
    that is left with a single bin is given as that bin, whatever the event at hand has there.

    Args:
        columns: The model's columns, D.
        order: The model's order of them.
        sampling: How to draw.

    Raises:
        HachimachiError: What is asked cannot be played.
    """

    def __init__(self, columns: Sequence[Column], order: Sequence[int], sampling: Sampling) -> None:
        sampling.check(columns)
        self.columns, self.sampling = columns, sampling
        self.order = tuple(sampling.order([column.name for column in columns], order))
        bins = {i: allowed_bins(c, sampling.constraints[c.name]) for i, c in enumerate(columns) if self._asks(c)}
        self.only = {i: _value(columns[i], each.only) for i, each in bins.items() if each.only is not None}

    def tables(self, distribution: Distribution, rows: Tensor, limits: Sequence[Sampling]) -> dict[int, Numbers]:
        """Return the tables of all columns, each of shape (N, bins), in the order in which they are drawn.

        Args:
            distribution: The model's, for a batch of one sequence, shape (1, N).
            rows: The events, shape (N, D), NaN where not given.
            limits: What :func:`limits` returns for them.
        """
        known = torch.full_like(rows, torch.nan)
        tables = {}
        for place in self.order:
            column = self.columns[place]
            table = distribution.table(place, known[None], playable=True)[0].double().numpy()
            constraints = [limit.constraints.get(column.name) for limit in limits]
            tables[place] = self.sampling.of(column.name).shape(table * _masks(column, constraints))
            known[:, place] = self.only.get(place, rows[:, place])
        return tables

    def surprise(self, distribution: Distribution, rows: Tensor, limits: Sequence[Sampling]) -> Numbers:
        """Return −ln P of each column of events as drawn, shape (N, D), in the order of drawing.

        What is never played costs infinity; what is not known (NaN) nothing.
        """
        costs = []
        for place, table in self.tables(distribution, rows, limits).items():
            values, grid = rows[:, place].numpy(), self.columns[place].grid
            known = np.nan_to_num(values)
            p = np.take_along_axis(table, grid.index(known)[:, None], axis=1)[:, 0]
            with np.errstate(divide="ignore"):
                cost = -np.log(np.where(grid.outside(known), 0, p))
            costs.append(np.where(np.isnan(values), 0, cost) + 0.0)  # no minus zero
        return np.stack(costs, axis=1)

    def _asks(self, column: Column) -> bool:
        return column.name in self.sampling.constraints


def limits(columns: Sequence[Column], rows: NDArray[np.float64], sampling: Sampling) -> list[Sampling]:
    """Return how each event and the one after the last is drawn, N + 1 of them: polyphony looks at those before.

    Args:
        columns: The model's columns, D.
        rows: The events, shape (N, D).
        sampling: What is asked.
    """
    voices, found = Voices(columns), [sampling]
    for row in rows.tolist():
        voices.observe(row)
        found.append(voices.limit(sampling))
    return found


def _value(column: Column, index: int) -> float:
    grid = column.grid
    return grid.values[index] if isinstance(grid, Categories) else (index + grid.low) * grid.resolution


def _masks(column: Column, constraints: Sequence[Constraint | None]) -> NDArray[np.float64]:
    """Return 1 for the bins that may be played and 0 for others, shape (N, bins) or (1, bins) where all are alike."""
    if all(constraint == constraints[0] for constraint in constraints):
        constraints = constraints[:1]
    masks = np.zeros((len(constraints), column.grid.bins))
    for mask, constraint in zip(masks, constraints, strict=True):
        bins = allowed_bins(column, constraint) if constraint else Bins(column.played[0], column.played[1] + 1)
        mask[bins.start : bins.stop] = bins.mask(bins.start, bins.stop)
    return masks
