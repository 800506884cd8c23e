"""A program at the other end of `hxmx run`, and the process of the model."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import build_msg


class Patch:
    """A program at the other end, and the process of the model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(60)
        self.port: int = self.socket.getsockname()[1]
        self.model: tuple[str, int] = ("127.0.0.1", 0)
        self.screen = ""

    def start(self, model: Path, *options: str) -> None:
        words = ["run", str(model), "--in-port", "0", "--out-port", str(self.port), *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hachimachi.cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.hear() == ["/status", "ready", 1]
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.screen += line
            if found := re.search(r"hears +127\.0\.0\.1:(\d+)", line):
                self.model = ("127.0.0.1", int(found[1]))
            if line.startswith("end"):
                break

    def hear(self) -> list[Any]:
        message = OscMessage(self.socket.recv(65_536))
        return [message.address, *message.params]

    def send(self, route: str, *values: Any) -> None:
        self.socket.sendto(build_msg(route, list(values)).dgram, self.model)

    def end(self) -> tuple[int, str]:
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest
