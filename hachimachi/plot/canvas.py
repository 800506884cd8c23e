"""Colours, scales and axes of pictures of events, the bars of notes, and the saving of figures."""

from __future__ import annotations

import os
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
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.atomic import check_file, replacing
from hachimachi.io.midi import instrument_name

INK, FAINT, PAPER, SHADE = "#2e3440", "#8a8f99", "#fbfaf7", "#f1efe9"
TOUCH = LinearSegmentedColormap.from_list("touch", ["#f2b880", "#e07a5f", "#a23e6b", "#3d2c5e"])
"""Colours from soft to loud."""
HUES = ("#3d5a80", "#e07a5f", "#81a88d", "#b56576", "#e9b44c", "#6d597a", "#5fa8b8", "#9c8f7a")
OTHERS = "#c4c4c4"
"""Colour of the instruments that are rarer than there are hues."""
TITLE: dict[str, Any] = {"loc": "left", "color": INK, "fontsize": 11, "fontweight": "bold"}


@dataclass(frozen=True)
class Scales:
    """What pictures share so that they can be compared.

    Args:
        length: Seconds from left to right, or events where there is no time.
        ranges: Lowest and highest value of each feature.
        hues: Colour of each instrument, most frequent first.
    """

    length: float
    ranges: dict[str, tuple[float, float]]
    hues: dict[float, str]

    @staticmethod
    def of(*sequences: EventSequence) -> Scales:
        """Return the scales that hold all of some sequences with the same features."""
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
    """Return a figure of rows of one height in inches, made without pyplot, and its axes from the top."""
    figure = Figure(figsize=(10, 0.6 + rows * height), facecolor="white", layout="constrained")
    return figure, list(figure.subplots(rows, 1, squeeze=False)[:, 0])


def root_of(ax: Axes) -> Figure:
    """Return the figure that axes are in, directly or in a part of it."""
    figure = ax.figure
    return figure if isinstance(figure, Figure) else figure.figure  # pyright: ignore[reportReturnType]


def prepare(ax: Axes, sequence: EventSequence, scales: Scales) -> None:
    """Lay out paper and the axis of time, from the first event on."""
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
    """Give a feature that never changes a range to be drawn in the middle of."""
    low, high = limits
    return limits if low < high else (low - 1, high + 1)


def times_of(sequence: EventSequence) -> NDArray[np.float64]:
    """Return where each event stands: its time, or its number counted from 1."""
    return np.arange(1.0, len(sequence) + 1) if sequence.time is None else sequence.time


def start_of(sequence: EventSequence) -> float:
    """Return where the first event stands."""
    return float(times_of(sequence)[0]) if len(sequence) else 0.0


def ends_of(sequence: EventSequence) -> NDArray[np.float64]:
    """Return when each event is over; a note without a duration lasts 0.1 s, any other event no time."""
    if any(feature.name == "duration" for feature in sequence.features) and is_notes(sequence):
        return times_of(sequence) + sequence.column("duration")
    return times_of(sequence) + (0.1 if is_notes(sequence) else 0.0)


_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_BLACK = (1, 3, 6, 8, 10)


def draw_keys(ax: Axes) -> None:
    """Shade the rows of black keys, draw a line below each C, and name keys: the Cs, or more in a small range."""
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
    end = np.maximum(ends_of(sequence), start + scales.length / 500)  # the shortest is still seen
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
    """Say what the colours of notes mean: a legend of instruments, or a bar of velocities."""
    if len(scales.hues) > 1:
        patches = {hue: Patch(color=hue, label=instrument_name(value)) for value, hue in scales.hues.items()}
        if OTHERS in patches:
            patches[OTHERS].set_label("others")
        look: dict[str, Any] = {
            "frameon": False,
            "fontsize": 8,
            "labelcolor": INK,
            "handlelength": 1,
            "handleheight": 1,
        }
        figure.legend(handles=list(patches.values()), loc="outside lower center", ncols=4, **look)
    elif "velocity" in scales.ranges:
        mappable = ScalarMappable(_norm(scales), TOUCH)
        bar = figure.colorbar(mappable, ax=list(axes), pad=0.01, aspect=20 * len(axes), fraction=0.03)
        bar.set_label("velocity", color=FAINT, fontsize=9)
        bar.ax.tick_params(length=0, labelcolor=INK, labelsize=8)
        bar.outline.set_visible(False)


def _norm(scales: Scales) -> Normalize:
    return Normalize(*widen(scales.ranges["velocity"]))


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Save a picture, whole or not at all, in the format of the suffix: .png, .svg, .pdf and so on.

    Raises:
        HachimachiError: A suffix that is no picture's, or a file that cannot be written.
    """
    check_picture(path)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix.lower().removeprefix("."), dpi=160)


def check_picture(path: str | os.PathLike[str]) -> None:
    """Refuse, before any work is done, a name that is not a picture's, or where nothing can be written.

    Raises:
        HachimachiError: A suffix that names no kind of picture, or no place to write.
    """
    if Path(path).suffix.lower().removeprefix(".") not in FigureCanvasBase.get_supported_filetypes():
        raise HachimachiError(f"{path}: not a picture's name; expected it to end in .png, .svg or .pdf")
    check_file(path)


def to_pixels(figure: Figure, dpi: float = 60) -> NDArray[np.uint8]:
    """Return a picture as red, green and blue, shape (height, width, 3)."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
