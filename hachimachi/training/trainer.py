"""Lightning's trainer as a config describes it, and a run of it: quiet, and ended gently."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

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
from torch import Tensor
from torch.utils.data import DataLoader

from hachimachi.errors import HachimachiError
from hachimachi.training import distributed
from hachimachi.training.callbacks import SameBatches
from hachimachi.training.config.compose import COLLECTION
from hachimachi.training.data import EventDataModule
from hachimachi.training.interruption import LastCheckpoint
from hachimachi.training.limits import Limits, TimeLimit, ValidationInterval
from hachimachi.training.module import EventModule

SAVE_EVERY = timedelta(seconds=30)
"""Time between two checkpoints to resume from."""
PROFILERS = {"simple": SimpleProfiler, "advanced": AdvancedProfiler}


def compiles(cfg: DictConfig, events: int) -> bool:
    """Return whether a run has kernels made for its model: that takes a minute or two, which a piece does not last."""
    if cfg.trainer.compile is None:
        return _accelerator(cfg.trainer.accelerator) == "cuda" and events >= COLLECTION
    return cfg.trainer.compile


def fit(
    cfg: DictConfig,
    data: EventDataModule,
    module: EventModule,
    callbacks: list[L.Callback],
    limits: Limits,
    folder: Path,
) -> str:
    """Train, with logs and checkpoints in a folder; return what ended it early, Ctrl-C or SIGTERM, or nothing.

    What was learned since the last validation is validated at the end, whatever ended the run, so that the last steps
    count: only a second Ctrl-C and an error leave at once. It leaves no trace in what a run goes on from but the best
    score, so that the patience of early stopping and all random numbers are those of a run that was never stopped.

    Args:
        cfg: The whole config.
        data: What to learn from, set up.
        callbacks: Called besides early stopping and checkpoints.

    Raises:
        HachimachiError: A device that is not there.
    """
    last = folder / "checkpoints" / "last.ckpt"
    if data.valid:
        patience, delta = cfg.callbacks.patience, cfg.callbacks.min_delta
        stopping = {"patience": patience, "min_delta": delta, "check_on_train_epoch_end": False}
        callbacks = [*callbacks, EarlyStopping("val/nll", strict=False, **stopping)]
    if cfg.trainer.overfit_batches:
        callbacks = [*callbacks, SameBatches()]
    loggers: list[Logger] = []
    if "tensorboard" in cfg.logger.name:
        loggers.append(TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False))
    if "csv" in cfg.logger.name:
        loggers.append(CSVLogger(folder, name="", version="csv"))
    profiler = PROFILERS.get(cfg.trainer.profiler)
    interval = ValidationInterval.of(cfg, data)
    options = {
        "max_epochs": limits.epochs or -1,
        "max_steps": limits.steps or -1,
        "check_val_every_n_epoch": interval.epochs,
        "val_check_interval": interval.batches,
        "logger": loggers,
        "limit_train_batches": cfg.trainer.overfit_batches or None,
        "profiler": profiler(dirpath=folder, filename="profile") if profiler else None,
        "default_root_dir": folder,
    }
    checkpoint = LastCheckpoint(last, SAVE_EVERY)
    return _run(cfg, module, data, callbacks, limits.minutes, checkpoint, ckpt_path=cfg.ckpt_path, **options)


def fit_on(
    cfg: DictConfig, data: DataLoader[Tensor], module: EventModule, callbacks: list[L.Callback], steps: int
) -> str:
    """Train for a number of optimizer steps on batches of windows and validate nothing; return as :func:`fit`."""
    options = {"max_epochs": -1, "max_steps": steps, "logger": False, "enable_checkpointing": False}
    return _run(cfg, module, data, callbacks, None, **options)


def _run(
    cfg: DictConfig,
    module: EventModule,
    data: EventDataModule | DataLoader[Tensor],
    callbacks: list[L.Callback],
    minutes: float | None,
    checkpoint: LastCheckpoint | None = None,
    *,
    ckpt_path: str | None = None,
    **options: Any,
) -> str:
    """Make a trainer, fit, and validate what was learned last; return what ended it from outside."""
    together = distributed.StopTogether(minutes) if distributed.count(cfg) > 1 else None
    if together:
        callbacks = [*callbacks, together]
    elif minutes:
        callbacks = [*callbacks, TimeLimit(timedelta(minutes=minutes), verbose=False)]
    trainer = make_trainer(cfg, callbacks=[*callbacks, *([checkpoint] if checkpoint else [])], **options)
    ended = _interruption(
        trainer, lambda: trainer.fit(module, data, ckpt_path=ckpt_path, weights_only=True if ckpt_path else None)
    )
    if checkpoint and not ended:
        trainer.save_checkpoint(checkpoint.path)
    at_once = ended == "Ctrl-C"  # a second one: the first ends a run as SIGTERM does
    ended = (together.ended if together else "") or ended
    if isinstance(data, EventDataModule) and data.valid and module.unvalidated and not at_once:
        with isolate_rng():
            interrupted = _interruption(trainer, lambda: trainer.validate(module, datamodule=data, verbose=False))
        if checkpoint and not interrupted:  # for the best score
            trainer.save_checkpoint(checkpoint.path)
        # which lets a validation come to its end
        ended = ended or interrupted or ("SIGTERM" if trainer.received_sigterm else "")
    return ended


def _interruption(trainer: L.Trainer, work: Callable[[], object]) -> str:
    """Let a trainer work; return what ended that, Ctrl-C or SIGTERM, or nothing."""
    before = signal.getsignal(signal.SIGINT)
    try:
        work()
    except SIGTERMException:
        return "SIGTERM"
    except SystemExit:  # which Lightning makes of Ctrl-C
        if not trainer.interrupted:
            raise
        return "Ctrl-C"
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise HachimachiError(f"trainer.compile=true: does not work here, take false: {reason}") from error
    finally:
        if threading.current_thread() is threading.main_thread():  # Lightning leaves Ctrl-C ignored after the first
            signal.signal(signal.SIGINT, before)
    return ""


def make_trainer(cfg: DictConfig, **options: Any) -> L.Trainer:
    """Return Lightning's trainer for the devices of a config.

    Raises:
        HachimachiError: A device that is not there, or several machines that do not know of each other.
    """
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in os.environ]
    if cfg.trainer.num_nodes > 1 and missing and not distributed.is_external():
        advice = "start it with torchrun or srun, or set MASTER_ADDR, MASTER_PORT and NODE_RANK"
        raise HachimachiError(f"trainer.num_nodes={cfg.trainer.num_nodes}: {', '.join(missing)} not set; {advice}")
    if cfg.trainer.threads:  # else Lightning gives every one of several processes as many as there are cores for it
        os.environ.setdefault("OMP_NUM_THREADS", str(cfg.trainer.threads))
    together = cfg.trainer.strategy == "ddp" or distributed.count(cfg) > 1
    try:
        return L.Trainer(
            accelerator=_accelerator(cfg.trainer.accelerator),
            devices=cfg.trainer.devices,
            num_nodes=cfg.trainer.num_nodes,
            # buffers are the same in all processes, for all have the scores of what is held out
            strategy=DDPStrategy(broadcast_buffers=False) if together else "auto",
            plugins=[] if distributed.is_external() else [LightningEnvironment()],
            precision=cfg.trainer.precision,
            gradient_clip_val=cfg.trainer.gradient_clip_val or None,
            deterministic=cfg.trainer.deterministic,
            detect_anomaly=cfg.trainer.detect_anomaly,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # windows are shared out already, and so is what is held out
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
    except (MisconfigurationException, RuntimeError, ValueError, ImportError) as error:
        wanted = f"trainer.accelerator={cfg.trainer.accelerator} trainer.devices={cfg.trainer.devices}"
        raise HachimachiError(f"{wanted}: not on this machine; `hxmx devices` lists what is") from error


def _accelerator(name: str) -> str:
    """Return what `auto` stands for: never the GPU of a Mac, which lacks the double precision that times need."""
    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning and PyTorch advertise and the user cannot act on."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning|torch")
            warnings.filterwarnings("default", "Error detected in")  # where an anomaly began, if one is looked for
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
