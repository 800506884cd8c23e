"""Lightning's loggers and trainer as a config describes them, and a run: quiet, and ended gently."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.profilers import AdvancedProfiler, SimpleProfiler
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.seed import isolate_rng
from omegaconf import DictConfig

from hachimachi.errors import NOTICES, HachimachiError
from hachimachi.training import distributed
from hachimachi.training.callbacks import SameBatches
from hachimachi.training.config.compose import COLLECTION
from hachimachi.training.config.targets import build_trainer_options
from hachimachi.training.data import EventDataModule
from hachimachi.training.interruption import LastCheckpoint, StopGracefully
from hachimachi.training.limits import Limits, TimeLimit, ValidationInterval, as_batches
from hachimachi.training.module import EventModule

Found = TypeVar("Found")
SAVE_EVERY = timedelta(seconds=30)  # time between two checkpoints to resume from
PROFILERS = {"simple": SimpleProfiler, "advanced": AdvancedProfiler}


def compiles(cfg: DictConfig, events: int) -> bool:
    """Return whether a run has kernels made for its model: that takes a minute or two, which a piece does not last."""
    if cfg.trainer.compile is None:
        return _accelerator(cfg.trainer.accelerator) == "cuda" and events >= COLLECTION
    return cfg.trainer.compile


def make_loggers(cfg: DictConfig, folder: Path, done: int = 0) -> list[Logger]:
    """Return the loggers that a config knows by name, which write into a folder; the curves go on after some steps."""
    loggers: list[Logger] = []
    if "tensorboard" in cfg.logger.name and re.search("[\ud800-\udfff]", str(folder.absolute())):
        NOTICES[-1](f"{folder}: TensorBoard writes below no name that is no text, so there is no log of it")
    elif "tensorboard" in cfg.logger.name:
        options: dict[str, Any] = {"default_hp_metric": False, "purge_step": done + 1 if done else None}
        loggers.append(TensorBoardLogger(folder, name="", version="tensorboard", **options))
    if "csv" in cfg.logger.name:
        loggers.append(CSVLogger(folder, name="", version=f"csv-{done:07}" if done else "csv"))
    return loggers


def make_trainer(
    cfg: DictConfig,
    data: EventDataModule,
    limits: Limits,
    callbacks: list[L.Callback],
    loggers: list[Logger],
    folder: Path,
) -> L.Trainer:
    """Return the trainer of a run: besides callbacks it has early stopping, a clock, and checkpoints in a folder."""
    if data.valid:
        stopping = {"patience": cfg.callbacks.patience, "min_delta": cfg.callbacks.min_delta, "strict": False}
        callbacks = [*callbacks, EarlyStopping("val/nll", check_on_train_epoch_end=False, **stopping)]
    if cfg.trainer.overfit_batches:
        callbacks = [*callbacks, SameBatches()]
    profiler = PROFILERS.get(cfg.trainer.profiler)
    interval = ValidationInterval.of(cfg, data)
    options = {
        "max_epochs": limits.epochs or -1,
        "max_steps": limits.steps or -1,
        "logger": loggers,
        "limit_train_batches": cfg.trainer.overfit_batches or None,
        "profiler": profiler(dirpath=folder, filename="profile") if profiler else None,
        "default_root_dir": folder,
        "val_check_interval": interval.batches,
        **build_trainer_options(cfg),
        "check_val_every_n_epoch": interval.epochs,
    }
    options["limit_train_batches"] = as_batches(options["limit_train_batches"], data)
    last = LastCheckpoint(folder / "checkpoints" / "last.ckpt", SAVE_EVERY)
    return _make(cfg, [*callbacks, last], limits.minutes, **options)


def fit(trainer: L.Trainer, module: EventModule, data: EventDataModule, ckpt_path: str | None = None) -> str:
    """Train; return what ended it early, Ctrl-C or SIGTERM, or nothing.

    What was learned since the last validation is validated at the end, unless a second Ctrl-C or an error ended the
    run. It leaves no trace in what a run goes on from but the best score: patience and random numbers are those of a
    run that was never stopped. Raises `HachimachiError`: what Lightning does not take, or kernels that cannot be made.
    """
    stop, checkpoint = _find(trainer, StopGracefully), _find(trainer, LastCheckpoint)
    safe = True if ckpt_path else None
    ended = _interruption(trainer, lambda: trainer.fit(module, data, ckpt_path=ckpt_path, weights_only=safe))
    if checkpoint and not ended:
        checkpoint.write(trainer)
    at_once = ended == "Ctrl-C"  # a second one: the first ends a run as SIGTERM does
    ended = (stop.reason if stop and trainer.world_size > 1 else "") or ended
    if data.valid and module.unvalidated and not at_once:
        with isolate_rng():
            interrupted = _interruption(trainer, lambda: trainer.validate(module, datamodule=data, verbose=False))
        if checkpoint and not interrupted:  # for the best score
            checkpoint.write(trainer)
        ended = ended or interrupted
    return ended


def _find(trainer: L.Trainer, kind: type[Found]) -> Found | None:
    callbacks: list[L.Callback] = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
    return next((callback for callback in callbacks if isinstance(callback, kind)), None)


def _interruption(trainer: L.Trainer, work: Callable[[], object]) -> str:
    """Let a trainer work; return as :func:`fit`."""
    before = signal.getsignal(signal.SIGINT)
    try:
        work()
    except SIGTERMException:
        return "SIGTERM"
    except SystemExit:  # which Lightning makes of Ctrl-C
        if not trainer.interrupted:
            raise
        return "Ctrl-C"
    except (MisconfigurationException, ModuleNotFoundError) as error:
        raise HachimachiError(f"Lightning: {' '.join(str(error).split())}") from error
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise HachimachiError(f"trainer.compile=true: does not work here, take false: {reason}") from error
    finally:
        if threading.current_thread() is threading.main_thread():  # Lightning leaves Ctrl-C ignored after the first
            signal.signal(signal.SIGINT, before)
    return ""


def _make(cfg: DictConfig, callbacks: list[L.Callback], minutes: float | None, **options: Any) -> L.Trainer:
    """Return Lightning's trainer for the devices of a config, with a clock. Raises `HachimachiError`: a device that is
    not there, several machines that do not know of each other, or arguments that Lightning does not take."""
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in os.environ]
    if cfg.trainer.num_nodes > 1 and missing and not distributed.is_external():
        advice = "start it with torchrun or srun, or set MASTER_ADDR, MASTER_PORT and NODE_RANK"
        raise HachimachiError(f"trainer.num_nodes={cfg.trainer.num_nodes}: {', '.join(missing)} not set; {advice}")
    if cfg.trainer.threads:  # else Lightning gives every one of several processes as many as there are cores for it
        os.environ.setdefault("OMP_NUM_THREADS", str(cfg.trainer.threads))
    if minutes and distributed.count(cfg) == 1:  # several processes agree on when
        callbacks = [*callbacks, TimeLimit(timedelta(minutes=minutes), verbose=False)]
    together = cfg.trainer.strategy == "ddp" or distributed.count(cfg) > 1
    defaults: dict[str, Any] = {
        "callbacks": callbacks,
        "accelerator": _accelerator(cfg.trainer.accelerator),
        "devices": cfg.trainer.devices,
        "num_nodes": cfg.trainer.num_nodes,
        # buffers are the same in all processes, for all have the scores of what is held out
        "strategy": DDPStrategy(broadcast_buffers=False) if together else "auto",
        "plugins": [] if distributed.is_external() else [LightningEnvironment()],
        "precision": cfg.trainer.precision,
        "gradient_clip_val": cfg.trainer.gradient_clip_val or None,
        "deterministic": cfg.trainer.deterministic,
        "detect_anomaly": cfg.trainer.detect_anomaly,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,  # windows are shared out already, and so is what is held out
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    refusals = (MisconfigurationException, RuntimeError, TypeError, ValueError, ImportError)
    try:
        return L.Trainer(**defaults | options)
    except refusals as error:
        try:
            L.Trainer(**defaults, logger=False)
        except refusals:
            wanted = f"trainer.accelerator={cfg.trainer.accelerator} trainer.devices={cfg.trainer.devices}"
            raise HachimachiError(f"{wanted}: not on this machine; `hxmx devices` lists what is") from error
        raise HachimachiError(f"trainer: Lightning does not take this: {' '.join(str(error).split())}") from error


def _accelerator(name: str) -> str:
    """Return what `auto` stands for: never the GPU of a Mac, which lacks the double precision that times need."""
    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning and PyTorch advertise and the user cannot act on."""
    with contextlib.ExitStack() as stack:
        for logger in map(logging.getLogger, ("lightning.pytorch", "lightning.fabric")):
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", module="lightning|torch")
        warnings.filterwarnings("default", "Error detected in")  # where an anomaly began, if one is looked for
        yield
