"""One training run, from a config to a model file."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf

from hachimachi.checkpoint import load_model, save_model
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.evaluation.playing import Playing, examine, play_briefly
from hachimachi.evaluation.seen import openings
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.screen import make_console
from hachimachi.training.callbacks import Baseline, KeepBest, Progress
from hachimachi.training.data import EventDataModule
from hachimachi.training.limits import Limits
from hachimachi.training.module import EventModule
from hachimachi.training.pictures import Pictures
from hachimachi.training.resume import check_checkpoint
from hachimachi.training.screen import conclude, introduce
from hachimachi.training.trainer import fit, quiet, speaks


@dataclass(frozen=True)
class Run:
    """What a training run leaves.

    Args:
        path: The model file.
        folder: Config, logs and checkpoints.
        score: Held-out nats per event of the model in the file, NaN where nothing was held out.
        marginal: The marginal baseline on the same events.
        interrupted: Whether Ctrl-C ended it.
        playing: How the model plays, from a few short generations; ``None`` where that was not looked at.
    """

    path: Path
    folder: Path
    score: float
    marginal: float
    interrupted: bool
    playing: Playing | None = None

    @property
    def model(self) -> EventModel:
        """The best model, read from its file."""
        return load_model(self.path)


def train(cfg: DictConfig, folder: str | Path | None = None) -> Run:
    """Train what a config describes.

    Args:
        cfg: What :func:`~hachimachi.training.config.compose` returns.
        folder: Where config, logs and checkpoints go; a new one under ``outputs/train/`` by default.

    Raises:
        HachimachiError: Data that cannot be read or learned from, a checkpoint that does not fit, or training that
            diverged before there was a model to keep.
    """
    folder = Path(folder or time.strftime("outputs/train/%Y-%m-%d_%H-%M-%S"))
    data = EventDataModule(
        **cfg.dataset, seed=cfg.seed, feature={str(name): _given(feature) for name, feature in cfg.feature.items()}
    )
    data.setup()
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    console = make_console(quiet=not cfg.callbacks.progress or not speaks())
    with quiet():
        model, limits = _build(cfg, data), Limits.of(cfg, data)
        if cfg.ckpt_path:
            check_checkpoint(cfg.ckpt_path, model, limits.epochs)
        baseline = evaluate(model, data.valid) if data.valid else None
        introduce(console, cfg, data, model, limits)
        marginal = baseline.marginal_nats_per_event if baseline else math.nan
        keep = KeepBest(Path(cfg.output), _summary(cfg, data))
        pictures = Pictures(data)
        callbacks = [*([Baseline(baseline)] if baseline else []), keep, Progress(marginal, keep, limits, console)]
        callbacks += [pictures] if cfg.callbacks.pictures else []
        module = EventModule(model, lr=cfg.optimizer.lr, weight_decay=cfg.optimizer.weight_decay)
        interrupted = fit(cfg, data, module, callbacks, limits, folder)
    if keep.diverged and math.isnan(keep.best):
        advice = f"try optimizer.lr below {cfg.optimizer.lr:g}, or trainer.precision=32-true"
        raise HachimachiError(f"training diverged before there was a model to keep; {advice}")
    with quiet():
        score, playing = _score(keep.path, data, play=not interrupted)
        run = Run(keep.path, folder, score, marginal, interrupted, playing)
        if playing:
            pictures.conclude(cfg, run.model, score, marginal - score, playing)
    conclude(console, cfg, run, diverged=keep.diverged)
    return run


def _build(cfg: DictConfig, data: EventDataModule) -> EventModel:
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    if cfg.trainer.threads:
        torch.set_num_threads(cfg.trainer.threads)
    return build_model(data.train, _given(cfg.model), _given(cfg.head), data.columns)


def _given(options: DictConfig) -> dict[str, Any]:
    """Return the options that say something: null leaves a key to the data, or to the part it is for."""
    return {str(key): value for key, value in options.items() if value is not None}


def _summary(cfg: DictConfig, data: EventDataModule) -> dict[str, Any]:
    """Return what the model file tells of its training."""
    content = hashlib.sha256()
    for sequence in (*data.train, *data.valid):
        content.update(sequence.rows().tobytes())
    return {
        "data": {
            "name": data.path.name,
            "fingerprint": content.hexdigest()[:16],
            "sequences": len(data.train),
            "events": data.events,
            "openings": openings(data.train),
        },
        "config": OmegaConf.to_container(cfg, resolve=True),
        "versions": {name: version(name) for name in ("hachimachi", "torch", "lightning")},
        "date": time.strftime("%Y-%m-%d"),
    }


def _score(path: Path, data: EventDataModule, *, play: bool) -> tuple[float, Playing | None]:
    """Score the model in the file on what was held out, look at how it plays, and store both there."""
    if not data.valid or not path.is_file():
        return math.nan, None
    model = load_model(path)
    result = evaluate(model, data.valid)
    model.summary["held_out"] = {
        "nats_per_event": result.nats_per_event,
        "marginal": result.marginal_nats_per_event,
        "stderr": result.stderr if math.isfinite(result.stderr) else None,
        "fresh": result.fresh_nats_per_event,
        "fresh_events": result.fresh_events,
        "events": len(result.surprise),
        "by_feature": result.by_feature(),
    }
    playing = examine(model, data.valid, play_briefly(model)) if play and speaks() else None
    if playing:
        told = {"sentence": playing.sentence(), "warning": playing.warning()}
        model.summary["playing"] = playing.to_json() | told
    if speaks():
        save_model(model, path)
    return result.nats_per_event, playing
