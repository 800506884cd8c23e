"""What every head is, the distribution of the next event that it returns, and that distribution as it is drawn from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from hachimachi.columns import Column
from hachimachi.constraints import Bins, allowed_bins
from hachimachi.sampling import Numbers, Sampling


class Distribution(ABC):
    """The distribution of an event, D columns wide, for a batch of any shape.

    Probabilities are those of the stated grid over the stated support. The columns are taken one after the other:
    the probability of an event is the product of each column's, given the columns before it in the head's order.
    """

    @abstractmethod
    def log_prob(self, rows: Tensor, original: Tensor | None = None) -> Tensor:
        """Return ln P of each column given the past and the columns before it, shape (..., D), as precise as weights.

        Args:
            rows: Raw float64 values, shape (..., D). What is not known (NaN) costs nothing.
            original: What they were before they were augmented, shape (..., D), where they are learned from; given only
                to a head that :attr:`~Head.takes_original`.
        """

    @abstractmethod
    def table(self, column: int, rows: Tensor, *, playable: bool = False) -> Tensor:
        """Return the probabilities of all bins of a column, shape (..., bins).

        Args:
            column: Which one.
            rows: The other columns, shape (..., D), as far as they are given; NaN where not. Only what is given counts.
            playable: Leave out what is never played under any sampling, the floor and unknown categories.
        """


class Head(nn.Module, ABC):
    """Hidden vector → distribution of the next event.

    It is made of the columns to predict, D of them, the ``size`` of the hidden vectors, H, and ``previous``, where in
    these the previous value of a column stands. A plug-in's head plays by its tables, unless it has a method
    ``sampler`` that returns a :class:`~hachimachi.player.numpy_heads.NumpyHead`.
    """

    order: tuple[int, ...]  # indices of the columns, the first to be predicted first
    previous: dict[int, int]
    takes_original: ClassVar[bool] = False  # whether its distributions take what rows were before augmentation

    @abstractmethod
    def forward(self, hidden: Tensor) -> Distribution:
        """Return the distribution that follows hidden vectors of shape (..., H)."""

    @abstractmethod
    def init_to_marginals(self, rows: Tensor) -> None:
        """Set the biases so that the untrained head gives about the marginals of raw events, shape (N, D)."""

    def shrink(self, shares: Sequence[float]) -> bool:  # noqa: ARG002
        """Take each of D columns back towards the marginals, keeping a share of what was learned; return if it can."""
        return False


class SampledTables:
    """Tables of what is drawn: each column's distribution as a sampling shapes it.

    The columns come in the order in which they are drawn, constrained ones first; each is given those before it. One
    that is left with a single bin is given as that bin, whatever the event at hand has there.
    """

    def __init__(self, columns: Sequence[Column], order: Sequence[int], sampling: Sampling) -> None:
        sampling.check(columns)
        self.columns, self.sampling = columns, sampling
        self.order = tuple(sampling.order([column.name for column in columns], order))
        self.bins: list[Bins] = []  # what is played of each column
        self.only: dict[int, float] = {}  # value of each column to which the constraints leave one bin
        for i, column in enumerate(columns):
            constraint, (first, last) = sampling.constraints.get(column.name), column.played
            self.bins.append(allowed_bins(column, constraint) if constraint else Bins(first, last + 1))
            if constraint and (only := self.bins[i].only) is not None:
                self.only[i] = column.grid.value(np.array(only)).item()

    def tables(self, distribution: Distribution, rows: Tensor) -> dict[int, Numbers]:
        """Return the tables of all columns, each of shape (N, bins), in the order in which they are drawn. The
        distribution is the model's, shape (1, N); of the events, shape (N, D), NaN is not given."""
        known, tables = torch.full_like(rows, torch.nan), {}
        for i in self.order:
            column, bins = self.columns[i], self.bins[i]
            table = distribution.table(i, known[None], playable=True)[0].double().numpy()  # (N, bins)
            mask = np.zeros(column.grid.bins)
            mask[bins.start : bins.stop] = bins.mask
            tables[i] = self.sampling.of(column.name).shape(table * mask)
            known[:, i] = self.only.get(i, rows[:, i])
        return tables

    def nll(self, distribution: Distribution, rows: Tensor) -> Numbers:
        """Return −ln P of each column of events as drawn, shape (N, D), in the order of drawing. What is never played
        costs infinity; what is not known (NaN) nothing."""
        costs = []
        for i, table in self.tables(distribution, rows).items():
            values, grid = rows[:, i].numpy(), self.columns[i].grid
            known = np.nan_to_num(values)
            p = np.take_along_axis(table, grid.index(known)[:, None], axis=1)[:, 0]  # (N,)
            with np.errstate(divide="ignore"):
                cost = -np.log(np.where(grid.outside(known), 0, p))
            costs.append(np.where(np.isnan(values), 0, cost) + 0.0)  # no minus zero
        return np.stack(costs, axis=1)
