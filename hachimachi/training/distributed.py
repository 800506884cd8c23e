"""Several processes that learn together: which one this is, what they agree on, and how they end.

On one machine Lightning starts a process for each further device; torchrun and SLURM start all of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import Any, TypeVar

import lightning as L
import torch
from omegaconf import DictConfig

from hachimachi.errors import HachimachiError

Value = TypeVar("Value")
GRACE = 30.0  # seconds that further processes have to end after the first one has


def _by_slurm() -> bool:
    # a batch script that is not run by srun has SLURM_PROCID too
    return "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def is_external() -> bool:
    """Return whether torchrun or srun started this process, as one of several."""
    return "RANK" in os.environ or _by_slurm()


def is_started() -> bool:
    """Return whether this process is one of several, started by Lightning, torchrun or srun."""
    return "LOCAL_RANK" in os.environ or _by_slurm()


def is_first() -> bool:
    """Return whether this process is the one of several that prints and writes."""
    if is_external():
        return int(os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or 0) == 0
    node = os.environ.get("NODE_RANK", "0") if "MASTER_ADDR" in os.environ else "0"
    return int(node) == int(os.environ.get("LOCAL_RANK", "0")) == 0


def count(cfg: DictConfig) -> int:
    """Return how many processes a run wants on all machines: one a device."""
    here = cfg.trainer.devices
    if here == "auto":
        here = max(1, torch.cuda.device_count()) if cfg.trainer.accelerator != "cpu" else 1
    return (here if isinstance(here, int) else len(here)) * cfg.trainer.num_nodes


def agree(value: Value) -> Value:
    """Return the value of the first of all processes, once all have come here."""
    if not torch.distributed.is_initialized():
        return value
    values = [value]
    torch.distributed.broadcast_object_list(values, 0)
    return values[0]


class LaunchedProcesses(L.Callback):
    """The processes that Lightning starts for one run, ``number`` in all; on leaving this context they have ended.

    What Lightning left in the environment is taken back, so that another run can follow in this process. Leaving
    raises `HachimachiError` where another process was lost.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.observed: list[subprocess.Popen[Any]] = []
        self.processes: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> LaunchedProcesses:
        self.environment = dict(os.environ)

        def end_with(parent: int) -> None:  # it would wait for its message for half an hour
            while os.getppid() == parent:
                time.sleep(1.0)
            os._exit(1)

        if not is_first():
            threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
        return self

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Find the processes."""
        if not self.processes:  # a second trainer finds them started
            self.observed = getattr(trainer.strategy.launcher, "procs", [])
            self.processes = list(self.observed)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Keep Lightning from killing this process, as it does when one of the others fails: there is more to say."""
        self.observed.clear()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.observed.clear()
        deadline = time.monotonic() + (GRACE if error is None else 1.0)
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        failed = [(i, each.returncode) for i, each in enumerate(self.processes, start=1) if each.returncode]
        for process in self.processes:
            process.kill()
            process.wait()
        if "LOCAL_RANK" not in self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
        if isinstance(error, HachimachiError) or not isinstance(error, Exception):
            return
        if failed:
            rank, code = failed[0]
            reason = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
            raise HachimachiError(f"process {rank} of {self.number} {reason}; the others were ended") from error
        if "Connection closed" in str(error) or "onnection reset" in str(error):
            raise HachimachiError("another process of this run was ended, and so is this one") from error
