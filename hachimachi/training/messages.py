"""What a training run prints before and after."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from hachimachi.console import column_table
from hachimachi.errors import count
from hachimachi.models.event_model import EventModel
from hachimachi.models.sizes import explain_size
from hachimachi.training.data import EventDataModule
from hachimachi.training.limits import Limits
from hachimachi.training.window_augmentation import OpsAugmentation, WindowAugmentation

if TYPE_CHECKING:
    from hachimachi.training.fit import Run

SMALL = 50
"""Under this many events a model can learn little, and the user is told."""


def introduce(
    console: Console,
    cfg: DictConfig,
    data: EventDataModule,
    model: EventModel,
    limits: Limits,
    augmentation: WindowAugmentation,
) -> None:
    """Print what is learned from, what is predicted, by what, and for how long at most."""
    held = data.valid.events
    events = data.events + held
    where = f"in {count(len(data.valid), 'sequence')}" if data.parts.by_sequence else "at the end"
    sampled = data.valid_sample.events
    sampling = f" ({sampled:,} sampled to stop by)" if sampled < held else ""
    held_out = f"{held:,} of them held out {where}{sampling}" if held else "none held out"
    console.print(f"{cfg.dataset.path}: {count(events, 'event')}, {held_out}")
    for remark in data.remarks:
        console.print(remark)
    if events < SMALL:
        advice = "expect little of this model; a few hundred are a start"
        console.print(f"Only {count(events, 'event')}: {advice}", style="yellow")
    console.print(column_table(model))
    weights = sum(weight.numel() for weight in model.parameters())
    backbone = model.parts["backbone"]
    if {"layers", "size"} <= set(backbone):
        size = f"{backbone['layers']} × {backbone['size']}{explain_size(cfg.model.size, data.events)}"
    else:  # one from a plug-in may have other options
        size = " ".join(f"{key}={value}" for key, value in backbone.items() if key != "name")
    console.print(f"{backbone['name']} {size}".rstrip() + ",")
    console.print(f"{cfg.head.name} head, {weights:,} weights")
    if augmentation:
        names = ", ".join(augmentation.names(model.columns))
        console.print(f"{augmentation.share:.0%} of the windows varied, and marked as such: {names}")
        for op, _ in augmentation.bound.ops if isinstance(augmentation, OpsAugmentation) else ():
            console.print(f"  {op}")
    console.print(f"Learns for {limits} at most; Ctrl-C keeps the best")


def conclude(console: Console, cfg: DictConfig, run: Run, *, diverged: bool) -> None:
    """Print what came out and what to do with it."""
    if run.interrupted:
        console.print(f"Stopped by {run.interrupted}; the best model so far is kept. To go on, add")
        console.print(f"ckpt_path={_short(run.folder / 'checkpoints' / 'last.ckpt')}")
    if diverged:
        advice = f"the best before that is kept; try optimizer.lr below {cfg.optimizer.lr:g}"
        console.print(f"Training diverged, {advice}", style="yellow")
    if math.isnan(run.score):
        console.print(f"{run.path}: written; nothing was held out, so there is no score")
    else:
        gain = run.marginal - run.score
        console.print(f"{run.path}: {run.score:.2f} nats per event on what was held out,")
        console.print(f"{abs(gain):.2f} {'below' if gain > 0 else 'above'} the marginal baseline of {run.marginal:.2f}")
        emptied = len(run.kept) > 0 and not any(run.kept.values())
        if (gain <= 0 or emptied) and not diverged:
            console.print("It has learned nothing that holds: let it learn longer, or from more data", style="yellow")
    if run.taken_back:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in run.taken_back.items())
        console.print("Taken back to the histogram, for no more of what was learned holds than")
        console.print(shares)
    if run.refit:
        console.print("Then it learned from that too: the score is from before it")
    if run.playing:
        if run.playing.copying:
            console.print(run.playing.sentence())
        if run.playing.collapsed:
            console.print(f"{run.playing.warning()};", style="yellow")
            console.print("try more data, or let it play with --temperature 1.1", style="yellow")
    model = shlex.quote(str(run.path))
    more = "".join(f" --plugin {name}" for name in cfg.plugins)
    console.print(f"Next: hxmx gen {model} output.csv{more}, or live: hxmx run {model}{more}")
    if "tensorboard" in cfg.logger.name:
        console.print(f"Curves, pictures and sound: hxmx board {shlex.quote(_short(run.folder))}")


def _short(path: Path) -> str:
    """Return a path as seen from here, if it is below."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else path)
