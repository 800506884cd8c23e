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
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from omegaconf import DictConfig

from hachimachi.errors import HachimachiError
from hachimachi.training.data import EventDataModule
from hachimachi.training.module import EventModule

STEPS = 60
"""Steps of training where nothing is held out to stop by."""
MINUTES = (0.75, 15.0)
"""Least and most time that a run takes unless it is told; in between it grows with the data."""
SAVE_EVERY = timedelta(seconds=30)
"""Time between two checkpoints to resume from."""


def budget(cfg: DictConfig, data: EventDataModule) -> float:
    """Return the minutes after which a run ends even if it still improves."""
    if cfg.trainer.max_minutes is not None:
        return float(cfg.trainer.max_minutes)
    return min(MINUTES[1], MINUTES[0] * max(1.0, data.events / 5000) ** 0.6)


def fit(cfg: DictConfig, data: EventDataModule, module: EventModule, callbacks: list[L.Callback], folder: Path) -> bool:
    """Train; return whether Ctrl-C ended it.

    Args:
        cfg: The whole config.
        data: What to learn from, set up.
        module: What learns.
        callbacks: Called besides early stopping and checkpoints.
        folder: Where logs and checkpoints go.

    Raises:
        HachimachiError: A checkpoint to resume from that does not fit, or a device that is not there.
    """
    last = folder / "checkpoints" / "last.ckpt"
    checkpoint = ModelCheckpoint(
        last.parent, last.stem, train_time_interval=SAVE_EVERY, enable_version_counter=False, save_top_k=1
    )
    stopping = EarlyStopping(
        "val/nll", patience=cfg.callbacks.patience, min_delta=cfg.callbacks.min_delta, strict=False
    )
    trainer = _trainer(cfg, data, [*callbacks, checkpoint, *([stopping] if data.valid else [])], folder)
    try:
        with _own_interrupt():
            trainer.fit(module, datamodule=data, ckpt_path=cfg.ckpt_path, weights_only=True)
    except SystemExit:  # what Lightning makes of Ctrl-C
        if not trainer.interrupted:
            raise
        return True
    except (KeyError, RuntimeError, AttributeError) as error:
        if cfg.ckpt_path and not trainer.global_step:
            reason = str(error).splitlines()[0]
            raise HachimachiError(f"ckpt_path={cfg.ckpt_path}: does not fit this config ({reason})") from error
        raise
    trainer.save_checkpoint(last)
    return False


def _trainer(cfg: DictConfig, data: EventDataModule, callbacks: list[L.Callback], folder: Path) -> L.Trainer:
    limited = cfg.trainer.max_epochs is not None or cfg.trainer.max_steps >= 0
    steps = cfg.trainer.max_steps if limited or data.valid else STEPS
    timed = cfg.trainer.max_minutes is not None or not limited
    try:
        return L.Trainer(
            accelerator=cfg.trainer.accelerator,
            devices=cfg.trainer.devices,
            precision=cfg.trainer.precision,
            max_epochs=cfg.trainer.max_epochs if cfg.trainer.max_epochs is not None else -1,
            max_steps=steps,
            max_time=timedelta(minutes=budget(cfg, data)) if timed else None,
            gradient_clip_val=cfg.trainer.gradient_clip_val or None,
            check_val_every_n_epoch=cfg.trainer.check_val_every_n_epoch,
            deterministic=cfg.trainer.deterministic,
            callbacks=callbacks,
            logger=_logger(cfg.logger.name, folder),
            default_root_dir=folder,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (RuntimeError, ValueError) as error:
        raise HachimachiError(f"trainer.accelerator={cfg.trainer.accelerator}: {str(error).splitlines()[0]}") from error


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
