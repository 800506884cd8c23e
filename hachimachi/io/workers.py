"""One function over many items on all cores, in processes of their own.

A process that dies takes one item with it and no more, which a `concurrent.futures.ProcessPoolExecutor` does not
promise; and the program that calls needs no ``if __name__ == "__main__"``, for its own module is not imported again.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Process = subprocess.Popen[bytes]

_FROM = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer)"
_START = f"{_FROM}; from hachimachi.io.workers import serve; serve()"
_READY = b"ready\n"
# each has a core of its own: threads of linear algebra would only be in each other's way
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(
    function: Callable[[Item], Result], items: Iterable[Item], lost: Callable[[Item, str], Result], count: int
) -> Generator[Result]:
    """Give ``function(item)`` for each item, in their order. To close the iterator ends the processes at once.

    Args:
        function: Of a module's top level; it should return what is wrong, for an exception is the end of its process.
        items: What can be pickled.
        lost: From an item whose process died, and how it died, to what stands for its result.
        count: How many processes. Where none can be started, the work is done here.
    """
    team = _Team(function, lost, count)
    threads = ThreadPoolExecutor(count)
    try:
        yield from threads.map(team.ask, items)
    finally:  # after Ctrl-C too
        team.dismiss()
        threads.shutdown(cancel_futures=True)
        team.close()


def serve() -> None:
    """Be such a process: answer what comes through the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints must not come between the answers
    answers.write(_READY)
    answers.flush()
    while True:
        try:
            function, item = pickle.load(requests)
        except EOFError:
            return
        answer = pickle.dumps(function(item), protocol=5)
        sys.stdout.flush()  # once all is answered it may be ended at any moment
        answers.write(answer)
        answers.flush()


class _Team:
    """Processes, each of which works for one thread at a time."""

    def __init__(self, function: Callable[[Any], Any], lost: Callable[[Any, str], Any], count: int) -> None:
        self.function, self.lost = function, lost
        self.closed, self.can_start, self.lock = False, bool(sys.executable), threading.Lock()
        self.started: list[Process] = []
        self.idle: SimpleQueue[Process | None] = SimpleQueue()
        for _ in range(count):
            self.idle.put(None)

    def ask(self, item: Any) -> Any:
        """Have one item worked on, by whoever is idle."""
        process = self.idle.get()
        try:
            process = process or self._start()
            return self.function(item) if process is None else self._exchange(process, item)
        except (EOFError, OSError, pickle.UnpicklingError):
            if process is None:  # the function's own
                raise
            how, process = _tell_end(process), None
            return self.lost(item, how)
        finally:
            self.idle.put(process)

    def dismiss(self) -> None:
        """End all processes, in the middle of what they do."""
        with self.lock:
            self.closed = True
            for process in self.started:
                process.kill()

    def close(self) -> None:
        """Give back what the processes took; nobody asks any more."""
        for process in self.started:
            process.wait()
            for pipe in (_stdin(process), _stdout(process)):
                with suppress(OSError):  # what was still to be sent
                    pipe.close()

    def _start(self) -> Process | None:
        try:
            with self.lock:
                if self.closed:
                    raise CancelledError
                process = _open() if self.can_start else None
                self.started += [process] if process else []
            if process and _greet(process):
                return process
        except OSError:
            pass
        if self.closed:  # while it started
            raise CancelledError
        self.can_start = False
        return None

    def _exchange(self, process: Process, item: Any) -> Any:
        pickle.dump((self.function, item), _stdin(process))
        _stdin(process).flush()
        return pickle.load(_stdout(process))


def _open() -> Process:
    """Start a process that the Ctrl-C of a terminal does not reach: whoever started it ends it."""
    return subprocess.Popen(
        [sys.executable, "-c", _START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **_ALONE},
        start_new_session=os.name != "nt",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _greet(process: Process) -> bool:
    """Tell a process where to find everything; return whether it is ready."""
    pickle.dump(sys.path, _stdin(process))
    _stdin(process).flush()
    return _stdout(process).readline() == _READY


def _stdin(process: Process) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def _stdout(process: Process) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _tell_end(process: Process) -> str:
    """Say how a process ended that answers no more."""
    try:
        status = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    return f"killed by signal {-status}" if status < 0 else f"ended with status {status}"
