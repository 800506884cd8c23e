"""Lightning's trainer as a config describes it, run quietly, ended gently."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import DataLoader

from hachimachi.errors import HachimachiError
from hachimachi.training import distributed
from hachimachi.training.callbacks import SameBatches, make_profiler
from hachimachi.training.config.defaults import COLLECTION
from hachimachi.training.data import EventDataModule
from hachimachi.training.distributed import Together
from hachimachi.training.interruption import LastCheckpoint
from hachimachi.training.limits import Clock, Limits, Pace
from hachimachi.training.module import EventModule

SAVE_EVERY = timedelta(seconds=30)
"""Time between two checkpoints to resume from."""


def speaks() -> bool:
    """Return whether this process is the one of several that prints and writes."""
    return getattr(rank_zero_only, "rank", 0) == 0


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
    """Train; return what ended it before its time, Ctrl-C or SIGTERM, or nothing.

    Args:
        cfg: The whole config.
        data: What to learn from, set up.
        module: What learns.
        callbacks: Called besides early stopping and checkpoints.
        limits: When to end.
        folder: Where logs and checkpoints go.

    Raises:
        HachimachiError: A device that is not there.
    """
    last = folder / "checkpoints" / "last.ckpt"
    together = Together(limits.minutes) if distributed.count(cfg) > 1 else None
    if together:
        callbacks = [*callbacks, together]
    elif limits.minutes:
        callbacks = [*callbacks, Clock(timedelta(minutes=limits.minutes), verbose=False)]
    if data.valid:
        patience, delta = cfg.callbacks.patience, cfg.callbacks.min_delta
        stopping = {"patience": patience, "min_delta": delta, "check_on_train_epoch_end": False}
        callbacks = [*callbacks, EarlyStopping("val/nll", strict=False, **stopping)]
    if cfg.trainer.overfit_batches:
        callbacks = [*callbacks, SameBatches()]
    pace = Pace.of(cfg, data)
    options = {
        "max_epochs": limits.epochs or -1,
        "max_steps": limits.steps or -1,
        "check_val_every_n_epoch": pace.epochs,
        "val_check_interval": pace.batches,
        "callbacks": [*callbacks, LastCheckpoint(last, SAVE_EVERY)],
        "logger": _loggers(cfg.logger.name, folder),
        "limit_train_batches": cfg.trainer.overfit_batches or None,
        "profiler": make_profiler(cfg.trainer.profiler, folder),
        "default_root_dir": folder,
    }
    trainer = _trainer(cfg, **options)
    with _interrupts(trainer) as ended, _compiling():
        trainer.fit(module, datamodule=data, ckpt_path=cfg.ckpt_path, weights_only=True)
    if not ended:
        trainer.save_checkpoint(last)
    return together.ended if together else "".join(ended)


def fit_on(
    cfg: DictConfig, data: DataLoader[Tensor], module: EventModule, callbacks: list[L.Callback], steps: int
) -> str:
    """Train for so many steps and validate nothing; return as :func:`fit`.

    Args:
        cfg: The whole config.
        data: Batches of windows.
        module: What learns.
        callbacks: Called in training.
        steps: Optimizer steps.
    """
    together = Together(None) if distributed.count(cfg) > 1 else None
    options = {"max_epochs": -1, "max_steps": steps, "callbacks": [*callbacks, *([together] if together else [])]}
    trainer = _trainer(cfg, **options, logger=False, enable_checkpointing=False)
    with _interrupts(trainer) as ended:
        trainer.fit(module, data)
    return together.ended if together else "".join(ended)


def _trainer(cfg: DictConfig, **options: Any) -> L.Trainer:
    if cfg.trainer.threads:  # else Lightning gives every one of several processes as many as there are cores for it
        os.environ.setdefault("OMP_NUM_THREADS", str(cfg.trainer.threads))
    try:
        return L.Trainer(
            accelerator=_accelerator(cfg.trainer.accelerator),
            devices=cfg.trainer.devices,
            num_nodes=cfg.trainer.num_nodes,
            strategy=_strategy(cfg),
            plugins=[LightningEnvironment()] if distributed.is_ours() or not distributed.is_started() else [],
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


def _strategy(cfg: DictConfig) -> str | Strategy:
    """Return how processes share the work; buffers are the same in all, for all see what is held out together."""
    if cfg.trainer.strategy == "fsdp":
        return ModelParallelStrategy(distributed.count(cfg), 1, save_distributed_checkpoint=False)
    return (
        DDPStrategy(broadcast_buffers=False) if cfg.trainer.strategy == "ddp" or distributed.count(cfg) > 1 else "auto"
    )


def _accelerator(name: str) -> str:
    """Return what `auto` stands for: never the GPU of a Mac, which lacks the double precision that times need."""
    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def _loggers(names: str | Sequence[str], folder: Path) -> list[Logger]:
    found: list[Logger] = []
    if "tensorboard" in names:
        found.append(TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False))
    if "csv" in names:
        found.append(CSVLogger(folder, name="", version="csv"))
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep from the screen what Lightning and PyTorch advertise and the user cannot act on."""
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


@contextlib.contextmanager
def _compiling() -> Iterator[None]:
    """Say in one line that kernels cannot be made here."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise HachimachiError(f"trainer.compile=true: does not work here, take false: {reason}") from error


@contextlib.contextmanager
def _interrupts(trainer: L.Trainer) -> Iterator[list[str]]:
    """Yield a list to which is added what ended the training from outside, of which Lightning makes an exit."""
    ended: list[str] = []
    with _own_interrupt():
        try:
            yield ended
        except SIGTERMException:
            ended.append("SIGTERM")
        except SystemExit:
            if not trainer.interrupted:
                raise
            ended.append("Ctrl-C")


@contextlib.contextmanager
def _own_interrupt() -> Iterator[None]:
    """Give Ctrl-C back: Lightning leaves it ignored after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
