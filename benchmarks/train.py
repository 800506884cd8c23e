"""How many events a second are learned from, and what Lightning's loop takes of that beside a bare one.

    make bench-train                                   every backbone: about three minutes
    make bench-train ARGS="--backbones gru --rounds 15"

Both loops learn the same model from the same windows by the same optimizer, on as many threads, with no validation,
which would be work and no overhead. Lightning's is the one of `hxmx train` with its callbacks and its log for
TensorBoard. They take turns in one process; what is told is the median over rounds, and the median of the ratios of
rounds side by side. Time is that of the process, which others on the machine do not lengthen as that on the wall.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.tasks import BESIDE, find_tasks
from hachimachi.console import make_console
from hachimachi.errors import HachimachiError
from hachimachi.models.backbones import choose_size
from hachimachi.models.event_model import build_model
from hachimachi.training.callbacks import KeepBest, TrainingProgress
from hachimachi.training.config.compose import compose, resolve_defaults
from hachimachi.training.config.groups import find_conf, list_options
from hachimachi.training.data import EventDataModule
from hachimachi.training.limits import Limits
from hachimachi.training.module import EventModule
from hachimachi.training.trainer import fit, make_loggers, make_trainer, quiet


@dataclass(frozen=True)
class Pace:
    """Events learned from in a second, by either loop, one figure a round."""

    bare: list[float]
    lightning: list[float]

    @property
    def ratio(self) -> float:
        """How many times as long Lightning's loop takes."""
        return statistics.median(bare / ours for bare, ours in zip(self.bare, self.lightning, strict=True))


class Watch(L.Callback):
    """Counts events and the time of the process, from the first step to the last."""

    def __init__(self) -> None:
        self.events, self.seconds = 0, 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin."""
        self.begun = time.process_time()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """Count."""
        self.events += _count(batch)
        self.seconds = time.process_time() - self.begun


def learn_bare(data: EventDataModule, module: EventModule, steps: int, cut: float) -> float:
    """Learn in a loop as one writes it by hand; return events in a second."""
    configured: Any = module.configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    loader, events, done, began = data.train_dataloader(), 0, 0, time.process_time()
    module.train()
    while done < steps:
        for rows in loader:
            windows, augmented = module.augmentation(rows) if module.augmentation else (rows, None)
            loss = -module.model.log_prob(windows, augmented).sum() / _count(rows)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(module.model.parameters(), cut)
            optimizer.step()
            schedule.step()
            if module.average:
                module.average.update(module.model)
            events, done = events + _count(rows), done + 1
            if done == steps:
                break
    return events / (time.process_time() - began)


def learn_by_lightning(cfg: DictConfig, data: EventDataModule, module: EventModule, steps: int) -> float:
    """Learn as `hxmx train` does; return events in a second."""
    watch, limits = Watch(), Limits(None, steps, None)
    with tempfile.TemporaryDirectory(prefix="hachimachi-bench-") as folder:
        keep = KeepBest(Path(folder) / "model.pt", {})
        callbacks = [watch, keep, TrainingProgress(float("nan"), keep, limits, make_console(quiet=True))]
        with quiet():
            fit(make_trainer(cfg, data, limits, callbacks, make_loggers(cfg, Path(folder)), Path(folder)), module, data)
    return watch.events / watch.seconds


def measure(path: Path, backbone: str, steps: int, rounds: int) -> Pace:
    """Let both loops take turns; the first turn of each is not counted."""
    words = [f"dataset.path='{path}'", f"model={backbone}", "dataset.valid_fraction=0", f"trainer.max_steps={steps}"]
    cfg = compose(words)
    data = EventDataModule(path, valid_fraction=0)
    data.setup()
    cfg = resolve_defaults(cfg, data.events)
    torch.set_num_threads(cfg.trainer.threads)
    augmentation = data.decide_augmentation(**{"transpose": 0} | _given(cfg.augment))
    options = {key: cfg.optimizer[key] for key in ("lr", "weight_decay", "warmup", "average")}
    pace = Pace([], [])
    for turn in range(rounds + 1):
        bare, ours = (
            EventModule(_build(cfg, data, augmentation.size), augmentation=augmentation, **options) for _ in range(2)
        )
        first = learn_bare(data, bare, steps, cfg.trainer.gradient_clip_val) if turn % 2 else None
        lightning = learn_by_lightning(cfg, data, ours, steps)
        bare_pace = first or learn_bare(data, bare, steps, cfg.trainer.gradient_clip_val)
        if turn:
            pace.bare.append(bare_pace)
            pace.lightning.append(lightning)
    return pace


def _build(cfg: DictConfig, data: EventDataModule, augmentation: int) -> Any:
    L.seed_everything(0, verbose=False)
    size, layers = choose_size(cfg.model.name, cfg.model.size, cfg.model.layers, data.events)
    backbone = {"name": cfg.model.name, **_given(cfg.model), "size": size, "layers": layers}
    return build_model(data.train, backbone, {"name": cfg.head.name, **_given(cfg.head)}, data.columns, augmentation)


def _given(options: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(options, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if value is not None and key != "name"}


def _count(rows: Tensor) -> int:
    return int((~rows.isnan().all(-1)).sum())


def _parse(words: list[str] | None, backbones: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-train", description="How fast training is, beside a bare loop.")
    parser.add_argument("data", nargs="?", type=Path, default=BESIDE, help="folder of corpora (beside the checkout)")
    parser.add_argument("--task", default="piano", help="what is learned from (piano)")
    parser.add_argument("--backbones", default=",".join(backbones), help=f"some of {','.join(backbones)} (all)")
    parser.add_argument("--steps", type=int, default=60, help="in a round (60)")
    parser.add_argument("--rounds", type=int, default=9, help="that are counted (9)")
    chosen = parser.parse_args(words)
    for name in chosen.backbones.split(","):
        if name not in backbones:
            parser.error(f"--backbones {name}: expected some of {','.join(backbones)}")
    if min(chosen.steps, chosen.rounds) < 1:
        parser.error(f"--steps {chosen.steps} --rounds {chosen.rounds}: expected whole numbers from 1")
    return chosen


def main(words: list[str] | None = None) -> int:
    """Measure and print the table."""
    chosen, console = _parse(words, list_options(find_conf())["model"]), Console(highlight=False, markup=False)
    try:
        [task] = find_tasks(chosen.data, [chosen.task], corpora=False)
    except HachimachiError as error:
        print(f"bench-train: {error}", file=sys.stderr)
        return 1
    table = Table("backbone", box=None, pad_edge=False, header_style="bold")
    for heading in ("bare, events/s", "Lightning, events/s", "ratio of time"):
        table.add_column(heading, justify="right")
    for backbone in chosen.backbones.split(","):
        with console.status(f"{task.name}: {backbone}"):
            pace = measure(task.train, backbone, chosen.steps, chosen.rounds)
        medians = (f"{statistics.median(part):,.0f}" for part in (pace.bare, pace.lightning))
        table.add_row(backbone, *medians, f"{pace.ratio:.3f}")
    console.print(f"{task.name}: {chosen.rounds} rounds of {chosen.steps} steps, taking turns, 1 thread")
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
