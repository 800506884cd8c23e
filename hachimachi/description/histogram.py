"""How the values of a column are spread: bins on a scale that suits it, for screens and pictures alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import SECONDS
from hachimachi.description.description import ColumnDescription

SHORTEST = 1e-3
"""Seconds below this share the first bin of a log scale: 0 among them."""
_STEPS = 4096
"""Of more steps than these, no bin is noticed to hold one more than its neighbour."""
_HEIGHTS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Histogram:
    """Counts by bin.

    Args:
        edges: Where bins begin and the last one ends, shape (bins + 1,); of categories, their values, shape (bins,).
        counts: How many values fell in each, shape (bins,).
        scale: ``linear``; ``log``, whose first bin reaches from 0 to a thousandth of a second; ``categories``, by how
            often they come.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    scale: str

    @staticmethod
    def of(column: ColumnDescription, bins: int) -> Histogram:
        """Return at most so many bins of a column."""
        low, high, values = column.low, column.high, column.values
        if column.kind == "categorical":
            found, counts = np.unique(values, return_counts=True)
            order = np.argsort(-counts, kind="stable")[:bins]
            return Histogram(found[order], counts[order], "categories")
        if column.name in SECONDS and low >= 0 and high > SHORTEST:
            with np.errstate(over="ignore"):  # the last edge is `high` itself, whatever rounding makes of its logarithm
                edges = np.append(0.0, np.geomspace(SHORTEST, high, bins))
            return Histogram(edges, _count(np.searchsorted(edges, values, side="right") - 1, bins), "log")
        step = column.resolution or 1.0
        if (high / 2 - low / 2) / step < _STEPS:  # bins of whole steps: others would hold a few more, or a few less
            width = step * max(np.ceil(((high - low) / step + 1) / bins), 1)
            edges = low - step / 2 + width * np.arange(np.ceil((high - low + step) / width - 1e-9) + 1)
            return Histogram(edges, _count(((values - edges[0]) / width).astype(np.int64), len(edges) - 1), "linear")
        if low == high:
            return Histogram(np.array([low - 0.5, high + 0.5]), np.array([len(values)]), "linear")
        share = (values / 2 - low / 2) / (high / 2 - low / 2)  # halves: the ends may be 1e308 apart
        steps = np.linspace(0, 1, bins + 1)
        return Histogram(low * (1 - steps) + high * steps, _count((share * bins).astype(np.int64), bins), "linear")


def sparkline(histogram: Histogram) -> str:
    """Return a histogram as a line of blocks, the fullest bin as high as can be, an empty one blank.

    >>> sparkline(Histogram(np.arange(5.0), np.array([1, 0, 40, 80]), "linear"))
    '▁ ▄█'
    """
    most = max(int(histogram.counts.max()), 1)
    return "".join(_HEIGHTS[max(-(-8 * int(n) // most) - 1, 0)] if n else " " for n in histogram.counts)


def _count(places: NDArray[np.int64], bins: int) -> NDArray[np.int64]:
    return np.bincount(np.clip(places, 0, bins - 1), minlength=bins)
