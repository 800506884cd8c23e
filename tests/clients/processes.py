"""Programs that run beside the test, what they print, and ports for them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PATIENCE = 60.0
"""Seconds after which what has not come will not come."""


class Process:
    """A program that runs, and the lines that it has printed so far."""

    def __init__(self, *words: str | Path, **environment: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=ROOT,
            env={**os.environ, **environment},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._keyboard, self._screen = self._process.stdin, self._process.stdout
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def type(self, text: str) -> None:
        """Write to its standard input."""
        self._keyboard.write(text)
        self._keyboard.flush()

    def said(self, begins: str, since: int = 0) -> list[str]:
        """Return what follows in the lines that begin so, from a line on."""
        return [line.removeprefix(begins) for line in self.lines[since:] if line.startswith(begins)]

    def wait(self, what: str, happened: Callable[[], object]) -> None:
        """Wait until something has happened."""
        until = time.monotonic() + PATIENCE
        while not happened():
            last = "\n".join(line for line in self.lines if not line.startswith("level"))[-2000:]
            assert self._process.poll() is None, f"the program ended before {what}:\n{last}"
            assert time.monotonic() < until, f"in vain waited for {what}:\n{last}"
            time.sleep(0.01)

    def finish(self) -> None:
        """Wait until it ends by itself."""
        self._process.wait(PATIENCE)

    def close(self) -> None:
        """End it, if it has not ended; kindly, for JACK leaves something behind where it is killed."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        with self._keyboard, self._screen:
            pass

    def _read(self) -> None:
        for line in self._screen:
            self.lines.append(line.rstrip())


@contextmanager
def running(*words: str | Path, **environment: str) -> Iterator[Process]:
    """Run a program, and end it."""
    process = Process(*words, **environment)
    try:
        yield process
    finally:
        process.close()


def find_program(name: str, package: str) -> str:
    """Return where a program is, or fail with how to get it."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(
            f"{name} is not here; on Debian and its kin `make clients` installs it, elsewhere see the site of its"
            f" makers (apt-get install --no-install-recommends {package})"
        )
    return found


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]
