"""Pictures of events: piano rolls of notes, traces of everything else, drawn without a screen or pyplot."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hachimachi.description.describe import SHORTEST, ColumnDescription, Description, ValueHistogram, describe
from hachimachi.errors import HachimachiError, count
from hachimachi.events import TIME, EventSequence
from hachimachi.io.atomic import check_file, replacing
from hachimachi.io.midi import instrument_name

INK, FAINT, PAPER, SHADE = "#2e3440", "#8a8f99", "#fbfaf7", "#f1efe9"
TOUCH = LinearSegmentedColormap.from_list("touch", ["#f2b880", "#e07a5f", "#a23e6b", "#3d2c5e"])  # soft to loud
HUES = ("#3d5a80", "#e07a5f", "#81a88d", "#b56576", "#e9b44c", "#6d597a", "#5fa8b8", "#9c8f7a")
OTHERS = "#c4c4c4"  # colour of the rarest instruments, for which there are no hues
TITLE: dict[str, Any] = {"loc": "left", "color": INK, "fontsize": 11, "fontweight": "bold"}
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 8, "labelcolor": INK}
Data = Description | EventSequence | Iterable[EventSequence] | str | os.PathLike[str]
_SECONDS, _EVENTS = 30.0, 400  # length of the sequence in an overview, whichever is less, but at least a hundred events
_LANES, _SPREADS = 12, 40  # most features and distributions on a page
COLUMN_BINS, COLUMN_CATEGORIES = 64, 8
_ROUND = {0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1.0: "1 s", 10.0: "10 s", 100.0: "100 s", 1000.0: "1000 s"}


def piano_roll(sequence: EventSequence, ax: Axes | None = None, *, scales: Scales | None = None) -> Figure:
    """Draw notes as bars from key-down to key-up, coloured by instrument where there are several, else by velocity.

    Events have time and ``pitch``; without ``duration`` notes last 0.1 s. Axes are those of a new figure by default;
    scales are common to several pictures, see `Scales.of`.
    """
    if not is_notes(sequence):
        raise HachimachiError("a piano roll needs time and a feature named pitch; draw traces instead")
    scales = scales or Scales.of(sequence)
    if ax is None:
        figure, (ax,) = _make_figure(1, 3.4)
        _explain_colours(figure, [ax], scales)
    _prepare(ax, sequence, scales)
    low, high = scales.ranges["pitch"]
    ax.set_ylim(low - 1.5, max(high, low + 10) + 1.5)
    _draw_keys(ax)
    _draw_bars(ax, sequence, scales)
    return _root_of(ax)


def traces(sequence: EventSequence, ax: Axes | None = None, *, scales: Scales | None = None) -> Figure:
    """Draw each feature in its lane, over time or event numbers; numbers as steps, categories as dots. Axes and scales
    are as for :func:`piano_roll`."""
    features = sequence.features
    ax = ax or _make_figure(1, _lanes_height(sequence))[1][0]
    scales = scales or Scales.of(sequence)
    _prepare(ax, sequence, scales)
    right = ax.get_xlim()[1]
    for lane, feature in enumerate(features):
        low, high = _widen(scales.ranges[feature.name])
        y = lane + 0.9 - 0.8 * (sequence.column(feature.name) - low) / (high - low)
        dots = {"linestyle": "none", "marker": "o", "markersize": 2.5}
        look = dots if feature.kind == "categorical" else {"drawstyle": "steps-post", "linewidth": 1.1}
        ax.plot(_times_of(sequence), y, color=HUES[lane % len(HUES)], **look)
        for value, height in ((high, lane + 0.2), (low, lane + 0.8)):
            ax.annotate(
                f"{value:.3g}", (right, height), (4, 0), textcoords="offset points", va="center", fontsize=8, color=INK
            )
    ax.set_ylim(len(features), 0)
    ax.set_yticks(np.arange(len(features)) + 0.5, [plain(feature.name) for feature in features])
    ax.hlines(np.arange(1, len(features)), *ax.get_xlim(), color="white", linewidth=2, zorder=0)
    return _root_of(ax)


def compare(
    real: EventSequence,
    generated: EventSequence,
    path: str | os.PathLike[str] | None = None,
    *,
    seconds: float | None = None,
    titles: tuple[str, str] | None = None,
) -> Figure:
    """Draw real and generated events of the same features, one above the other on the same scales: so many seconds of
    each from its first event, by default all. Save the picture where there is a path."""
    if [feature.name for feature in real.features] != [feature.name for feature in generated.features]:
        raise HachimachiError("pictures of other features cannot be compared; expected the same names in both")
    real, generated = _beginning(real, seconds), _beginning(generated, seconds)
    notes = is_notes(real) and is_notes(generated)
    scales = Scales.of(real, generated)
    figure, axes = _make_figure(2, 2.7 if notes else _lanes_height(real))
    draw: Callable[..., Figure] = piano_roll if notes else traces
    named = f"The data: {real.name}" if real.name else "The data"
    for ax, sequence, title in zip(axes, (real, generated), titles or (named, "Generated"), strict=True):
        draw(sequence, ax, scales=scales)
        ax.set_title(plain(title), **TITLE)
    axes[0].set_xlabel("")
    if notes:
        _explain_colours(figure, axes, scales)
    if path is not None:
        save(figure, path)
    return figure


def overview(data: Data) -> Figure:
    """Draw data, given as to :func:`distributions`, on a page: the beginning of a sequence, and all distributions."""
    described = data if isinstance(data, Description) else describe(data)
    example = described.example
    most = min(len(_beginning(example, _SECONDS)), _EVENTS) if example.temporal else _EVENTS
    example = example[: max(most, 100)]
    notes = is_notes(example)
    shown = len(example.features) if notes else _LANES
    example = replace(example, features=example.features[:shown], data=example.data[:, :shown])
    across, down = _grid(len(described.columns))
    heights = [3.4 if notes else 0.6 + 0.42 * len(example.features), 0.2 + 1.5 * down]
    figure = Figure(figsize=(10, 0.4 + sum(heights)), facecolor="white", layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights, hspace=0.02)[:, 0]
    ax, scales = above.subplots(), Scales.of(example)
    (piano_roll if notes else traces)(example, ax, scales=scales)
    if notes:
        _explain_colours(above, [ax], scales)
    title = f"first {count(len(example), 'event')}" if len(example) < described.events else "all events"
    features = len(described.columns) - example.temporal
    title += f", {len(example.features)} of {features} features" if features > len(example.features) else ""
    name = example.name or described.name
    ax.set_title(plain(f"{name}: {title}" if name else title.capitalize()), **TITLE)
    ax.set_title(described.size(), loc="right", color=FAINT, fontsize=9)
    _draw_spreads(below, described.columns[:_SPREADS], across)
    return figure


def distributions(data: Data) -> Figure:
    """Draw the distribution of every column of data, the time between events first. The data are a description, or
    what `describe` takes: a file or a folder, sequences."""
    described = data if isinstance(data, Description) else describe(data)
    across, down = _grid(len(described.columns))
    figure = Figure(figsize=(10, 0.2 + 1.6 * down), facecolor="white", layout="constrained")
    _draw_spreads(figure, described.columns[:_SPREADS], across)
    return figure


def _beginning(sequence: EventSequence, seconds: float | None) -> EventSequence:
    if seconds is None or sequence.time is None:
        return sequence
    return sequence[: int(np.searchsorted(sequence.time, _start_of(sequence) + seconds, side="right"))]


def _lanes_height(sequence: EventSequence) -> float:
    return max(1.6, 0.7 * len(sequence.features))


def _grid(columns: int) -> tuple[int, int]:
    """Return columns, at most five, and rows of a grid of distributions, as full as possible."""
    shown = min(columns, _SPREADS)
    down = -(-shown // 5)
    return max(-(-shown // down), 2), down


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
        length = max(float(np.max(_ends_of(sequence) - _start_of(sequence), initial=0)) for sequence in sequences)
        values, counts = np.unique(columns.get("instrument", []), return_counts=True)
        frequent = values[np.argsort(-counts, kind="stable")].tolist()
        hues = {value: HUES[i] if i < len(HUES) else OTHERS for i, value in enumerate(frequent)}
        return Scales(length or 1.0, ranges, hues)


def is_notes(sequence: EventSequence) -> bool:
    """Return whether a sequence can be drawn as a piano roll."""
    return sequence.temporal and any(feature.name == "pitch" for feature in sequence.features)


def _make_figure(rows: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of rows of one height in inches and their axes, made without pyplot."""
    figure = Figure(figsize=(10, 0.6 + rows * height), facecolor="white", layout="constrained")
    return figure, list(figure.subplots(rows, 1, squeeze=False)[:, 0])


def _root_of(ax: Axes) -> Figure:
    """Return the figure that axes are in, directly or in a part of it."""
    figure = ax.figure
    return figure if isinstance(figure, Figure) else figure.figure  # pyright: ignore[reportReturnType]


def _style(ax: Axes, title: str = "", size: float = 9, grid: Literal["x", "y"] | None = None) -> None:
    """Give axes the look of all pictures: paper, no frame, a bold title on the left, labels of a size."""
    ax.set_facecolor(PAPER)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, colors=FAINT, labelcolor=INK, labelsize=size)
    ax.set_title(plain(title), loc="left", color=INK, fontsize=size + 1.5, fontweight="bold")
    if grid:
        ax.grid(axis=grid, color="white", linewidth=1)
        ax.set_axisbelow(True)


def _prepare(ax: Axes, sequence: EventSequence, scales: Scales) -> None:
    """Prepare the background and the time axis, from the first event on."""
    _style(ax, grid="x")
    start = _start_of(sequence)
    ax.set_xlim(start - 0.005 * scales.length, start + 1.005 * scales.length)
    ax.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10], integer=not sequence.temporal))
    ax.set_xlabel("seconds" if sequence.temporal else "event", color=FAINT, fontsize=9)


def _widen(limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits, widened if they are equal."""
    low, high = limits
    return limits if low < high else (low - 1, high + 1)


def _times_of(sequence: EventSequence) -> NDArray[np.float64]:
    """Return the x coordinate of each event: its time, or its number from 1."""
    return np.arange(1.0, len(sequence) + 1) if sequence.time is None else sequence.time


def _start_of(sequence: EventSequence) -> float:
    """Return the x coordinate of the first event."""
    return float(_times_of(sequence)[0]) if len(sequence) else 0.0


def _ends_of(sequence: EventSequence) -> NDArray[np.float64]:
    """Return the end of each event; a note without a duration lasts 0.1 s, any other event 0 s."""
    timed = is_notes(sequence) and any(feature.name == "duration" for feature in sequence.features)
    return _times_of(sequence) + (sequence.column("duration") if timed else 0.1 * is_notes(sequence))


_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_BLACK = (1, 3, 6, 8, 10)


def _draw_keys(ax: Axes) -> None:
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


def _draw_bars(ax: Axes, sequence: EventSequence, scales: Scales) -> None:
    """Draw each note from key-down to key-up, coloured by instrument where there are several, else by velocity."""
    start, pitch = _times_of(sequence), sequence.column("pitch")
    end = np.maximum(_ends_of(sequence), start + scales.length / 500)  # still visible
    low, high = pitch - 0.42, pitch + 0.42
    corners = np.stack([[start, end, end, start], [low, low, high, high]], axis=-1).swapaxes(0, 1)  # (N, 4, 2)
    bars = PolyCollection(list(corners), linewidth=0.4, edgecolor=PAPER, zorder=2)
    if len(scales.hues) > 1:
        bars.set_facecolor([scales.hues[value] for value in sequence.column("instrument").tolist()])
    elif "velocity" in scales.ranges:
        bars.set(array=sequence.column("velocity"), cmap=TOUCH, norm=Normalize(*_widen(scales.ranges["velocity"])))
    else:
        bars.set_facecolor(HUES[0])
    ax.add_collection(bars)


def _explain_colours(figure: FigureBase, axes: Sequence[Axes], scales: Scales) -> None:
    """Add a legend of instruments, or a colour bar of velocities."""
    if len(scales.hues) > 1:
        patches = {hue: Patch(color=hue, label=instrument_name(value)) for value, hue in scales.hues.items()}
        if OTHERS in patches:
            patches[OTHERS].set_label("others")
        look = {**LEGEND, "ncols": 4, "handlelength": 1, "handleheight": 1}
        figure.legend(handles=list(patches.values()), loc="outside lower center", **look)
    elif "velocity" in scales.ranges:
        mappable = ScalarMappable(Normalize(*_widen(scales.ranges["velocity"])), TOUCH)
        bar = figure.colorbar(mappable, ax=list(axes), pad=0.01, aspect=20 * len(axes), fraction=0.03)
        bar.set_label("velocity", color=FAINT, fontsize=9)
        bar.ax.tick_params(length=0, labelcolor=INK, labelsize=8)
        bar.outline.set_visible(False)


def plain(text: str) -> str:
    """Return a text that is drawn as it is; between two ``$`` matplotlib would see mathematics."""
    return text.replace("$", r"\$")


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    """A sign that the font lacks is drawn as a box."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Save a picture atomically in the format of the suffix: .png, .svg, .pdf and so on; see `check_picture`."""
    check_picture(path)
    with replacing(path) as temporary, _without_glyph_warnings():
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
    with _without_glyph_warnings():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_spreads(figure: FigureBase, columns: Sequence[ColumnDescription], across: int) -> None:
    """Draw the distribution of each column in a grid of ``across`` columns."""
    down = -(-len(columns) // across)
    grid = list(figure.subplots(down, across, squeeze=False).flat)
    features = [column.name for column in columns if column.name != TIME]
    hues = {name: HUES[lane % len(HUES)] for lane, name in enumerate(features)}  # those of the lanes of traces
    for ax, column in zip(grid, columns, strict=False):
        _draw_spread(ax, column, hues.get(column.name, FAINT))
    for ax in grid[len(columns) :]:
        ax.set_axis_off()


def _draw_spread(ax: Axes, column: ColumnDescription, hue: str) -> None:
    name = "time between events" if column.name == TIME else column.name
    _style(ax, name if len(name) <= 24 else name[:23] + "…", 7.5)
    ax.set_yticks([])
    shape = ValueHistogram.of(column, COLUMN_CATEGORIES if column.kind == "categorical" else COLUMN_BINS)
    note, look = "masked" if column.masked else "", {"align": "edge", "color": hue, "edgecolor": PAPER, "lw": 0.3}
    if shape.scale == "categories":  # the most frequent ones from the top, their names inside
        ax.barh(range(len(shape.counts)), shape.counts, 0.8, color=hue, alpha=0.45)
        for i, value in enumerate(shape.edges.tolist()):
            label = instrument_name(value) if column.name == "instrument" else f"{value:g}"
            ax.annotate(label, (0, i), (3, 0), textcoords="offset points", va="center", fontsize=7, color=INK)
        rest = (column.distinct or 0) - len(shape.counts)
        note = f"{rest:,} more" if rest > 0 else ""
        ax.set_ylim(max(len(shape.counts), 4) - 0.4, -0.6)
        ax.set_xticks([])
    elif shape.scale == "log":  # bins of equal width; the first holds 0 and is set apart
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
    ax.set_title(note, loc="right", color=FAINT, fontsize=8)
    if shape.scale != "categories":
        ax.margins(x=0.02)
