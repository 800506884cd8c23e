"""Baselines without a network: each feature by its histogram, alone and given its former value.

On the grids that hachimachi decides from the training part, so that the figures compare with those of `hxmx eval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import Column, fit_columns
from hachimachi.events import EventSequence


@dataclass(frozen=True)
class Baselines:
    """What the events of a test cost, in nats per event.

    Args:
        marginal: Under the training histogram of each feature.
        first_order: Under that of each feature given its former value.
        events: How many were scored: all but each sequence's first.
    """

    marginal: float
    first_order: float
    events: int


def score_baselines(train: Sequence[EventSequence], test: Sequence[EventSequence]) -> Baselines:
    """Learn both histograms from one part and score another by them."""
    columns = fit_columns(train)
    learned, told = [each.rows() for each in train], [each.rows() for each in test]
    scored = [rows[1:] for rows in told]
    marginal = [column.marginal_nats(np.concatenate(scored)[:, i]) for i, column in enumerate(columns)]
    first = [score_column(column, _values(learned, i), _values(told, i)) for i, column in enumerate(columns)]
    return Baselines(float(np.mean(sum(marginal))), float(np.mean(sum(first))), sum(map(len, scored)))


def score_column(
    column: Column, train: Sequence[NDArray[np.float64]], test: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return −ln P(value | the one before it) of every value of a test but each sequence's first.

    P(v | u) = (n(u, v) + d(u) / 2 · M(v)) / (n(u) + d(u) / 2), n the counts of training, d(u) how many different values
    followed u, M the marginal: half a count for each of the d, shared out as the marginal says. After a u that never
    occurred, or that is not known, it is the marginal itself.

    Args:
        column: Its grid and its training histogram.
        train: Values of each training sequence, NaN where there is none.
        test: Values of each sequence to score.
    """
    counts: dict[int, dict[int, int]] = {}
    for values in train:
        for before, after in _pairs(column, values):
            row = counts.setdefault(before, {})
            row[after] = row.get(after, 0) + 1
    totals = {before: sum(row.values()) for before, row in counts.items()}
    costs = [_cost(column, values, counts, totals) for values in test]
    return np.concatenate(costs) if costs else np.empty(0)


def _cost(
    column: Column, values: NDArray[np.float64], counts: dict[int, dict[int, int]], totals: dict[int, int]
) -> NDArray[np.float64]:
    marginal = np.exp(-column.marginal_nats(values[1:]))
    before, after = column.grid.index(np.nan_to_num(values[:-1])), column.grid.index(values[1:])
    known = ~(np.isnan(values[:-1]) | column.grid.outside(values[1:]))
    for place in np.flatnonzero(known):
        row = counts.get(int(before[place]))
        if row is not None:
            prior, total = len(row) / 2, totals[int(before[place])]
            hits = row.get(int(after[place]), 0)
            marginal[place] = (hits + prior * marginal[place]) / (total + prior)
    return -np.log(marginal)


def _pairs(column: Column, values: NDArray[np.float64]) -> list[tuple[int, int]]:
    index = column.grid.index(values[~np.isnan(values)])
    return list(zip(index[:-1].tolist(), index[1:].tolist(), strict=True))


def _values(rows: Sequence[NDArray[np.float64]], column: int) -> list[NDArray[np.float64]]:
    return [each[:, column] for each in rows]
