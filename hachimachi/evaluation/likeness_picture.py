"""A picture of how often values occur in what a model plays and in real music, one panel an aspect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from hachimachi.canvas import FAINT, HUES, INK, PAPER
from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likeness import pool_aspects
from hachimachi.events import TIME, EventSequence
from hachimachi.grid import Categories

TITLES = {TIME: "inter-event time, s", "duration": "duration, s", "density": "events per second"}
"""What aspects are called, where not as they are."""
ACROSS = 3
"""Panels in a row."""
BINS = 40
"""Bars of a panel, where values are not few whole numbers."""
NAMED = 12
"""Categories that are named."""
RARE = 1.0
"""Percent of the values at either end that may lie outside of a panel: a single long rest would leave no room."""


def draw_likeness(
    generated: Sequence[EventSequence], real: Sequence[EventSequence], columns: Sequence[Column]
) -> Figure:
    """Draw, for each aspect in which likeness is measured, how often values occur in either.

    Args:
        generated: What a model played.
        real: Real music, best not of its training data.
        columns: The model's.

    Returns:
        The figure, which notebooks show.

    Raises:
        HachimachiError: There is nothing to compare.
    """
    pools = pool_aspects(generated, real, columns)
    if not pools:
        raise HachimachiError("nothing to compare: expected generations and real events with values that differ")
    rows = -(-len(pools) // ACROSS)
    figure = Figure(figsize=(10, 0.5 + 1.9 * rows), facecolor="white", layout="constrained")
    axes = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    for ax in axes[len(pools) :]:
        ax.set_visible(False)
    categories = {column.name for column in columns if isinstance(column.grid, Categories)}
    for ax, (name, (made, heard)) in zip(axes, pools.items(), strict=False):
        _prepare(ax, TITLES.get(name, name))
        _draw(ax, *(_name(ax, heard, made) if name in categories else (heard, made)))
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, labelcolor=INK
    )
    return figure


def _prepare(ax: Axes, title: str) -> None:
    ax.set_facecolor(PAPER)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, colors=FAINT, labelcolor=INK, labelsize=8)
    ax.set_title(title, loc="left", color=INK, fontsize=10)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _name(ax: Axes, *parts: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return categories as places beside each other, and name the places, or some of very many."""
    names, places = np.unique(np.concatenate(parts), return_inverse=True)
    every = -(-len(names) // NAMED)
    ax.set_xticks(range(0, len(names), every), [f"{name:g}" for name in names[::every]])
    return np.split(places.astype(np.float64), np.cumsum([len(part) for part in parts])[:-1])


def _draw(ax: Axes, heard: NDArray[np.float64], made: NDArray[np.float64]) -> None:
    edges = _edges(heard, made)
    ax.stairs(_shares(heard, edges), edges, fill=True, color=HUES[0], alpha=0.35, label="real")
    ax.stairs(_shares(made, edges), edges, color=HUES[1], linewidth=1.4, label="generated")
    ax.set_xlim(edges[0], edges[-1])


def _edges(*parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where bars begin and end: one for each whole number where there are few of them, else of even width."""
    values = np.concatenate(parts)
    ends = np.array([np.percentile(part, [RARE, 100 - RARE]) for part in parts])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if not (values % 1).any() and values.max() - values.min() <= 3 * BINS:
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.5)
    if low == high:
        low, high = float(values.min()), float(values.max())
    return np.linspace(low, high, BINS + 1)


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram(values, edges)[0] / len(values)
