"""One training run, from a config to a model file."""

from __future__ import annotations

import json
import math
import pickle
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from hachimachi import plugins
from hachimachi.checkpoint import SPEC, WEIGHTS, check_resumable, load_model, pick, save_model
from hachimachi.console import make_console, show_reading
from hachimachi.errors import HachimachiError, count
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.evaluation.playing import PlayReport, evaluate_playing, play_briefly
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.models.sizes import AUTO, choose_size
from hachimachi.training.callbacks import Baseline, KeepBest, Progress
from hachimachi.training.config.defaults import SUITED, fill
from hachimachi.training.data import EventDataModule
from hachimachi.training.distributed import agree
from hachimachi.training.finish import refit, shrink
from hachimachi.training.interruption import Place, Stop
from hachimachi.training.limits import LearningRateSchedule, Limits
from hachimachi.training.messages import conclude, introduce
from hachimachi.training.module import EventModule
from hachimachi.training.tensorboard import Pictures
from hachimachi.training.trainer import compiles, fit, quiet, speaks
from hachimachi.training.window_augmentation import Chained


def check_checkpoint(path: str, model: EventModel, max_epochs: int | None) -> None:
    """Check that a run of this model can go on from a checkpoint, and has epochs left to do.

    Raises:
        HachimachiError: A file that is missing or no checkpoint, one of another model, or one that is done already.
    """
    content = _read_checkpoint(path)
    check_resumable(path, content["state_dict"])
    there = _shapes(pick(content["state_dict"], WEIGHTS))
    if there != _shapes(model.state_dict()):
        its = json.loads(content[SPEC])["parts"]
        found = f"it is of {its}, the config says {model.parts}" if its != model.parts else "its data was another"
        raise HachimachiError(f"ckpt_path={path}: does not fit this run: {found}")
    if max_epochs is not None and content["epoch"] >= max_epochs:
        expected = f"expected trainer.max_epochs above that, found {max_epochs}"
        raise HachimachiError(f"ckpt_path={path}: has had {count(content['epoch'], 'epoch')} already; {expected}")


def _read_checkpoint(path: str) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise HachimachiError(f"ckpt_path={path}: no such file; expected a checkpoint to go on from") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise HachimachiError(f"ckpt_path={path}: damaged, or not a checkpoint (.ckpt)") from error
    if not isinstance(content, dict) or not {SPEC, "state_dict", "optimizer_states", "epoch"} <= set(content):
        raise HachimachiError(
            f"ckpt_path={path}: not a checkpoint to go on from; expected the checkpoints/last.ckpt of a run"
        )
    return content


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in state.items()}


PACKAGES = ("hachimachi", "torch", "lightning", "numpy", "hydra-core", "omegaconf", "tensorboard")
"""What the weights, or how they are told of, depend on."""
PATIENCE = 5.0
"""Seconds that git may take."""


def find_versions() -> dict[str, str]:
    """Return the versions of the packages that a run depends on, and of Python; packages that are not here left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def find_platform() -> str:
    """Return the system and the processor, as in ``Linux-6.1-x86_64``."""
    return f"{platform.system()}-{platform.release()}-{platform.machine()}"


def find_revision(folder: Path) -> dict[str, Any] | None:
    """Return the git commit that a folder is at, and whether files that git knows have changed since.

    ``None`` where there is no git, no repository or no commit: that is no reason not to train.
    """
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit, "dirty": bool(_ask_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _ask_git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@dataclass(frozen=True)
class Run:
    """What a training run leaves.

    Args:
        path: The model file.
        folder: Config, logs and checkpoints.
        score: Held-out nats per event of the model in the file, NaN where nothing was held out.
        marginal: The marginal baseline on the same events.
        interrupted: What ended it before its time, Ctrl-C or SIGTERM, or nothing.
        playing: How the model plays, from a few short generations; ``None`` where that was not looked at.
        kept: The share kept of what was learned of each column, where columns can be taken back to their marginals.
        refit: Whether it learned from what was held out too, after it was scored.
    """

    path: Path
    folder: Path
    score: float
    marginal: float
    interrupted: str
    playing: PlayReport | None = None
    kept: dict[str, float] = field(default_factory=dict)
    refit: bool = False

    @property
    def taken_back(self) -> dict[str, float]:
        """Columns of which not all that was learned is kept, and the share that is."""
        return {name: share for name, share in self.kept.items() if share < 1}

    @property
    def model(self) -> EventModel:
        """The best model, read from its file."""
        return load_model(self.path)


def train(cfg: DictConfig, folder: str | Path | None = None, callbacks: Sequence[L.Callback] = ()) -> Run:
    """Train what a config describes.

    Args:
        cfg: What :func:`~hachimachi.training.config.compose.compose` returns.
        folder: Where config, logs and checkpoints go; a new one under ``outputs/train/`` by default.
        callbacks: Called in training besides the run's own.

    Raises:
        HachimachiError: Data that cannot be read or learned from, a checkpoint that does not fit, or training that
            diverged before there was a model to keep.

    >>> import tempfile
    >>> from hachimachi import compose, train, write
    >>> from hachimachi.events import make_sequence
    >>> folder = tempfile.TemporaryDirectory()
    >>> piece = make_sequence([[60 + i % 12, 80] for i in range(64)], [i / 4 for i in range(64)])
    >>> write(f"{folder.name}/data.json", piece)
    >>> words = [f"dataset.path={folder.name}/data.json", f"output={folder.name}/model.pt", "callbacks=quiet"]
    >>> run = train(compose([*words, "logger=none", "model.size=8", "trainer.max_epochs=2"]), f"{folder.name}/run")
    >>> run.path.name, run.score < 20, run.model.summary["data"]["events"]
    ('model.pt', True, 58)
    >>> folder.cleanup()
    """
    folder = Path(folder or datetime.now().strftime("outputs/train/%Y-%m-%d_%H-%M-%S-%f"))
    data = _read(cfg)
    composed, cfg = cfg, fill(cfg, data.events)
    summary = _summary(composed, cfg, data)
    if speaks():
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
        _write_origin(folder, summary)
    console = make_console(quiet=not cfg.callbacks.progress or not speaks())
    with quiet():
        model, limits = _build(cfg, data), Limits.of(cfg, data)
        if cfg.ckpt_path:
            check_checkpoint(cfg.ckpt_path, model, limits.epochs)
        variation = data.decide_variation(**_given(cfg.augment, without="name"))
        introduce(console, cfg, data, model, limits, variation)
        marginals = data.marginals() if data.valid else {}
        baseline = sum(marginals.values()) if data.valid else math.nan
        keep, stop = KeepBest(Path(cfg.output), summary), Stop()
        pictures = Pictures(data)
        schedule = LearningRateSchedule(cfg.optimizer.schedule, cfg.optimizer.warmup, limits)
        own = [Place(data), stop, schedule, *([Baseline(marginals)] if marginals else []), keep]
        own.append(Progress(baseline, keep, limits, console))
        if cfg.callbacks.pictures and cfg.trainer.strategy != "fsdp":  # there no process has all weights
            own.append(pictures)
        options = {key: cfg.optimizer[key] for key in ("lr", "weight_decay", "average")}
        options |= {"variation": variation, "schedule": schedule, "compiled": compiles(cfg, data.events)}
        module = EventModule(model, **options)
        ended = fit(cfg, data, module, [*own, *callbacks], limits, folder)
        interrupted = ended and (stop.asked or ended)  # Lightning calls both SIGTERM
        for line in variation.lines() if isinstance(variation, Chained) else ():
            console.print(line)
    if keep.diverged and math.isnan(keep.best):
        advice = f"try optimizer.lr below {cfg.optimizer.lr:g}, or trainer.precision=32-true"
        raise HachimachiError(f"training diverged before there was a model to keep; {advice}")
    with quiet():
        run = Run(keep.path, folder, math.nan, math.nan, interrupted)
        if speaks():
            run = _score(run, data)
        if run.playing:
            pictures.conclude(cfg, run.model, run.score, run.marginal - run.score, run.playing)
        again = cfg.dataset.refit and data.valid
        if again and agree(speaks() and not interrupted and "refit" not in run.model.summary):
            run = replace(run, interrupted=refit(cfg, data, run.path, variation, console))
            run = replace(run, refit="refit" in run.model.summary)
    conclude(console, cfg, run, diverged=keep.diverged)
    return run


def _read(cfg: DictConfig) -> EventDataModule:
    options = {str(key): value for key, value in cfg.dataset.items() if key != "refit"}
    feature = {str(name): _given(declared) for name, declared in cfg.feature.items()}
    data = EventDataModule(**options, seed=cfg.seed, feature=feature)
    if cfg.callbacks.progress and speaks():
        data.progress = show_reading
    data.setup()
    return data


def _build(cfg: DictConfig, data: EventDataModule) -> EventModel:
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    if cfg.trainer.threads:
        torch.set_num_threads(cfg.trainer.threads)
    backbone = _given(cfg.model)
    shape = choose_size(cfg.model.name, backbone.get("size", AUTO), backbone.get("layers"), data.events)
    for option, number in zip(("size", "layers"), shape, strict=True):
        if plugins.takes("backbone", cfg.model.name, option):
            backbone[option] = number
    return build_model(data.train, backbone, _given(cfg.head), data.columns)


def _given(options: DictConfig, without: str = "") -> dict[str, Any]:
    """Return the options that say something: null leaves a key to the data, or to the part it is for."""
    plain = OmegaConf.to_container(options, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if value is not None and key != without}


def _summary(composed: DictConfig, cfg: DictConfig, data: EventDataModule) -> dict[str, Any]:
    """Return what the model file tells of its training: the config as it was composed, and what was decided of it."""
    return {
        "data": {
            "name": data.path.name,
            "fingerprint": data.fingerprint(),
            "sequences": len(data.train),
            "events": data.events,
            "openings": data.openings(data.train),
        },
        "config": OmegaConf.to_container(composed, resolve=False),
        "decided": {key: value for key in SUITED if (value := _decided(composed, cfg, key)) is not None},
        "versions": find_versions(),
        "platform": find_platform(),
        "git": find_revision(Path.cwd()),
        "date": time.strftime("%Y-%m-%d"),
    }


def _decided(composed: DictConfig, cfg: DictConfig, key: str) -> Any:
    """Return what was decided from the data for a key that the config leaves open, if the part has such a key."""
    return OmegaConf.select(cfg, key) if OmegaConf.select(composed, key) is None else None


def _write_origin(folder: Path, summary: dict[str, Any]) -> None:
    """Write beside the config what else it takes to have a run again: data, versions, revision."""
    told = {key: summary[key] for key in ("data", "versions", "platform", "git", "date")}
    told["data"] = {key: value for key, value in told["data"].items() if key != "openings"}
    (folder / "origin.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _score(run: Run, data: EventDataModule) -> Run:
    """Score the model in the file on what was held out, look at how it plays, and store both there."""
    if not data.valid or not run.path.is_file():
        return run
    model = run.model
    if "held_out" in model.summary:  # a run that went on found nothing better than what had been scored before
        scored = model.summary["held_out"]
        return replace(run, score=scored["nats_per_event"], marginal=scored["marginal"])
    kept = model.summary["kept"] = shrink(model, data.valid_sample)
    result = evaluate(model, data.judged)
    model.summary["held_out"] = {
        "nats_per_event": result.nats_per_event,
        "marginal": result.marginal_nats_per_event,
        "stderr": result.stderr if math.isfinite(result.stderr) else None,
        "fresh": result.fresh_nats_per_event,
        "fresh_events": result.fresh_events,
        "events": len(result.surprise),
        "by_feature": result.by_feature(),
    }
    playing = None if run.interrupted else evaluate_playing(model, data.judged, play_briefly(model))
    if playing:
        told = {"sentence": playing.sentence(), "warning": playing.warning()}
        model.summary["playing"] = playing.to_json() | told
    save_model(model, run.path)
    return replace(
        run,
        score=result.nats_per_event,
        marginal=result.marginal_nats_per_event,
        playing=playing,
        kept=kept,
    )
