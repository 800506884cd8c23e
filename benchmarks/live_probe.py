"""A program at the other end of the wire: starts what is measured, talks to it and looks at it from outside."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.live.osc import Message, encode, parse

HERE = "127.0.0.1"
PATIENCE = 60.0
"""Seconds to wait for what must come."""
LOST = 1.0
"""Seconds after which an answer is given up."""
Seconds = NDArray[np.float64]


class Probe:
    """A process that answers on a port of its own, and the socket that talks to it.

    Args:
        command: Its command line, after ``python``; IN and OUT stand for the ports.
        folder: Where it runs.
    """

    def __init__(self, *command: str, folder: Path) -> None:
        self.wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.wire.bind((HERE, 0))
        self.wire.setblocking(False)
        out, self.there = self.wire.getsockname()[1], (HERE, _free_port())
        words = [{"IN": str(self.there[1]), "OUT": str(out)}.get(word, word) for word in command]
        self._name = " ".join(words)
        self._log = (folder / f"{self.there[1]}.log").open("w+")
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, stdout=self._log, stderr=subprocess.STDOUT
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        self.ready_after = time.perf_counter() - self.began

    def send(self, route: str, *values: float | str) -> None:
        """Send a message."""
        self.wire.sendto(encode(route, *values), self.there)

    def receive(self, seconds: float) -> bytes | None:
        """Return the next packet, or nothing if none comes for so long."""
        try:
            return self.wire.recv(65_536)
        except BlockingIOError:
            if not select.select([self.wire], [], [], max(seconds, 0.0))[0]:
                return None
        return self.wire.recv(65_536)

    def drain(self, seconds: float = 0.0) -> int:
        """Throw away what comes until nothing has come for so long; return how many outputs that were."""
        count = 0
        while (packet := self.receive(seconds)) is not None:
            count += packet.startswith(b"/output")
        return count

    def round_trips(
        self, rows: Sequence[Sequence[float]], count: int, gap: float, answer: bytes = b"/output"
    ) -> Seconds:
        """Send events one by one, each some time after the answer to the last; return how long the answers took.

        An answer that does not come counts as infinity.
        """
        taken = np.full(count, np.inf)
        for place in range(count):
            time.sleep(gap)
            packet = encode("/input", *rows[place % len(rows)])
            sent = time.perf_counter()
            self.wire.sendto(packet, self.there)
            while (heard := self.receive(sent + LOST - time.perf_counter())) is not None:
                if heard.startswith(answer):
                    taken[place] = time.perf_counter() - sent
                    break
        return taken

    def status(self) -> dict[str, tuple[object, ...]]:
        """Return what it says of itself, by key."""
        self.drain()
        self.send("/status")
        told: dict[str, tuple[object, ...]] = {}
        while "refused" not in told:  # the last thing said
            packet = self.receive(PATIENCE)
            if packet is None:
                raise HachimachiError(f"{self._name}: does not answer /status")
            for message in parse(packet, 0.0, 0.0):
                if isinstance(message, Message) and message.route == "/status":
                    told[str(message.values[0])] = message.values[1:]
        return told

    def count(self, key: str) -> int:
        """Return a number that it says of itself."""
        [value] = self.status()[key]
        return int(str(value))

    def memory(self) -> int:
        """Return how much of it is in memory, in KiB."""
        done = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    def processor_seconds(self) -> float:
        """Return how much of a processor it has used (Linux)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def dropped(self) -> int:
        """Return how many packets the system threw away on the way to it, its buffer being full (Linux)."""
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == self.there[1]:
                return int(fields[-1])
        return 0

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.wire.close()
        self._log.close()

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait_until_ready(self) -> None:
        until = self.began + PATIENCE
        while self.process.poll() is None and time.perf_counter() < until:
            packet = self.receive(0.2)
            if packet is not None and b"ready" in packet:
                return
        self._log.seek(0)
        raise HachimachiError(f"{self._name}: not ready; {self._log.read().strip() or 'no word of why'}")


@contextmanager
def all_cores_busy() -> Iterator[None]:
    """Other processes use every core fully, at least two of them, at the priority of any program."""
    count = max(2, os.cpu_count() or 2)
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(1)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])
