"""The summary of a sweep: on the screen, as a table and a picture in its folder, and the best model."""

from __future__ import annotations

import csv
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hachimachi.errors import HachimachiError, count
from hachimachi.io.atomic import replacing
from hachimachi.models.backbones import NAMES
from hachimachi.plot.canvas import FAINT, HUES, INK, PAPER, plain
from hachimachi.training.sweep.results import MODEL, Job, group_by_seed, keys_of, read_jobs

TABLE, PICTURE = "scores.csv", "scores.png"
MOST = 40  # jobs on the screen; the table in the folder has all
_LONG = re.compile(r"-?\d*\.\d{5,}(e[+-]?\d+)?")


def report(folder: Path, output: Path | None = None, *, interrupted: bool = False) -> None:
    """Print the jobs of a sweep, best first, leave a table and a picture in its folder, copy the best model. Raises
    `HachimachiError`: A job failed, or the best model is to be copied and no job has a score.
    """
    jobs = read_jobs(folder)
    console = Console(highlight=False)
    console.width = min(console.width, 80)
    if jobs:
        _print(console, jobs)
        _write_files(folder, jobs)
    ended = sum(job.state in ("", "pruned") for job in jobs)
    if interrupted:
        console.print(f"Stopped; kept: {count(ended, 'finished job')} in", end=" ", markup=False)
        console.print(str(folder), markup=False, soft_wrap=True)
    kept = (job for job in jobs if job.state in ("", "pruned") and math.isfinite(job.score))
    best = next((job for job in kept if (job.folder / MODEL).is_file()), None)
    if output and best:
        with replacing(output) as beside:
            shutil.copyfile(best.folder / MODEL, beside)
        print(f"{output}: the best model, from {best.folder}")
    elif best:
        print(f"Best: {best.folder / MODEL}")
    failed = [job for job in jobs if job.state == "failed"]
    if failed and failed[0].ended:
        raise HachimachiError(f"{len(failed)} of {len(jobs)} jobs failed: {failed[0].ended.error}")
    if output and not best and not interrupted:
        raise HachimachiError(f"{output}: not written, for no job in {folder} has a score to choose it by")


def round_text(value: str) -> str:
    """Return a number with three digits if it has many, any other value as it is.

    >>> round_text("0.0034872364872"), round_text("gru")
    ('0.00349', 'gru')
    """
    return f"{float(value):.3g}" if _LONG.fullmatch(value) else value


def _print(console: Console, jobs: Sequence[Job]) -> None:
    scores = ["–" if math.isnan(job.score) else f"{job.score:.4f}" for job in jobs[:MOST]]
    columns: dict[str, list[Any]] = {"job": [Text(job.name) for job in jobs[:MOST]], "nats/event": scores}
    if any(job.state for job in jobs[:MOST]):
        columns[""] = [job.state for job in jobs[:MOST]]
    console.print(_table(columns, [job.values for job in jobs[:MOST]]))
    if len(jobs) > MOST:
        console.print(f"and {len(jobs) - MOST} more in {TABLE}")
    groups = group_by_seed(jobs)
    if len(groups) == 1 and not groups[0].values:
        seeds = count(len(groups[0].scores), "seed")
        console.print(f"{groups[0]} nats per event over {seeds} (mean ± standard deviation)", markup=False)
    elif groups:
        console.print("\nOver seeds (mean ± standard deviation):")
        shown = groups[:MOST]
        columns = {"nats/event": list(map(str, shown)), "seeds": [str(len(group.scores)) for group in shown]}
        console.print(_table(columns, [group.values for group in groups]))
    for job in jobs:
        if job.ended and job.ended.error:
            console.print(f"job {job.name} failed: {job.ended.error}", style="yellow", markup=False, soft_wrap=True)


def _table(columns: Mapping[str, Sequence[Any]], values: Sequence[Mapping[str, str]]) -> Table:
    """Return a table of columns and, after them, one for each key, by its last part: `lr` for `optimizer.lr`."""
    keys = list(dict.fromkeys(key for each in values for key in each))
    last = [key.rpartition(".")[2] for key in keys]
    heads = [end if last.count(end) == 1 and end not in keys else key for key, end in zip(keys, last, strict=True)]
    table = Table(*columns, *heads, box=None, pad_edge=False, header_style="bold")
    for row, each in zip(zip(*columns.values(), strict=True), values, strict=False):
        table.add_row(*row, *(Text(round_text(each.get(key, "")), overflow="fold") for key in keys))
    return table


def _write_files(folder: Path, jobs: Sequence[Job]) -> None:
    from hachimachi.plot import save

    keys = keys_of(jobs)
    with replacing(folder / TABLE) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["job", "nats", "state", "marginal", "seconds", *keys])
        for job in jobs:
            ended = (job.ended.marginal, job.ended.seconds) if job.ended else (None, None)
            score = "" if math.isnan(job.score) else job.score
            values = (job.values.get(key, "") for key in keys)
            rows.writerow([job.name, score, job.state or "finished", *ended, *values])
    if picture := draw_sweep(jobs):
        save(picture, folder / PICTURE)
        print(f"{folder / TABLE}, {PICTURE}: all scores, as a table and as a picture")


ACROSS = 3  # panels in a row
SPREAD = 0.12  # how far apart dots of one choice may lie, in the width of a choice
MANY = 12  # from this many choices on a key that is no number is not drawn
BEST, PRUNED = HUES[1], "#b9bec7"


def draw_sweep(jobs: Sequence[Job]) -> Figure | None:
    """Draw held-out nats per event of jobs, best first, by step and by each key that varies; nothing without scores."""
    scored = [job for job in jobs if math.isfinite(job.score)]
    if not scored:
        return None
    keys = []
    for key in keys_of(jobs):
        values = [job.values.get(key, "") for job in scored]
        if len(set(values)) > 1 and (len(set(values)) < MANY or _numbers(values) is not None):
            keys.append(key)
    across = 2 if len(keys) == 4 else max(1, min(ACROSS, len(keys)))
    rows = math.ceil(len(keys) / across)
    figure = Figure(figsize=(10, 3.6 + 2.8 * rows), facecolor="white", layout="constrained")
    grid = figure.add_gridspec(1 + rows, across, height_ratios=[1.25] + [1] * rows)
    limits = _limits(scored)
    _draw_curves(_style(figure.add_subplot(grid[0, :]), limits), scored)
    for i, key in enumerate(keys):
        ax = _style(figure.add_subplot(grid[1 + i // across, i % across]), limits)
        _draw_key(ax, key, scored)
        if i % across == 0:
            ax.set_ylabel("nats per event", color=FAINT, fontsize=9)
    best = " ".join(f"{key}={_short(value)}" for key, value in scored[0].values.items())
    label = f"best: job {scored[0].name}, {scored[0].score:.2f}" + (f" ({best})" if len(best) < 90 else "")
    marks = [(BEST, "o", plain(label)), (HUES[0], "o", "finished")]
    marks += [(PRUNED, "x", "ended early")] if any(job.state for job in scored) else []
    handles = [Line2D([], [], color=hue, marker=marker, linestyle="none", label=label) for hue, marker, label in marks]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8, labelcolor=INK)
    return figure


def _limits(jobs: Sequence[Job]) -> tuple[float, float]:
    """Return the range of scores that is shown, without outliers: one that diverged would hide the others."""
    scores = np.array([job.score for job in jobs])
    best, usual = scores.min(), np.median(scores)
    marginals = [job.ended.marginal for job in jobs if job.ended and job.ended.marginal]
    worst = min(scores.max(), best + 6 * max(usual - best, 0.05))
    spread = max(worst - best, 0.1)
    top = worst + 0.15 * spread
    if marginals and top < marginals[0] < worst + spread:
        top = marginals[0] + 0.1 * spread
    return float(best - 0.15 * spread), float(top)


def _style(ax: Axes, limits: tuple[float, float]) -> Axes:
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
    for i, job in reversed(list(enumerate(jobs))):
        if job.curve:
            step, nats = zip(*job.curve, strict=True)
            ax.plot(step, nats, color=_hue(job, i), linewidth=1.0 if i else 2.2, alpha=0.7 if i else 1)
            ax.plot(step[-1:], nats[-1:], color=_hue(job, i), marker="x" if job.state else "o", markersize=4)
    ax.set_xlim(left=0)


def _draw_key(ax: Axes, key: str, jobs: Sequence[Job]) -> None:
    ax.set_title(plain(key), loc="left", color=INK, fontsize=10, fontweight="bold")
    values = [job.values.get(key, "–") for job in jobs]
    numbers = _numbers(values)
    scores = np.array([job.score for job in jobs])
    if numbers is not None and len(set(values)) > 5:
        xs = numbers
        if numbers.min() > 0 and numbers.max() / numbers.min() >= 8:
            ax.set_xscale("log")
    else:
        if numbers is not None:
            choices = sorted(set(values), key=float)
        else:  # sizes in their order, others by the alphabet
            choices = sorted(
                set(values), key=lambda value: (NAMES.index(value) if value in NAMES else len(NAMES), value)
            )
        xs = np.array([float(choices.index(value)) for value in values])
        ax.set_xticks(range(len(choices)), [plain(_short(choice)) for choice in choices])
        ax.set_xlim(-0.6, len(choices) - 0.4)
        finished = np.array([not job.state for job in jobs])
        for i in range(len(choices)):
            of_choice = scores[(xs == i) & finished]
            if len(of_choice) > 1:
                ax.hlines(of_choice.mean(), i - 0.28, i + 0.28, color=INK, linewidth=1.4, zorder=2)
        aside = np.zeros(len(xs))  # so that no dot of a choice hides another
        for x in np.unique(xs):
            dots = np.flatnonzero(xs == x)
            aside[dots] = np.linspace(-SPREAD, SPREAD, len(dots)) if len(dots) > 1 else 0.0
        xs = xs + aside
    low, high = ax.get_ylim()
    for i in reversed(range(len(jobs))):
        job, off = jobs[i], jobs[i].score > high
        marker = "^" if off else "x" if job.state else "o"
        size, alpha, layer = (6, 0.85, 3) if i else (9, 1.0, 4)
        y = high - 0.03 * (high - low) if off else job.score
        ax.plot([xs[i]], [y], marker, color=_hue(job, i), markersize=size, alpha=alpha, zorder=layer)


def _hue(job: Job, i: int) -> str:
    return BEST if i == 0 else PRUNED if job.state else HUES[0]


def _numbers(values: Sequence[str]) -> np.ndarray | None:
    try:
        return np.array([float(value) for value in values])
    except ValueError:
        return None


def _short(text: str) -> str:
    number = _numbers([text])
    return f"{number[0]:.3g}" if number is not None else text if len(text) <= 14 else f"{text[:13]}…"
