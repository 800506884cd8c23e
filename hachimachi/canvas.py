"""What pictures of events have in common: colours, paper, scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hachimachi.events import EventSequence

INK, FAINT, PAPER, SHADE = "#2e3440", "#8a8f99", "#fbfaf7", "#f1efe9"
TOUCH = LinearSegmentedColormap.from_list("touch", ["#f2b880", "#e07a5f", "#a23e6b", "#3d2c5e"])
"""Colours from soft to loud."""
HUES = ("#3d5a80", "#e07a5f", "#81a88d", "#b56576", "#e9b44c", "#6d597a", "#5fa8b8", "#9c8f7a")
OTHERS = "#c4c4c4"
"""Colour of the instruments that are rarer than there are hues."""


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
