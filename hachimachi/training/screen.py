"""What a training run says before and after."""

from __future__ import annotations

import math
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from hachimachi.grid import Categories, Column
from hachimachi.models.event_model import EventModel
from hachimachi.training.data import EventDataModule

SMALL = 50
"""Under this many events a model can learn little; it is said."""


def introduce(console: Console, cfg: DictConfig, data: EventDataModule, model: EventModel, minutes: float) -> None:
    """Say what is learned from, what is foretold, by what, and for how long at most."""
    held = sum(len(sequence) for sequence in data.valid)
    events = data.events + held
    console.print(f"{cfg.dataset.path}: {events:,} events, {_held_out(data, held)}")
    if events < SMALL:
        console.print(f"[yellow]Only {events} events: expect little of this model; a few hundred are a start[/yellow]")
    console.print(_columns(model))
    weights = sum(weight.numel() for weight in model.parameters())
    limit = f"{minutes:.0f} minutes" if minutes >= 2 else f"{minutes * 60:.0f} s"
    parts = f"{cfg.model.name} {cfg.model.layers} × {cfg.model.size}, {cfg.head.name} head, {weights:,} weights"
    console.print(f"{parts}; at most about {limit}, Ctrl-C keeps the best")


def conclude(console: Console, path: Path, folder: Path, score: float, marginal: float, interrupted: bool) -> None:
    """Say what came out and what to do with it."""
    if interrupted:
        console.print("Stopped by Ctrl-C; the best model so far is kept")
    if math.isnan(score):
        console.print(f"{path}: written; nothing was held out, so there is no score")
    else:
        gain = marginal - score
        verdict = f"{gain:.2f} below" if gain > 0 else f"[yellow]{-gain:.2f} above[/yellow]"
        console.print(f"{path}: {score:.2f} nats per event held out, {verdict} the marginal baseline of {marginal:.2f}")
        if gain <= 0:
            console.print("[yellow]It has learned nothing that holds: more data, or other data, is needed[/yellow]")
    console.print(f"Next: hxmx gen {path} output.csv, or live: hxmx run {path}")
    console.print(f"Curves: tensorboard --logdir {folder}")


def _held_out(data: EventDataModule, held: int) -> str:
    if not held:
        return "none held out"
    return f"{held:,} of them held out " + (f"in {len(data.valid)} sequences" if data.by_sequence else "at the end")


def _columns(model: EventModel) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("feature", "kind", "values", "step", ""):
        table.add_column(heading, justify="right" if heading == "step" else "left")
    for column in model.columns:
        mask = "masked" if column.feature.masked else ""
        table.add_row(column.name, column.feature.kind, *_extent(column), mask)
    return table


def _extent(column: Column) -> tuple[str, str]:
    if isinstance(column.grid, Categories):
        return f"{len(column.grid.values)} categories", ""
    low, high = (column.grid.resolution * (column.grid.low + i) for i in (column.occupied[0], column.occupied[-1]))
    return f"{low:g} to {high:g}", f"{column.grid.resolution:g}"
