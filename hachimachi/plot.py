"""Pictures of events: piano rolls of notes, traces of everything else. They need no screen and no pyplot."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.atomic import replacing

INK, FAINT, PAPER, SHADE = "#2e3440", "#8a8f99", "#fbfaf7", "#f1efe9"
TOUCH = LinearSegmentedColormap.from_list("touch", ["#f2b880", "#e07a5f", "#a23e6b", "#3d2c5e"])
"""Colours from soft to loud."""
HUES = ("#3d5a80", "#e07a5f", "#81a88d", "#b56576", "#e9b44c", "#6d597a", "#5fa8b8", "#9c8f7a")
OTHERS = "#c4c4c4"
"""Colour of the instruments that are rarer than there are hues."""
_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_BLACK = (1, 3, 6, 8, 10)


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
        length = max(float(np.max(_ends(sequence) - _start(sequence), initial=0)) for sequence in sequences)
        values, counts = np.unique(columns.get("instrument", []), return_counts=True)
        frequent = values[np.argsort(-counts, kind="stable")].tolist()
        hues = {value: HUES[i] if i < len(HUES) else OTHERS for i, value in enumerate(frequent)}
        return Scales(length or 1.0, ranges, hues)


def piano_roll(sequence: EventSequence, ax: Axes | None = None, *, scales: Scales | None = None) -> Figure:
    """Draw notes as bars from key-down to key-up, coloured by instrument where there are several, else by velocity.

    Args:
        sequence: Events with time and a feature ``pitch``; ``duration`` (0.1 s without it), ``velocity`` and
            ``instrument`` are shown where they are there.
        ax: Where to draw, a new figure by default.
        scales: Those of several pictures to be compared; see `Scales.of`.

    Returns:
        The figure, which notebooks show.

    Raises:
        HachimachiError: No time, or no pitch.
    """
    if not is_notes(sequence):
        raise HachimachiError("a piano roll needs time and a feature named pitch; draw traces instead")
    ax = ax or _figure(1, 3.6)[1][0]
    scales = scales or Scales.of(sequence)
    low, high = scales.ranges["pitch"]
    _style(ax, sequence, scales, margin=0.01)
    ax.set_ylim(min(low, high - 10) - 1.5, high + 1.5)
    _draw_keys(ax)
    bars = _bars(sequence, scales.length / 600)
    if len(scales.hues) > 1:
        bars.set_facecolor([scales.hues[value] for value in sequence.column("instrument").tolist()])
        _name_instruments(ax, scales)
    elif "velocity" in scales.ranges:
        bars.set(array=sequence.column("velocity"), cmap=TOUCH, norm=Normalize(*_widen(scales.ranges["velocity"])))
    ax.add_collection(bars)
    return _root(ax)


def traces(sequence: EventSequence, ax: Axes | None = None, *, scales: Scales | None = None) -> Figure:
    """Draw each feature in a lane of its own, over time or over the number of the event.

    Numbers hold until the next event; categories are dots.

    Args:
        sequence: Any events.
        ax: Where to draw, a new figure by default.
        scales: Those of several pictures to be compared; see `Scales.of`.

    Returns:
        The figure, which notebooks show.
    """
    features = sequence.features
    ax = ax or _figure(1, _lanes_height(sequence))[1][0]
    scales = scales or Scales.of(sequence)
    _style(ax, sequence, scales, margin=0.01)
    right = ax.get_xlim()[1]
    for lane, feature in enumerate(features):
        low, high = _widen(scales.ranges[feature.name])
        y = lane + 0.9 - 0.8 * (sequence.column(feature.name) - low) / (high - low)
        dots = {"linestyle": "none", "marker": "o", "markersize": 2.5}
        look = dots if feature.kind == "categorical" else {"drawstyle": "steps-post", "linewidth": 1.1}
        ax.plot(_times(sequence), y, color=HUES[lane % len(HUES)], **look)
        for value, height in ((high, lane + 0.1), (low, lane + 0.9)):
            ax.annotate(f"{value:.4g}", (right, height), (4, 0), textcoords="offset points", **_SMALL)
    ax.set_ylim(len(features), 0)
    ax.set_yticks(np.arange(len(features)) + 0.5, [feature.name for feature in features])
    ax.hlines(np.arange(1, len(features)), *ax.get_xlim(), color="white", linewidth=2, zorder=0)
    return _root(ax)


def compare(real: EventSequence, generated: EventSequence, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw data and what a model made of it, one above the other on the same scales.

    Args:
        real: What was learned from.
        generated: What came out, with the same features.
        path: A file to save the picture to as well.

    Raises:
        HachimachiError: Other features, or a file that cannot be written.
    """
    if [feature.name for feature in real.features] != [feature.name for feature in generated.features]:
        raise HachimachiError("pictures of other features cannot be compared; expected the same names in both")
    notes = is_notes(real) and is_notes(generated)
    scales = Scales.of(real, generated)
    figure, axes = _figure(2, 2.7 if notes else _lanes_height(real))
    draw: Callable[..., Figure] = piano_roll if notes else traces
    titles = f"The data: {real.name}" if real.name else "The data", "Generated"
    for ax, sequence, title in zip(axes, (real, generated), titles, strict=True):
        draw(sequence, ax, scales=scales)
        ax.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    axes[0].set_xlabel("")
    if notes and "velocity" in scales.ranges and len(scales.hues) < 2:
        _explain_touch(figure, axes)
    if path is not None:
        save(figure, path)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Save a picture whole or not at all; the suffix says how: .png, .svg, .pdf and so on.

    Raises:
        HachimachiError: A suffix that is no picture's, or a file that cannot be written.
    """
    suffix, known = Path(path).suffix.lower().removeprefix("."), figure.canvas.get_supported_filetypes()
    if suffix not in known:
        raise HachimachiError(f"{path}: not a picture's name; expected it to end in .png, .svg or .pdf")
    with replacing(path) as beside:
        figure.savefig(beside, format=suffix, dpi=160)


def is_notes(sequence: EventSequence) -> bool:
    """Return whether a sequence can be drawn as a piano roll."""
    return sequence.temporal and any(feature.name == "pitch" for feature in sequence.features)
