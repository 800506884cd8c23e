"""A picture of a sweep: how its jobs went, and what they came to by each key that was varied."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hachimachi.plot.canvas import FAINT, HUES, INK, PAPER
from hachimachi.training.sweep.results import Job, keys_of

ACROSS = 3
"""Panels in a row."""
SPREAD = 0.12
"""How far apart dots of one choice may lie, in the width of a choice."""
MANY = 12
"""From this many choices on a key that is no number says too little to be drawn."""
BEST, PRUNED = HUES[1], "#b9bec7"


def draw(jobs: Sequence[Job]) -> Figure | None:
    """Draw held-out nats per event over steps, and below by each key that was varied; nothing without scores.

    Args:
        jobs: Best first.
    """
    scored = [job for job in jobs if math.isfinite(job.score)]
    if not scored:
        return None
    keys = [key for key in keys_of(jobs) if _is_telling([job.values.get(key, "") for job in scored])]
    across = 2 if len(keys) == 4 else max(1, min(ACROSS, len(keys)))
    rows = math.ceil(len(keys) / across)
    figure = Figure(figsize=(10, 3.6 + 2.8 * rows), facecolor="white", layout="constrained")
    grid = figure.add_gridspec(1 + rows, across, height_ratios=[1.25] + [1] * rows)
    limits = _limits(scored)
    _draw_curves(_paper(figure.add_subplot(grid[0, :]), limits), scored)
    for place, key in enumerate(keys):
        ax = _paper(figure.add_subplot(grid[1 + place // across, place % across]), limits)
        _draw_key(ax, key, scored)
        if place % across == 0:
            ax.set_ylabel("nats per event", color=FAINT, fontsize=9)
    _explain(figure, scored)
    return figure


def _is_telling(values: Sequence[str]) -> bool:
    """Return whether a key has more than one value, and few enough or numbers."""
    return len(set(values)) > 1 and (len(set(values)) < MANY or _numbers(values) is not None)


def _limits(jobs: Sequence[Job]) -> tuple[float, float]:
    """Return what is shown of the scores: all that is not far off, for one that diverged hides the others."""
    scores = np.array([job.score for job in jobs])
    best, usual = scores.min(), np.median(scores)
    marginals = [job.ended.marginal for job in jobs if job.ended and job.ended.marginal]
    worst = min(scores.max(), best + 6 * max(usual - best, 0.05))
    spread = max(worst - best, 0.1)
    top = worst + 0.15 * spread
    if marginals and top < marginals[0] < worst + spread:
        top = marginals[0] + 0.1 * spread
    return float(best - 0.15 * spread), float(top)


def _paper(ax: Axes, limits: tuple[float, float]) -> Axes:
    ax.set_facecolor(PAPER)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, colors=FAINT, labelcolor=INK, labelsize=9)
    ax.grid(axis="y", color="white", linewidth=1.2)
    ax.set_axisbelow(True)
    ax.set_ylim(*limits)
    return ax


def _draw_curves(ax: Axes, jobs: Sequence[Job]) -> None:
    ax.set_title("Held out, by step", loc="left", color=INK, fontsize=11, fontweight="bold")
    ax.set_ylabel("nats per event", color=FAINT, fontsize=9)
    marginal = next((job.ended.marginal for job in jobs if job.ended and job.ended.marginal), None)
    low, high = ax.get_ylim()
    tops = [max(nats for _, nats in job.curve) for job in jobs if job.curve]
    ax.set_ylim(low, max(high, min(max(tops, default=high), high + 1.0 * (high - low))))
    if marginal and low < marginal < ax.get_ylim()[1]:
        ax.axhline(marginal, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate("marginal baseline", (1, marginal), (-4, 3), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", fontsize=8, color=FAINT)  # fmt: skip
    for place, job in reversed(list(enumerate(jobs))):
        if job.curve:
            step, nats = zip(*job.curve, strict=True)
            width = 2.2 if place == 0 else 1.0
            ax.plot(step, nats, color=_hue(job, place), linewidth=width, alpha=1 if place == 0 else 0.7)
            ax.plot(step[-1:], nats[-1:], color=_hue(job, place), marker="x" if job.state else "o", markersize=4)
    ax.set_xlim(left=0)


def _draw_key(ax: Axes, key: str, jobs: Sequence[Job]) -> None:
    ax.set_title(key, loc="left", color=INK, fontsize=10, fontweight="bold")
    values = [job.values.get(key, "–") for job in jobs]
    numbers = _numbers(values)
    scores = np.array([job.score for job in jobs])
    if numbers is not None and len(set(values)) > 5:
        places = numbers
        if numbers.min() > 0 and numbers.max() / numbers.min() >= 8:
            ax.set_xscale("log")
    else:
        choices = _in_order(values)
        places = np.array([float(choices.index(value)) for value in values])
        ax.set_xticks(range(len(choices)), [_short(choice) for choice in choices])
        ax.set_xlim(-0.6, len(choices) - 0.4)
        for place in range(len(choices)):
            there = scores[(places == place) & np.array([not job.state for job in jobs])]
            if len(there) > 1:
                ax.hlines(there.mean(), place - 0.28, place + 0.28, color=INK, linewidth=1.4, zorder=2)
        places = places + _aside(places)
    for place in reversed(range(len(jobs))):
        _dot(ax, places[place], jobs[place], place)


def _dot(ax: Axes, x: float, job: Job, place: int) -> None:
    low, high = ax.get_ylim()
    hue, off = _hue(job, place), job.score > high
    marker = "^" if off else "x" if job.state else "o"
    size, alpha, layer = (9, 1.0, 4) if place == 0 else (6, 0.85, 3)
    y = high - 0.03 * (high - low) if off else job.score
    ax.plot([x], [y], marker, color=hue, markersize=size, alpha=alpha, zorder=layer)


def _hue(job: Job, place: int) -> str:
    return BEST if place == 0 else PRUNED if job.state else HUES[0]


def _numbers(values: Sequence[str]) -> np.ndarray | None:
    try:
        return np.array([float(value) for value in values])
    except ValueError:
        return None


def _in_order(values: Sequence[str]) -> list[str]:
    """Return the choices: numbers by size, names of sizes by what they say, others by the alphabet."""
    from hachimachi.models.sizes import NAMES

    choices = set(values)
    if _numbers(values) is not None:
        return sorted(choices, key=float)
    return sorted(choices, key=lambda value: (NAMES.index(value) if value in NAMES else len(NAMES), value))


def _aside(places: np.ndarray) -> np.ndarray:
    """Return how far each dot of a choice stands aside, that none hides another."""
    aside = np.zeros(len(places))
    for place in np.unique(places):
        there = np.flatnonzero(places == place)
        aside[there] = np.linspace(-SPREAD, SPREAD, len(there)) if len(there) > 1 else 0.0
    return aside


def _short(text: str) -> str:
    number = _numbers([text])
    return f"{number[0]:.3g}" if number is not None else text if len(text) <= 14 else f"{text[:13]}…"


def _explain(figure: Figure, jobs: Sequence[Job]) -> None:
    """Say what dots and crosses are."""
    best = " ".join(f"{key}={_short(value)}" for key, value in jobs[0].values.items())
    marks = [(BEST, "o", f"best: job {jobs[0].name}, {jobs[0].score:.2f}" + (f" ({best})" if len(best) < 90 else ""))]
    marks += [(HUES[0], "o", "finished")]
    marks += [(PRUNED, "x", "ended early")] if any(job.state for job in jobs) else []
    handles = [Line2D([], [], color=hue, marker=marker, linestyle="none", label=label) for hue, marker, label in marks]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8, labelcolor=INK)
