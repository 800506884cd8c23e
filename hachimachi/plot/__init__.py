"""Pictures of events: piano rolls of notes, traces of everything else, drawn without a screen or pyplot."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hachimachi.description.describe import Description, describe
from hachimachi.errors import HachimachiError, count
from hachimachi.events import EventSequence
from hachimachi.plot import canvas
from hachimachi.plot.canvas import FAINT, HUES, INK, TITLE, Scales, check_picture, plain, save, to_pixels

__all__ = ["check_picture", "compare", "distributions", "overview", "piano_roll", "save", "to_pixels", "traces"]
Data = Description | EventSequence | Iterable[EventSequence] | str | os.PathLike[str]
_SECONDS, _EVENTS = 30.0, 400  # length of the sequence in an overview, whichever is less, but at least a hundred events
_LANES, _SPREADS = 12, 40  # most features and distributions on a page


def piano_roll(sequence: EventSequence, ax: Axes | None = None, *, scales: Scales | None = None) -> Figure:
    """Draw notes as bars from key-down to key-up, coloured by instrument where there are several, else by velocity.

    Args:
        sequence: Events with time and ``pitch``, and optionally ``duration`` (else 0.1 s), ``velocity`` and
            ``instrument``.
        ax: Axes to draw on, a new figure by default.
        scales: Common scales of several pictures; see `Scales.of`.
    """
    if not canvas.is_notes(sequence):
        raise HachimachiError("a piano roll needs time and a feature named pitch; draw traces instead")
    scales = scales or Scales.of(sequence)
    if ax is None:
        figure, (ax,) = canvas.make_figure(1, 3.4)
        canvas.explain_colours(figure, [ax], scales)
    canvas.prepare(ax, sequence, scales)
    low, high = scales.ranges["pitch"]
    ax.set_ylim(low - 1.5, max(high, low + 10) + 1.5)
    canvas.draw_keys(ax)
    canvas.draw_bars(ax, sequence, scales)
    return canvas.root_of(ax)


def traces(sequence: EventSequence, ax: Axes | None = None, *, scales: Scales | None = None) -> Figure:
    """Draw each feature in its lane, over time or event numbers; numbers as steps, categories as dots.

    Axes and scales are as for :func:`piano_roll`.
    """
    features = sequence.features
    ax = ax or canvas.make_figure(1, _lanes_height(sequence))[1][0]
    scales = scales or Scales.of(sequence)
    canvas.prepare(ax, sequence, scales)
    right = ax.get_xlim()[1]
    for lane, feature in enumerate(features):
        low, high = canvas.widen(scales.ranges[feature.name])
        y = lane + 0.9 - 0.8 * (sequence.column(feature.name) - low) / (high - low)
        dots = {"linestyle": "none", "marker": "o", "markersize": 2.5}
        look = dots if feature.kind == "categorical" else {"drawstyle": "steps-post", "linewidth": 1.1}
        ax.plot(canvas.times_of(sequence), y, color=HUES[lane % len(HUES)], **look)
        for value, height in ((high, lane + 0.2), (low, lane + 0.8)):
            ax.annotate(
                f"{value:.3g}", (right, height), (4, 0), textcoords="offset points", va="center", fontsize=8, color=INK
            )
    ax.set_ylim(len(features), 0)
    ax.set_yticks(np.arange(len(features)) + 0.5, [plain(feature.name) for feature in features])
    ax.hlines(np.arange(1, len(features)), *ax.get_xlim(), color="white", linewidth=2, zorder=0)
    return canvas.root_of(ax)


def compare(
    real: EventSequence,
    generated: EventSequence,
    path: str | os.PathLike[str] | None = None,
    *,
    seconds: float | None = None,
    titles: tuple[str, str] | None = None,
) -> Figure:
    """Draw real and generated events of the same features, one above the other on the same scales.

    Args:
        real: Training data.
        generated: Generated events.
        path: File to save the picture to.
        seconds: Duration to draw of each, from its first event; all by default.
        titles: Of each.
    """
    if [feature.name for feature in real.features] != [feature.name for feature in generated.features]:
        raise HachimachiError("pictures of other features cannot be compared; expected the same names in both")
    real, generated = _beginning(real, seconds), _beginning(generated, seconds)
    notes = canvas.is_notes(real) and canvas.is_notes(generated)
    scales = Scales.of(real, generated)
    figure, axes = canvas.make_figure(2, 2.7 if notes else _lanes_height(real))
    draw: Callable[..., Figure] = piano_roll if notes else traces
    named = f"The data: {real.name}" if real.name else "The data"
    for ax, sequence, title in zip(axes, (real, generated), titles or (named, "Generated"), strict=True):
        draw(sequence, ax, scales=scales)
        ax.set_title(plain(title), **TITLE)
    axes[0].set_xlabel("")
    if notes:
        canvas.explain_colours(figure, axes, scales)
    if path is not None:
        save(figure, path)
    return figure


def overview(data: Data) -> Figure:
    """Draw data, given as to :func:`distributions`, on a page: the beginning of a sequence, and all distributions."""
    described = data if isinstance(data, Description) else describe(data)
    example = described.example
    most = min(len(_beginning(example, _SECONDS)), _EVENTS) if example.temporal else _EVENTS
    example = example[: max(most, 100)]
    notes = canvas.is_notes(example)
    shown = len(example.features) if notes else _LANES
    example = replace(example, features=example.features[:shown], data=example.data[:, :shown])
    across, down = _grid(len(described.columns))
    heights = [3.4 if notes else 0.6 + 0.42 * len(example.features), 0.2 + 1.5 * down]
    figure = Figure(figsize=(10, 0.4 + sum(heights)), facecolor="white", layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights, hspace=0.02)[:, 0]
    ax, scales = above.subplots(), Scales.of(example)
    (piano_roll if notes else traces)(example, ax, scales=scales)
    if notes:
        canvas.explain_colours(above, [ax], scales)
    title = f"first {count(len(example), 'event')}" if len(example) < described.events else "all events"
    features = len(described.columns) - example.temporal
    title += f", {len(example.features)} of {features} features" if features > len(example.features) else ""
    name = example.name or described.name
    ax.set_title(plain(f"{name}: {title}" if name else title.capitalize()), **TITLE)
    ax.set_title(described.size(), loc="right", color=FAINT, fontsize=9)
    canvas.draw_spreads(below, described.columns[:_SPREADS], across)
    return figure


def distributions(data: Data) -> Figure:
    """Draw the distribution of every column of data, the time between events first.

    The data are a description, or what `describe` takes: a file or a folder, sequences.
    """
    described = data if isinstance(data, Description) else describe(data)
    across, down = _grid(len(described.columns))
    figure = Figure(figsize=(10, 0.2 + 1.6 * down), facecolor="white", layout="constrained")
    canvas.draw_spreads(figure, described.columns[:_SPREADS], across)
    return figure


def _beginning(sequence: EventSequence, seconds: float | None) -> EventSequence:
    if seconds is None or sequence.time is None:
        return sequence
    return sequence[: int(np.searchsorted(sequence.time, canvas.start_of(sequence) + seconds, side="right"))]


def _lanes_height(sequence: EventSequence) -> float:
    return max(1.6, 0.7 * len(sequence.features))


def _grid(columns: int) -> tuple[int, int]:
    """Return columns, at most five, and rows of a grid of distributions, as full as possible."""
    shown = min(columns, _SPREADS)
    down = -(-shown // 5)
    return max(-(-shown // down), 2), down
