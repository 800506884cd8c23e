"""How the values of a column are spread, in a small picture: numbers, seconds on a log scale, categories by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from hachimachi.canvas import FAINT, HUES, INK, PAPER
from hachimachi.description.description import ColumnDescription
from hachimachi.description.histogram import SHORTEST, Histogram
from hachimachi.events import TIME
from hachimachi.io.instruments import instrument_name

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
    shape = Histogram.of(column, _NAMED if column.kind == "categorical" else _BINS)
    if shape.scale == "categories":
        _draw_categories(ax, shape, column, hue)
        return
    ax.set_yticks([])
    if shape.scale == "log":
        _draw_seconds(ax, shape, hue)
    else:
        ax.bar(shape.edges[:-1], shape.counts, np.diff(shape.edges), align="edge", color=hue, edgecolor=PAPER, lw=0.3)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], integer=column.kind == "integer"))
        ax.margins(x=0.02)


def _draw_categories(ax: Axes, shape: Histogram, column: ColumnDescription, hue: str) -> None:
    """Draw the most frequent ones as bars from the top, with their names inside."""
    places = np.arange(len(shape.counts))
    ax.barh(places, shape.counts, 0.8, color=hue, alpha=0.45)
    for place, value in zip(places.tolist(), shape.edges.tolist(), strict=True):
        name = instrument_name(value) if column.name == "instrument" else f"{value:g}"
        ax.annotate(name, (0, place), (3, 0), textcoords="offset points", va="center", fontsize=7, color=INK)
    rest = (column.distinct or 0) - len(places)
    ax.set_title(f"{rest:,} more" if rest > 0 else "", loc="right", color=FAINT, fontsize=8, pad=4)
    ax.set_ylim(max(len(places), 4) - 0.4, -0.6)
    ax.set_yticks([])
    ax.set_xticks([])


def _draw_seconds(ax: Axes, shape: Histogram, hue: str) -> None:
    """Draw bins of a log scale as wide as each other; the first holds 0 and stands apart."""
    places = np.arange(len(shape.counts)) + 0.0
    places[1:] += 1.0
    ax.bar(places, shape.counts, 1.0, align="edge", color=hue, edgecolor=PAPER, lw=0.3)
    last = shape.edges[-1]
    ticks = {0.5: "0"}
    for value, label in _ROUND.items():
        if SHORTEST < value <= last:
            ticks[2 + (len(places) - 1) * np.log(value / SHORTEST) / np.log(last / SHORTEST)] = label
    ax.set_xticks(list(ticks), list(ticks.values()))
    ax.margins(x=0.02)
