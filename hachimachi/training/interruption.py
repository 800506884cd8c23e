"""Ending a run between two steps, and the checkpoint from which it goes on as if it had not ended."""

from __future__ import annotations

import json
import math
import random
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from hachimachi.checkpoint import SPEC, WEIGHTS, pick
from hachimachi.errors import HachimachiError, count
from hachimachi.models.event_model import EventModel
from hachimachi.training.data import EventDataModule
from hachimachi.training.runs import flatten

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
ENDS = ("", "time", *NAMES.values())  # what may end a run of several processes, sent by its index


class StopGracefully(L.Callback):
    """Ends a run between two steps after Ctrl-C or SIGTERM, and after the validation if one is due.

    A second Ctrl-C ends it at once. Several processes end at the same step, for the others would wait for ever for one
    that left alone: what interrupts the first one counts for all, and so does its clock, where ``minutes`` limit it.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self.reason = ""  # what ended the run, Ctrl-C or SIGTERM, or nothing
        self.requested = ""  # what is to end it
        self.minutes, self.started = minutes, time.monotonic()
        self.before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Start the clock, handle the signals, and seed each of several processes for draws of its own. A run of
        several that goes on draws others than it began with: a checkpoint has the random numbers of one."""
        self.started = time.monotonic()
        if trainer.world_size > 1:
            torch.manual_seed(torch.initial_seed() + trainer.global_rank + trainer.world_size * trainer.global_step)
        if threading.current_thread() is threading.main_thread():
            self.before = {each: signal.signal(each, self._receive) for each in NAMES}

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        """Have Lightning stop when all that belongs to this step is done."""
        if trainer.world_size == 1:
            self._set_stopping(trainer, self.requested)
            return
        late = self.minutes is not None and time.monotonic() - self.started >= self.minutes * 60
        end = torch.tensor(ENDS.index(self.requested) or int(late), device=trainer.strategy.root_device)
        torch.distributed.broadcast(end, 0)
        if ended := ENDS[int(end)]:
            self.reason = "" if ended == "time" else ended
            trainer.should_stop = True

    def on_validation_start(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        """Let a validation come to its end: half of one is no score."""
        if trainer.world_size == 1:
            self._set_stopping(trainer, "")

    def on_validation_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        """Have Lightning stop after it."""
        if trainer.world_size == 1:
            self._set_stopping(trainer, self.requested)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Handle the signals as before."""
        while self.before:
            signal.signal(*self.before.popitem())

    on_exception = on_train_end

    def _set_stopping(self, trainer: L.Trainer, reason: str) -> None:
        self.reason = reason
        # as Lightning tells itself after SIGTERM
        trainer._signal_connector.received_sigterm = bool(reason)  # pyright: ignore[reportPrivateUsage]

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  (of signal)
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = self.requested or NAMES[signal.Signals(number)]


class LastCheckpoint(Checkpoint):
    """Writes from time to time the checkpoint to resume from, between two steps with nothing left to be done."""

    def __init__(self, path: Path, every: timedelta) -> None:
        self.path, self.every, self.written = path, every.total_seconds(), time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        """Write where it is time and nothing is due."""
        due = (trainer.fit_loop.total_batch_idx + 1) % (trainer.val_check_batch or math.inf) == 0
        if not due and not trainer.is_last_batch:
            self._write_in_time(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        """Write where it is time: epochs of short pieces are a step or two."""
        self._write_in_time(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Write after SIGTERM; after anything else only if there is none yet and no other process to wait for."""
        if isinstance(exception, SIGTERMException) or (trainer.world_size == 1 and not self.path.is_file()):
            self.write(trainer)

    def write(self, trainer: L.Trainer) -> None:
        """Write it beside the last one, in whose place it comes whole."""
        beside = self.path.with_name(f".{self.path.name}")
        trainer.save_checkpoint(beside)  # all processes take part
        if trainer.is_global_zero:
            beside.replace(self.path)

    def _write_in_time(self, trainer: L.Trainer) -> None:
        if trainer.strategy.broadcast(time.monotonic() - self.written >= self.every):
            self.write(trainer)
            self.written = time.monotonic()


class ResumeState(L.Callback):
    """Keeps, in a checkpoint, which batch comes next and the state of every random number generator.

    Lightning keeps the rest: on the CPU and in one process a run that goes on ends in the same weights, to the bit. It
    stands first among the callbacks, for what comes after it may draw.
    """

    def __init__(self, data: EventDataModule) -> None:
        self.data = data
        self.epoch, self.batch = data.position
        self.random: dict[str, Any] | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin the next epoch where the last one was over: under a limit of steps Lightning would leave it out."""
        epochs = trainer.fit_loop.epoch_progress.current
        if self.random is not None and epochs.ready == epochs.completed:
            trainer.fit_loop.epoch_loop.restarting = False

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        """Restore the generators once, after all that draws in preparing; several processes would all draw the same."""
        if self.random is None or trainer.world_size > 1:
            return
        torch.set_rng_state(self.random["torch"].cpu())
        kind, keys, *rest = self.random["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
        version, numbers, gauss = self.random["python"]
        random.setstate((version, tuple(numbers), gauss))
        if len(self.random.get("cuda", ())) == torch.cuda.device_count() > 0:
            torch.cuda.set_rng_state_all([state.cpu() for state in self.random["cuda"]])
        # a loader draws a seed as each epoch begins, and this one drew before the restoring; one whose workers stay
        # draws once
        if self.batch == 0 and not self.data.num_workers:
            torch.empty((), dtype=torch.int64).random_()
        self.random = None

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        """Count batches and epochs."""
        self.epoch, self.batch = (self.epoch + 1, 0) if trainer.is_last_batch else (self.epoch, self.batch + 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the data and the states of the generators, as tensors and numbers."""
        kind, keys, *rest = np.random.get_state(legacy=True)
        numpy = (kind, np.asarray(keys).tolist(), *rest)
        states = {"torch": torch.get_rng_state(), "numpy": numpy, "python": random.getstate()}
        if torch.cuda.is_available():
            states["cuda"] = torch.cuda.get_rng_state_all()
        return {"epoch": self.epoch, "batch": self.batch, "random": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the position, and keep the states until training starts."""
        self.data.position = self.epoch, self.batch = state_dict["epoch"], state_dict["batch"]
        self.random = state_dict["random"]


OTHER = "its data was another, or was held out otherwise; init=MODEL.pt begins with a model, on any data"


def check_checkpoint(path: str, model: EventModel, max_epochs: int | None) -> int:
    """Return the steps of a checkpoint. Raises `HachimachiError`: A file that is missing or no checkpoint, one of
    another model, data or seed than the model's and those of its summary, or one that has no epochs left to do."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise HachimachiError(f"ckpt_path={path}: no such file; expected a checkpoint to go on from") from error
    except Exception as error:  # of any kind, see `read_model`
        raise HachimachiError(f"ckpt_path={path}: damaged, or not a checkpoint (.ckpt)") from error
    if not isinstance(content, dict) or not {SPEC, "state_dict", "optimizer_states", "epoch"} <= set(content):
        found = "not a checkpoint to go on from; expected the checkpoints/last.ckpt of a run"
        raise HachimachiError(f"ckpt_path={path}: {found}")
    if f"{WEIGHTS}first" in content["state_dict"]:  # a name that has changed since
        found = "a checkpoint of an earlier hachimachi; it plays, but training cannot go on from it"
        raise HachimachiError(f"ckpt_path={path}: {found}; train again")
    states = pick(content["state_dict"], WEIGHTS), model.state_dict()
    shapes, expected = ({name: tuple(weight.shape) for name, weight in state.items()} for state in states)
    spec = json.loads(content[SPEC])
    was, now = (_identity(*each) for each in ((spec["parts"], spec["summary"]), (model.parts, model.summary)))
    key = next((key for key in now if was.get(key) is not None and was[key] != now[key]), "data")
    if shapes != expected or key != "data":
        own = f"it has {key.removesuffix('.name')}={was.get(key)}, not {now.get(key)}"
        found = OTHER if key.startswith("data") else own
        raise HachimachiError(f"ckpt_path={path}: does not fit this run: {found}")
    if max_epochs is not None and content["epoch"] >= max_epochs:
        wanted = f"expected trainer.max_epochs above that, found {max_epochs}"
        raise HachimachiError(f"ckpt_path={path}: has had {count(content['epoch'], 'epoch')} already; {wanted}")
    return int(content["global_step"])


def _identity(parts: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """Return what a run that goes on has to share with what it goes on from, by keys of the config."""
    data, config = summary.get("data", {}), summary.get("config", {})
    known = {"model": parts["backbone"], "head": parts["head"], "seed": config.get("seed")}
    known = dict(flatten(known | {"data": {key: data.get(key) for key in ("fingerprint", "events")}}))
    return {key: known[key] for key in sorted(known, key=lambda key: not key.endswith(".name"))}
