"""What a training run says before and after."""

from __future__ import annotations

import math
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from hachimachi.models.event_model import EventModel
from hachimachi.screen import column_table
from hachimachi.training.data import EventDataModule

SMALL = 50
"""Under this many events a model can learn little; it is said."""


def introduce(console: Console, cfg: DictConfig, data: EventDataModule, model: EventModel, minutes: float) -> None:
    """Say what is learned from, what is foretold, by what, and for how long at most."""
    held = sum(len(sequence) for sequence in data.valid)
    events = data.events + held
    console.print(f"{cfg.dataset.path}: {events:,} events, {_held_out(data, held)}")
    for remark in data.report.lines():
        console.print(remark)
    if events < SMALL:
        console.print(f"Only {events} events: expect little of this model; a few hundred are a start", style="yellow")
    console.print(column_table(model))
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
        verdict = f"{gain:.2f} below" if gain > 0 else f"{-gain:.2f} above"
        console.print(f"{path}: {score:.2f} nats per event held out, {verdict} the marginal baseline of {marginal:.2f}")
        if gain <= 0:
            console.print("It has learned nothing that holds: more data, or other data, is needed", style="yellow")
    console.print(f"Next: hxmx gen {path} output.csv, or live: hxmx run {path}")
    console.print(f"Curves: tensorboard --logdir {folder}")


def _held_out(data: EventDataModule, held: int) -> str:
    if not held:
        return "none held out"
    return f"{held:,} of them held out " + (f"in {len(data.valid)} sequences" if data.by_sequence else "at the end")
