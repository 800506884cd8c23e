"""The programs that musicians use, driven as a hand would, at the other end of the real `hxmx run`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from hachimachi.events import EventSequence, Feature

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PATIENCE = 60.0
"""Seconds after which something will not come any more."""


class Process:
    """A program that runs, and what it prints."""

    def __init__(self, *words: str | Path, **environment: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def said(self, begins: str, since: int = 0) -> list[str]:
        """Return the rest of all lines that begin so, from a line on."""
        return [line.removeprefix(begins) for line in self.lines[since:] if line.startswith(begins)]

    def wait(self, what: str, happened: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        until = time.monotonic() + PATIENCE
        while not happened():
            last = "\n".join(self.lines[-30:])
            assert self.process.poll() is None, f"the program ended before {what}:\n{last}"
            assert time.monotonic() < until, f"waited in vain for {what}:\n{last}"
            time.sleep(0.02)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


def find_program(name: str, package: str) -> str:
    """Return where a program is, or fail with how to get it."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not here: `make clients`, or apt-get install --no-install-recommends {package}")
    return found


@contextmanager
def running(*words: str | Path, **environment: str) -> Iterator[Process]:
    """Run a program, and end it."""
    process = Process(*words, **environment)
    try:
        yield process
    finally:
        process.close()


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens, of either kind."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


@pytest.fixture(scope="session")
def notes_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows how often each value occurs and no more, and plays quickly."""
    from hachimachi.checkpoint import save_model
    from hachimachi.models.event_model import build_model

    chance = np.random.default_rng(0)
    features = (Feature("pitch", kind="integer"), Feature("velocity", kind="integer"), Feature("duration", masked=True))
    columns = [chance.integers(48, 72, 300), chance.integers(40, 100, 300), chance.uniform(0.05, 0.3, 300)]
    events = EventSequence(features, np.column_stack(columns), np.cumsum(chance.exponential(0.05, 300)))
    path = tmp_path_factory.mktemp("models") / "notes.pt"
    save_model(build_model([events]), path)
    return path


@pytest.fixture
def ports(notes_model: Path) -> Iterator[tuple[int, int]]:
    """The ports on which the real `hxmx run` hears and plays."""
    hears, plays = free_ports(2)
    options = ["--in-port", str(hears), "--out-port", str(plays), "--seed", "1"]
    with running(
        sys.executable, "-m", "hachimachi.cli", "run", notes_model, *options, PYTHONUNBUFFERED="1"
    ) as process:
        process.wait("hxmx run to be ready", lambda: any(line.startswith("end") for line in process.lines))
        yield hears, plays
