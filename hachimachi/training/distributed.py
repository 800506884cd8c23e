"""Several processes that learn together: starting them, ending them together, knowing which one this is.

Each process runs the same command, ``python -m hachimachi.cli train …``, and learns from its share. The one that the
user called starts them and waits; torchrun or SLURM start them without it.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lightning as L
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from hachimachi.checkpoint import describe
from hachimachi.errors import HachimachiError
from hachimachi.models.event_model import EventModel

FOLDER, SWEEP = "HXMX_FOLDER", "HXMX_SWEEP"
"""Environment of a process that another one started: the folder of the run, and that of its sweep if it is in one."""
GRACE = 30.0
"""Seconds that further processes have to end after the first one has."""
POLL = 0.1
"""Seconds between two looks at what processes do."""


def rank() -> int:
    """Return which of all processes this is, from 0."""
    return int(os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or 0) if is_started() else 0


def is_started() -> bool:
    """Return whether this process is one of several, started by ours, torchrun or srun."""
    by_slurm = "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    return "LOCAL_RANK" in os.environ or by_slurm


def is_ours() -> bool:
    """Return whether this process was started by :func:`run_together`."""
    return FOLDER in os.environ


def count_here(cfg: DictConfig) -> int:
    """Return how many processes a run wants on this machine: one a device."""
    devices = cfg.trainer.devices
    if devices == "auto":
        import torch

        return max(1, torch.cuda.device_count()) if cfg.trainer.accelerator != "cpu" else 1
    return int(devices) if isinstance(devices, int) else len(devices)


def count(cfg: DictConfig) -> int:
    """Return how many processes a run wants on all machines."""
    return count_here(cfg) * cfg.trainer.num_nodes


def run_together(words: Sequence[str], number: int, nodes: int, folder: Path, sweep: Path | None) -> None:
    """Run `hxmx` with the same words in several processes, and wait until all have ended.

    When one fails the others are ended; when this process is interrupted the first of them is told to stop, which stops
    them all at the same step, and a second interruption ends them at once. When this process is no more they stop too.

    Args:
        words: After `hxmx`.
        number: Processes on this machine.
        nodes: Machines; with several, `MASTER_ADDR`, `MASTER_PORT` and `NODE_RANK` say which one this is.
        folder: Of the run; what a process writes to its standard error goes there.
        sweep: Of the sweep that the run is a job of.

    Raises:
        HachimachiError: A process ended by itself, and what it said; several machines but not which one this is.
        KeyboardInterrupt: It was interrupted, and has ended well.
    """
    common = _environment(number, nodes, folder, sweep)
    node = int(common["NODE_RANK"])
    started: list[subprocess.Popen[Any]] = []
    try:
        for local in range(number):
            mine = {"LOCAL_RANK": str(local), "RANK": str(node * number + local)}
            started.append(_start(words, {**os.environ, **common, **mine}, _log(folder, node * number + local)))
        with _signals_interrupt():
            _wait(started, folder, node * number)
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()
        for place in range(number):
            if (log := _log(folder, node * number + place)).is_file() and log.stat().st_size == 0:
                log.unlink()


def prepare_process() -> list[str]:
    """Prepare this process for being one of several; return words that keep Hydra from making folders twice."""
    if is_ours():
        _follow_starter()
    return ["hydra.run.dir=.", "hydra.output_subdir=null"] if rank() > 0 and not is_ours() else []


def _follow_starter() -> None:
    """Interrupt this process when the one that started it says so, or is no more."""

    def listen() -> None:
        said = os.read(0, 1)  # not sys.stdin, whose lock a thread must not hold when Python ends
        _thread.interrupt_main(signal.Signals(said[0]) if said else signal.SIGTERM)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)  # a thread cannot make the system's own handler act
    threading.Thread(target=listen, daemon=True).start()


def _environment(number: int, nodes: int, folder: Path, sweep: Path | None) -> dict[str, str]:
    lacking = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in os.environ]
    if nodes > 1 and lacking:
        advice = "start it with torchrun or srun, or set MASTER_ADDR, MASTER_PORT and NODE_RANK"
        raise HachimachiError(f"trainer.num_nodes={nodes}: {', '.join(lacking)} not set; {advice}")
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    given = {name: os.environ[name] for name in here} if nodes > 1 else here
    told = {FOLDER: str(folder.absolute())} | ({SWEEP: str(sweep.absolute())} if sweep else {})
    return {**given, **told, "WORLD_SIZE": str(number * nodes)}


def _start(words: Sequence[str], environment: dict[str, str], log: Path) -> subprocess.Popen[Any]:
    """Start one process, out of reach of the terminal's Ctrl-C."""
    apart: dict[str, Any] = (
        {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        if os.name == "nt"
        else {"start_new_session": True}
    )
    command = [sys.executable, "-m", "hachimachi.cli", *words]
    with log.open("wb") as errors:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": _output(), "stderr": errors}
        return subprocess.Popen(command, env=environment, **pipes, **apart)


def _output() -> int | None:
    """Return what print writes to here, for a process to write to it too: the log of a job, or the screen."""
    try:
        return sys.stdout.fileno()
    except OSError:
        return None


def _wait(started: Sequence[subprocess.Popen[Any]], folder: Path, first: int) -> None:
    """Wait until all have ended well.

    Raises:
        HachimachiError: One has not.
        KeyboardInterrupt: This process was interrupted; the first of the others has ended since.
    """
    interrupted: KeyboardInterrupt | None = None
    waited = 0.0
    while any(process.poll() is None for process in started) and waited < (POLL if interrupted else GRACE):
        failed = next((place for place, process in enumerate(started) if process.poll()), None)
        if failed is not None and interrupted is None:
            raise HachimachiError(_explain(started[failed], folder, first + failed, len(started)))
        waited += POLL if started[0].poll() is not None else 0.0
        try:
            _first_of(started).wait(POLL)
        except subprocess.TimeoutExpired:
            continue
        except KeyboardInterrupt as error:
            if interrupted:
                raise
            interrupted = error
            _tell(started[0], error)
    if interrupted:
        raise interrupted
    failed = next((place for place, process in enumerate(started) if process.poll()), None)
    if failed is not None:
        raise HachimachiError(_explain(started[failed], folder, first + failed, len(started)))


def _first_of(started: Sequence[subprocess.Popen[Any]]) -> subprocess.Popen[Any]:
    return next((process for process in started if process.poll() is None), started[0])


def _tell(process: subprocess.Popen[Any], interrupted: KeyboardInterrupt) -> None:
    """Tell a process what to be interrupted by."""
    assert process.stdin is not None
    try:
        process.stdin.write(bytes([interrupted.args[0] if interrupted.args else signal.SIGINT]))
        process.stdin.flush()
    except OSError:
        return  # it has ended


def _explain(process: subprocess.Popen[Any], folder: Path, place: int, number: int) -> str:
    """Say why a process ended: the last line it wrote, or by which signal."""
    log = _log(folder, place)
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if said.startswith("hxmx: "):
        return said.removeprefix("hxmx: ")
    code = process.returncode
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else said or f"ended with status {code}"
    return f"process {place} of {number} {how}; the others were ended" + (f"; see {log}" if said else "")


def _log(folder: Path, place: int) -> Path:
    return folder / f"process-{place}.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Have SIGTERM and a closed terminal interrupt, as Ctrl-C does."""

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


Said = TypeVar("Said")
ENDS = ("", "time", "Ctrl-C", "SIGTERM")
"""What may end a run, as it is told to the others: by its place."""


class Together(L.Callback):
    """Ends all processes at the same step: the first one's clock and what interrupts it count for all.

    One process that left alone, as Lightning has it do at Ctrl-C, would let the others wait for it for ever.

    Args:
        minutes: After which training ends; ``None`` for never.
    """

    def __init__(self, minutes: float | None) -> None:
        self.due = minutes * 60 if minutes else None
        self.started, self.asked = time.monotonic(), 0
        self.ended = ""
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Begin to count, and to listen; from here on each process draws its own variations and dropout.

        A run that goes on draws others than it began with, for a checkpoint has the random numbers of one process.
        """
        self.started = time.monotonic()
        torch.manual_seed(torch.initial_seed() + trainer.global_rank + trainer.world_size * trainer.global_step)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._ask)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Hear what the first process says, and do it."""
        late = self.due is not None and time.monotonic() - self.started >= self.due
        said = torch.tensor(self.asked or int(late), device=trainer.strategy.root_device)
        torch.distributed.broadcast(said, 0)
        if end := ENDS[int(said)]:
            self.ended = "" if end == "time" else end
            trainer.should_stop = True

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Listen no more."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before.clear()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Listen no more."""
        self.on_train_end(trainer, pl_module)

    def _ask(self, number: int, _: object) -> None:
        self.asked = ENDS.index("Ctrl-C" if number == signal.SIGINT else "SIGTERM")


def agree(said: Said) -> Said:
    """Return what the first of all processes says, once all have come here."""
    if not torch.distributed.is_initialized():
        return said
    told = [said]
    torch.distributed.broadcast_object_list(told, 0)
    return told[0]


def shard(models: Iterable[EventModel], devices: DeviceMesh) -> None:
    """Spread each model over devices, in place. What they are asked for is gathered while they compute it."""
    for model in models:
        fully_shard(model, mesh=devices)
        register_fsdp_forward_method(model, "log_prob")


def is_sharded(model: EventModel) -> bool:
    """Return whether this process holds a part of each weight only."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def full(tensor: Tensor) -> Tensor:
    """Return a tensor whole, on each of the processes, which have to ask together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gather(model: EventModel) -> EventModel:
    """Return a model with all of its weights: itself, or a copy on the CPU. All processes have to ask together."""
    if not is_sharded(model):
        return model
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    whole = EventModel(model.columns, **json.loads(describe(model))["parts"])
    if state:  # the first process gets them
        whole.load_state_dict(state)
    whole.summary, whole.grams = model.summary, model.grams
    return whole
