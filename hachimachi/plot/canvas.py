"""Drawing: scales, notes and distributions on axes, likeness to real music, and saving of figures."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from hachimachi.columns import Categories, Column
from hachimachi.description.describe import SHORTEST, ColumnDescription, ValueHistogram
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likeness import pool_aspects
from hachimachi.events import TIME, EventSequence
from hachimachi.io.atomic import check_file, replacing
from hachimachi.io.midi import instrument_name

INK, FAINT, PAPER, SHADE = "#2e3440", "#8a8f99", "#fbfaf7", "#f1efe9"
TOUCH = LinearSegmentedColormap.from_list("touch", ["#f2b880", "#e07a5f", "#a23e6b", "#3d2c5e"])
"""Colours from soft to loud."""
HUES = ("#3d5a80", "#e07a5f", "#81a88d", "#b56576", "#e9b44c", "#6d597a", "#5fa8b8", "#9c8f7a")
OTHERS = "#c4c4c4"
"""Colour of the rarest instruments, for which there are no hues."""
TITLE: dict[str, Any] = {"loc": "left", "color": INK, "fontsize": 11, "fontweight": "bold"}


@dataclass(frozen=True)
class Scales:
    """Common scales of pictures that are compared."""

    length: float  # width in seconds, or in events without time
    ranges: dict[str, tuple[float, float]]  # lowest and highest value of each feature
    hues: dict[float, str]  # colour of each instrument, most frequent first

    @staticmethod
    def of(*sequences: EventSequence) -> Scales:
        """Return the scales for sequences with the same features."""
        names = [feature.name for feature in sequences[0].features]
        columns = {name: np.concatenate([sequence.column(name) for sequence in sequences]) for name in names}
        ranges = {name: (float(v.min()), float(v.max())) if v.size else (0.0, 1.0) for name, v in columns.items()}
        length = max(float(np.max(ends_of(sequence) - start_of(sequence), initial=0)) for sequence in sequences)
        values, counts = np.unique(columns.get("instrument", []), return_counts=True)
        frequent = values[np.argsort(-counts, kind="stable")].tolist()
        hues = {value: HUES[i] if i < len(HUES) else OTHERS for i, value in enumerate(frequent)}
        return Scales(length or 1.0, ranges, hues)


def is_notes(sequence: EventSequence) -> bool:
    """Return whether a sequence can be drawn as a piano roll."""
    return sequence.temporal and any(feature.name == "pitch" for feature in sequence.features)


def make_figure(rows: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of rows of one height in inches and their axes, made without pyplot."""
    figure = Figure(figsize=(10, 0.6 + rows * height), facecolor="white", layout="constrained")
    return figure, list(figure.subplots(rows, 1, squeeze=False)[:, 0])


def root_of(ax: Axes) -> Figure:
    """Return the figure that axes are in, directly or in a part of it."""
    figure = ax.figure
    return figure if isinstance(figure, Figure) else figure.figure  # pyright: ignore[reportReturnType]


def prepare(ax: Axes, sequence: EventSequence, scales: Scales) -> None:
    """Prepare the background and the time axis, from the first event on."""
    ax.set_facecolor(PAPER)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, colors=FAINT, labelcolor=INK, labelsize=9)
    ax.grid(axis="x", color="white", linewidth=1)
    ax.set_axisbelow(True)
    start = start_of(sequence)
    ax.set_xlim(start - 0.005 * scales.length, start + 1.005 * scales.length)
    ax.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10], integer=not sequence.temporal))
    ax.set_xlabel("seconds" if sequence.temporal else "event", color=FAINT, fontsize=9)


def widen(limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits, widened if they are equal."""
    low, high = limits
    return limits if low < high else (low - 1, high + 1)


def times_of(sequence: EventSequence) -> NDArray[np.float64]:
    """Return the x coordinate of each event: its time, or its number from 1."""
    return np.arange(1.0, len(sequence) + 1) if sequence.time is None else sequence.time


def start_of(sequence: EventSequence) -> float:
    """Return the x coordinate of the first event."""
    return float(times_of(sequence)[0]) if len(sequence) else 0.0


def ends_of(sequence: EventSequence) -> NDArray[np.float64]:
    """Return the end of each event; a note without a duration lasts 0.1 s, any other event 0 s."""
    if any(feature.name == "duration" for feature in sequence.features) and is_notes(sequence):
        return times_of(sequence) + sequence.column("duration")
    return times_of(sequence) + (0.1 if is_notes(sequence) else 0.0)


_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_BLACK = (1, 3, 6, 8, 10)


def draw_keys(ax: Axes) -> None:
    """Shade the rows of black keys, draw a line below each C, and label the Cs, or more keys in a small range."""
    low, high = (round(limit) for limit in ax.get_ylim())
    keys = np.arange(low, high + 1)
    for key in keys[np.isin(keys % 12, _BLACK)]:
        ax.axhspan(key - 0.5, key + 0.5, color=SHADE, linewidth=0, zorder=0)
    for key in keys[keys % 12 == 0]:
        ax.axhline(key - 0.5, color="#dcd9d0", linewidth=0.8, zorder=0.5)
    named = (0,) if high - low > 30 else (0, 7) if high - low > 14 else (0, 4, 7, 9)
    ticks = keys[np.isin(keys % 12, named)]
    ax.set_yticks(ticks, [f"{_NAMES[key % 12]}{key // 12 - 1}" for key in ticks.tolist()])


def draw_bars(ax: Axes, sequence: EventSequence, scales: Scales) -> None:
    """Draw each note from key-down to key-up, coloured by instrument where there are several, else by velocity."""
    start, pitch = times_of(sequence), sequence.column("pitch")
    end = np.maximum(ends_of(sequence), start + scales.length / 500)  # still visible
    low, high = pitch - 0.42, pitch + 0.42
    corners = np.stack([[start, end, end, start], [low, low, high, high]], axis=-1).swapaxes(0, 1)  # (N, 4, 2)
    bars = PolyCollection(list(corners), linewidth=0.4, edgecolor=PAPER, zorder=2)
    if len(scales.hues) > 1:
        bars.set_facecolor([scales.hues[value] for value in sequence.column("instrument").tolist()])
    elif "velocity" in scales.ranges:
        bars.set(array=sequence.column("velocity"), cmap=TOUCH, norm=_norm(scales))
    else:
        bars.set_facecolor(HUES[0])
    ax.add_collection(bars)


def explain_colours(figure: FigureBase, axes: Sequence[Axes], scales: Scales) -> None:
    """Add a legend of instruments, or a colour bar of velocities."""
    if len(scales.hues) > 1:
        patches = {hue: Patch(color=hue, label=instrument_name(value)) for value, hue in scales.hues.items()}
        if OTHERS in patches:
            patches[OTHERS].set_label("others")
        look: dict[str, Any] = {"frameon": False, "fontsize": 8, "labelcolor": INK, "handlelength": 1}
        figure.legend(handles=list(patches.values()), loc="outside lower center", ncols=4, handleheight=1, **look)
    elif "velocity" in scales.ranges:
        mappable = ScalarMappable(_norm(scales), TOUCH)
        bar = figure.colorbar(mappable, ax=list(axes), pad=0.01, aspect=20 * len(axes), fraction=0.03)
        bar.set_label("velocity", color=FAINT, fontsize=9)
        bar.ax.tick_params(length=0, labelcolor=INK, labelsize=8)
        bar.outline.set_visible(False)


def _norm(scales: Scales) -> Normalize:
    return Normalize(*widen(scales.ranges["velocity"]))


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Save a picture atomically in the format of the suffix: .png, .svg, .pdf and so on; see `check_picture`."""
    check_picture(path)
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a sign that the font lacks is drawn as a box
        figure.savefig(temporary, format=Path(path).suffix.lower().removeprefix("."), dpi=160)


def check_picture(path: str | os.PathLike[str]) -> None:
    """Raise HachimachiError for the path of a picture that has an unknown suffix or cannot be written."""
    if Path(path).suffix.lower().removeprefix(".") not in FigureCanvasBase.get_supported_filetypes():
        raise HachimachiError(f"{path}: not a picture's name; expected it to end in .png, .svg or .pdf")
    check_file(path)


def to_pixels(figure: Figure, dpi: float = 60) -> NDArray[np.uint8]:
    """Return a picture as RGB, shape (height, width, 3)."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


TITLES = {TIME: "inter-event time, s", "duration": "duration, s", "density": "events per second"}
"""Titles of aspects that differ from their names."""
ACROSS = 3  # panels in a row
LIKENESS_BINS = 40  # bins of a panel, unless values are few whole numbers
LIKENESS_CATEGORIES = 12  # categories that are labelled
RARE = 1.0  # percent of the values at either end that are outside of a panel, such as a long rest
COLUMN_BINS = 64
COLUMN_CATEGORIES = 8
_ROUND = {0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s", 100.0: "100 s", 1000.0: "1000 s"}


def plain(text: str) -> str:
    """Return a text that is drawn as it is; between two ``$`` matplotlib would see mathematics."""
    return text.replace("$", r"\$")


def draw_spreads(figure: FigureBase, columns: Sequence[ColumnDescription], across: int) -> list[Axes]:
    """Draw the distribution of each column in a grid of ``across`` columns; return the axes."""
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
    ax.set_title(plain(name), loc="left", color=INK, fontsize=9, fontweight="bold", pad=4)
    ax.set_title("masked" if column.masked else "", loc="right", color=FAINT, fontsize=8, pad=4)
    shape = ValueHistogram.of(column, COLUMN_CATEGORIES if column.kind == "categorical" else COLUMN_BINS)
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
    if shape.scale == "log":  # bins of equal width; the first holds 0 and is set apart
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
    """Draw the distributions of each aspect of likeness in generated and in real music, best not that of training."""
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
        ax.set_title(plain(TITLES.get(name, name)), loc="left", color=INK, fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.yaxis.set_major_locator(MaxNLocator(3))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        if name in categories:  # by index, with some of the labels if there are many
            names, indices = np.unique(np.concatenate([known, made]), return_inverse=True)
            every = -(-len(names) // LIKENESS_CATEGORIES)
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
    """Return edges of bins: one for each whole number if there are few, else of equal width."""
    values = np.concatenate(parts)
    ends = np.array([np.percentile(part, [RARE, 100 - RARE]) for part in parts])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if not (values % 1).any() and values.max() - values.min() <= 3 * LIKENESS_BINS:
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 1.5)
    if low == high:
        low, high = float(values.min()), float(values.max())
    return np.linspace(low, high, LIKENESS_BINS + 1)
