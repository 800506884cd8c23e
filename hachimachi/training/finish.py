"""After training: shrinking columns towards their marginals, and refitting on what was held out too."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from hachimachi.checkpoint import load_model, save_model
from hachimachi.errors import count
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel
from hachimachi.ngrams import all_ngrams
from hachimachi.training.callbacks import KeepBest, TrainingProgress
from hachimachi.training.config.targets import build_optimizer
from hachimachi.training.data import EventDataModule
from hachimachi.training.distributed import is_first
from hachimachi.training.limits import Limits
from hachimachi.training.module import EventModule
from hachimachi.training.trainer import fit_on
from hachimachi.training.window_augmentation import WindowAugmentation

RATE = 0.3
"""Share of the learning rate in the last pass. Measured on what follows in the piece, in neither part: nats fell by
0.28 (piano), 0.07 (drums) and 0.02 (never repeats itself). Three times as many steps gained 0.5 and 0.15 on the first
two and lost 0.12 on the third; the full rate was no better in as few steps."""
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # shares that may be kept of a column; of equally good ones the first


def refit(
    cfg: DictConfig, data: EventDataModule, path: Path, augmentation: WindowAugmentation, console: Console
) -> str:
    """Let the best model learn from all there is, and store it in place of what it was, when all is done.

    It goes on from the best model, in steps of a small constant rate: held-out ÷ training events times the steps that
    the best took. Starting over would end in a model that was never scored. Grids and histograms stay as they are, for
    the score and the likelihood to mean the same. Return what ended it early, Ctrl-C or SIGTERM, or nothing.
    """
    model, whole = load_model(path), data.parts.whole
    steps = max(1, round(model.summary["steps"] * (whole.events - data.events) / max(1, data.events)))
    rate = RATE * cfg.optimizer.lr
    console.print(f"Last pass: {count(steps, 'step')} on all {count(whole.events, 'event')}, held out or not")
    options = {"lr": rate, "weight_decay": cfg.optimizer.weight_decay, "average": 0, "augmentation": augmentation}
    options["optimizer"] = build_optimizer(cfg)
    module = EventModule(model.train(), **options)
    progress = TrainingProgress(math.nan, KeepBest(path, {}), Limits(None, steps, None), console)
    ended = fit_on(cfg, data.load(whole), module, [progress], steps)
    if ended:
        return ended
    if not all(weight.isfinite().all() for weight in model.parameters()):
        console.print("The last pass diverged; the model stays as it was judged", style="yellow")
        return ""
    model.grams = all_ngrams(whole, model.columns)
    model.summary["data"]["openings"] = data.openings(whole)  # `hxmx eval` warns of what it was trained on
    model.summary["refit"] = {"sequences": len(whole), "events": whole.events, "steps": steps, "lr": rate}
    model.summary["held_out"]["before_refit"] = True
    if is_first():
        save_model(model.eval(), path)
    return ""


def shrink(model: EventModel, held_out: Sequence[EventSequence]) -> dict[str, float]:
    """Take each column back towards its marginals as far as that predicts held-out events better.

    All columns stop learning at once, when some are overfitted. Each can be scored alone, given the actual columns
    before it. The score on the same events is flattered a little by the choice, as it is by early stopping. Change the
    model's head, and return the share kept of what was learned of each column, by name.
    """
    if not model.head.shrink([1.0] * len(model.columns)) or not any(len(sequence) > 1 for sequence in held_out):
        return {}
    nats = []  # of each column with a share kept of all that was learned
    for share in SHARES:
        changed = copy.deepcopy(model)
        changed.head.shrink([share] * len(model.columns))
        by_column = evaluate(changed, held_out).by_feature()
        nats.append([by_column[column.name]["nats"] for column in model.columns])
    kept = [SHARES[best] for best in np.array(nats).argmin(0)]
    model.head.shrink(kept)
    return {column.name: share for column, share in zip(model.columns, kept, strict=True)}
