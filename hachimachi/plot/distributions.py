"""Distributions of columns in small pictures, and those of generations beside those of real music."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from hachimachi.columns import Categories, Column
from hachimachi.description.describe import SHORTEST, ColumnDescription, ValueHistogram
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likeness import pool_aspects
from hachimachi.events import TIME, EventSequence
from hachimachi.io.midi import instrument_name
from hachimachi.plot.canvas import FAINT, HUES, INK, PAPER

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
_BINS = 64
_NAMED = 8  # categories
_ROUND = {0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s", 100.0: "100 s", 1000.0: "1000 s"}


def draw_spreads(figure: FigureBase, columns: Sequence[ColumnDescription], across: int) -> list[Axes]:
    """Draw the distribution of each column in a grid, so many across; return their axes."""
    down = -(-len(columns) // across)
    grid = list(figure.subplots(down, across, squeeze=False).flat)
    features = [column.name for column in columns if column.name != TIME]
    hues = {name: HUES[lane % len(HUES)] for lane, name in enumerate(features)}  # those of the lanes of traces
    for ax, column in zip(grid, columns, strict=False):
        draw_spread(ax, column, hues.get(column.name, FAINT))
    for ax in grid[len(columns) :]:
        ax.set_axis_off()
    return grid[: len(columns)]


def draw_spread(ax: Axes, column: ColumnDescription, hue: str) -> None:
    """Draw the distribution of one column."""
    ax.set_facecolor(PAPER)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelcolor=INK, labelsize=7.5)
    name = "time between events" if column.name == TIME else column.name
    name = name if len(name) <= 24 else name[:23] + "…"
    ax.set_title(name, loc="left", color=INK, fontsize=9, fontweight="bold", pad=4)
    ax.set_title("masked" if column.masked else "", loc="right", color=FAINT, fontsize=8, pad=4)
    shape = ValueHistogram.of(column, _NAMED if column.kind == "categorical" else _BINS)
    if shape.scale == "categories":  # the most frequent ones from the top, their names inside
        indices = np.arange(len(shape.counts))
        ax.barh(indices, shape.counts, 0.8, color=hue, alpha=0.45)
        for i, value in enumerate(shape.edges.tolist()):
            label = instrument_name(value) if column.name == "instrument" else f"{value:g}"
            ax.annotate(label, (0, i), (3, 0), textcoords="offset points", va="center", fontsize=7, color=INK)
        rest = (column.distinct or 0) - len(indices)
        ax.set_title(f"{rest:,} more" if rest > 0 else "", loc="right", color=FAINT, fontsize=8, pad=4)
        ax.set_ylim(max(len(indices), 4) - 0.4, -0.6)
        ax.set_yticks([])
        ax.set_xticks([])
        return
    ax.set_yticks([])
    look = {"align": "edge", "color": hue, "edgecolor": PAPER, "lw": 0.3}
    if shape.scale == "log":  # bins as wide as each other; the first holds 0 and stands apart
        left = np.arange(len(shape.counts)) + 0.0
        left[1:] += 1.0
        ax.bar(left, shape.counts, 1.0, **look)
        end = shape.edges[-1]
        ticks = {0.5: "0"}
        for value, label in _ROUND.items():
            if SHORTEST < value <= end:
                ticks[2 + (len(left) - 1) * np.log(value / SHORTEST) / np.log(end / SHORTEST)] = label
        ax.set_xticks(list(ticks), list(ticks.values()))
    else:
        ax.bar(shape.edges[:-1], shape.counts, np.diff(shape.edges), **look)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], integer=column.kind == "integer"))
    ax.margins(x=0.02)


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
    for ax, (name, pool) in zip(axes, pools.items(), strict=False):
        made, known = pool
        ax.set_facecolor(PAPER)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0, colors=FAINT, labelcolor=INK, labelsize=8)
        ax.set_title(TITLES.get(name, name), loc="left", color=INK, fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.yaxis.set_major_locator(MaxNLocator(3))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        if name in categories:  # numbered, and named, or some of very many
            names, indices = np.unique(np.concatenate([known, made]), return_inverse=True)
            every = -(-len(names) // NAMED)
            ax.set_xticks(range(0, len(names), every), [f"{each:g}" for each in names[::every]])
            known, made = np.split(indices.astype(np.float64), [len(known)])
        edges = _edges(known, made)
        ax.stairs(np.histogram(known, edges)[0] / len(known), edges, fill=True, color=HUES[0], alpha=0.35, label="real")
        ax.stairs(np.histogram(made, edges)[0] / len(made), edges, color=HUES[1], linewidth=1.4, label="generated")
        ax.set_xlim(edges[0], edges[-1])
    labels = axes[0].get_legend_handles_labels()
    figure.legend(*labels, loc="outside upper right", ncols=2, frameon=False, labelcolor=INK)
    return figure


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
