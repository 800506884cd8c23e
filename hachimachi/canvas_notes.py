"""Notes in pictures: the keys of a piano roll, bars, and what their colours mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import FigureBase
from matplotlib.patches import Patch

from hachimachi.canvas import FAINT, HUES, INK, OTHERS, PAPER, SHADE, TOUCH, Scales, ends_of, times_of, widen
from hachimachi.events import EventSequence
from hachimachi.io.instruments import instrument_name

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
            ScalarMappable(_norm(scales), TOUCH), ax=list(axes), pad=0.01, aspect=20 * len(axes), fraction=0.03
        )
        bar.set_label("velocity", color=FAINT, fontsize=9)
        bar.ax.tick_params(length=0, labelcolor=INK, labelsize=8)
        bar.outline.set_visible(False)


def _norm(scales: Scales) -> Normalize:
    return Normalize(*widen(scales.ranges["velocity"]))
