"""Lightning's trainer as a config describes it, run quietly, ended gently."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from hachimachi.errors import HachimachiError
from hachimachi.training.data import EventDataModule
from hachimachi.training.limits import Clock, Limits
from hachimachi.training.module import EventModule

SAVE_EVERY = timedelta(seconds=30)
"""Time between two checkpoints to resume from."""


def speaks() -> bool:
    """Return whether this process is the one of several that prints and writes."""
    return getattr(rank_zero_only, "rank", 0) == 0


def fit(
    cfg: DictConfig,
    data: EventDataModule,
    module: EventModule,
    callbacks: list[L.Callback],
    limits: Limits,
    folder: Path,
) -> bool:
    """Train; return whether Ctrl-C ended it.

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
    if limits.minutes:
        callbacks = [*callbacks, Clock(timedelta(minutes=limits.minutes), verbose=False)]
    if data.valid:
        patience, delta = cfg.callbacks.patience, cfg.callbacks.min_delta
        callbacks = [*callbacks, EarlyStopping("val/nll", patience=patience, min_delta=delta, strict=False)]
    trainer = _trainer(cfg, limits, [*callbacks, _checkpoint(last)], folder)
    try:
        with _own_interrupt():
            trainer.fit(module, datamodule=data, ckpt_path=cfg.ckpt_path, weights_only=True)
    except SystemExit:  # what Lightning makes of Ctrl-C
        if not trainer.interrupted:
            raise
        return True
    trainer.save_checkpoint(last)
    return False


def _checkpoint(path: Path) -> ModelCheckpoint:
    every = {"train_time_interval": SAVE_EVERY, "save_on_exception": True}
    return ModelCheckpoint(path.parent, path.stem, enable_version_counter=False, save_top_k=1, **every)


def _trainer(cfg: DictConfig, limits: Limits, callbacks: list[L.Callback], folder: Path) -> L.Trainer:
    try:
        return L.Trainer(
            accelerator=_accelerator(cfg.trainer.accelerator),
            devices=cfg.trainer.devices,
            precision=cfg.trainer.precision,
            max_epochs=limits.epochs or -1,
            max_steps=limits.steps or -1,
            gradient_clip_val=cfg.trainer.gradient_clip_val or None,
            check_val_every_n_epoch=cfg.trainer.check_val_every_n_epoch,
            deterministic=cfg.trainer.deterministic,
            callbacks=callbacks,
            logger=_logger(cfg.logger.name, folder),
            default_root_dir=folder,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # windows are shared out already, and every process scores all held out
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (MisconfigurationException, RuntimeError, ValueError, ImportError) as error:
        wanted = f"trainer.accelerator={cfg.trainer.accelerator} trainer.devices={cfg.trainer.devices}"
        raise HachimachiError(f"{wanted}: not on this machine; `hxmx devices` lists what is") from error


def _accelerator(name: str) -> str:
    """Return what `auto` stands for: never the GPU of a Mac, which lacks the double precision that times need."""
    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def _logger(name: str, folder: Path) -> Logger | bool:
    if name == "tensorboard":
        return TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False)
    return CSVLogger(folder, name="", version="csv") if name == "csv" else False


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
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


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
