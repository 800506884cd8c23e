"""Pictures of events: piano rolls of notes, traces of everything else. They need no screen and no pyplot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from hachimachi.canvas import (
    FAINT,
    HUES,
    INK,
    OTHERS,
    PAPER,
    SHADE,
    TOUCH,
    Scales,
    ends_of,
    is_notes,
    make_figure,
    prepare,
    root_of,
    start_of,
    times_of,
    widen,
)
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.atomic import replacing

_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_BLACK = (1, 3, 6, 8, 10)


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
    scales = scales or Scales.of(sequence)
    if ax is None:
        figure, (ax,) = make_figure(1, 3.4)
        _explain(figure, [ax], scales)
    prepare(ax, sequence, scales)
    low, high = scales.ranges["pitch"]
    ax.set_ylim(low - 1.5, max(high, low + 10) + 1.5)
    _draw_keys(ax)
    _draw_bars(ax, sequence, scales)
    return root_of(ax)


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
    ax = ax or make_figure(1, _lanes_height(sequence))[1][0]
    scales = scales or Scales.of(sequence)
    prepare(ax, sequence, scales)
    right = ax.get_xlim()[1]
    for lane, feature in enumerate(features):
        low, high = widen(scales.ranges[feature.name])
        y = lane + 0.9 - 0.8 * (sequence.column(feature.name) - low) / (high - low)
        dots = {"linestyle": "none", "marker": "o", "markersize": 2.5}
        look = dots if feature.kind == "categorical" else {"drawstyle": "steps-post", "linewidth": 1.1}
        ax.plot(times_of(sequence), y, color=HUES[lane % len(HUES)], **look)
        for value, height in ((high, lane + 0.2), (low, lane + 0.8)):
            ax.annotate(
                f"{value:.3g}", (right, height), (4, 0), textcoords="offset points", va="center", fontsize=8, color=INK
            )
    ax.set_ylim(len(features), 0)
    ax.set_yticks(np.arange(len(features)) + 0.5, [feature.name for feature in features])
    ax.hlines(np.arange(1, len(features)), *ax.get_xlim(), color="white", linewidth=2, zorder=0)
    return root_of(ax)


def compare(
    real: EventSequence,
    generated: EventSequence,
    path: str | os.PathLike[str] | None = None,
    *,
    seconds: float | None = None,
    titles: tuple[str, str] | None = None,
) -> Figure:
    """Draw data and what was made of it, one above the other on the same scales.

    Args:
        real: What was learned from.
        generated: What came out, with the same features.
        path: A file to save the picture to as well.
        seconds: How much of each to draw, from its first event; all by default.
        titles: What each is called.

    Raises:
        HachimachiError: Other features, or a file that cannot be written.
    """
    if [feature.name for feature in real.features] != [feature.name for feature in generated.features]:
        raise HachimachiError("pictures of other features cannot be compared; expected the same names in both")
    real, generated = _beginning(real, seconds), _beginning(generated, seconds)
    notes = is_notes(real) and is_notes(generated)
    scales = Scales.of(real, generated)
    figure, axes = make_figure(2, 2.7 if notes else _lanes_height(real))
    draw: Callable[..., Figure] = piano_roll if notes else traces
    named = f"The data: {real.name}" if real.name else "The data"
    for ax, sequence, title in zip(axes, (real, generated), titles or (named, "Generated"), strict=True):
        draw(sequence, ax, scales=scales)
        ax.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    axes[0].set_xlabel("")
    if notes:
        _explain(figure, axes, scales)
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


def to_pixels(figure: Figure, dpi: float = 60) -> NDArray[np.uint8]:
    """Return a picture as red, green and blue, shape (height, width, 3)."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _beginning(sequence: EventSequence, seconds: float | None) -> EventSequence:
    if seconds is None or sequence.time is None:
        return sequence
    return sequence[: int(np.searchsorted(sequence.time, start_of(sequence) + seconds, side="right"))]


def _lanes_height(sequence: EventSequence) -> float:
    return max(1.6, 0.7 * len(sequence.features))


def _draw_keys(ax: Axes) -> None:
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


def _draw_bars(ax: Axes, sequence: EventSequence, scales: Scales) -> None:
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


def _explain(figure: Figure, axes: list[Axes], scales: Scales) -> None:
    """Say what the colours of notes mean: a legend of instruments, or a bar of velocities."""
    if len(scales.hues) > 1:
        patches = {hue: Patch(color=hue, label=_instrument(value)) for value, hue in scales.hues.items()}
        if OTHERS in patches:
            patches[OTHERS].set_label("others")
        figure.legend(
            handles=list(patches.values()),
            loc="outside lower center",
            ncols=4,
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            handlelength=1,
            handleheight=1,
        )
    elif "velocity" in scales.ranges:
        bar = figure.colorbar(
            ScalarMappable(_norm(scales), TOUCH), ax=axes, pad=0.01, aspect=20 * len(axes), fraction=0.03
        )
        bar.set_label("velocity", color=FAINT, fontsize=9)
        bar.ax.tick_params(length=0, labelcolor=INK, labelsize=8)
        bar.outline.set_visible(False)


def _instrument(program: float) -> str:
    from pretty_midi import program_to_instrument_name

    if program == 128:
        return "Drums"
    return program_to_instrument_name(int(program)) if program in range(128) else f"{program:g}"


def _norm(scales: Scales) -> Normalize:
    return Normalize(*widen(scales.ranges["velocity"]))
