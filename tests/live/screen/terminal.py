"""A terminal for tests: what a process under a pseudo-terminal leaves on the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


class Terminal:
    """Knows as much of a VT100 as rich uses: lines, colours that it leaves out, and the cursor."""

    def __init__(self, width: int = 80, height: int = 24) -> None:
        self.master, self.slave = pty.openpty()
        self.width, self.height = width, height
        self.lines, self.row, self.column, self.cursor = [""], 0, 0, True
        self.raw = b""
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def start(self, code: str, **environment: str) -> subprocess.Popen[bytes]:
        """Run Python code in a process whose terminal this is."""
        kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        told = {**kept, "TERM": "xterm-256color", **environment}
        return subprocess.Popen(
            [sys.executable, "-c", code], stdin=self.slave, stdout=self.slave, stderr=self.slave, env=told
        )

    def until(self, wanted: Callable[[Terminal], bool], seconds: float = 30.0) -> bool:
        """Take in what is written until this holds."""
        end = time.monotonic() + seconds
        while not wanted(self) and time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.take(os.read(self.master, 65_536))
        return wanted(self)

    def take(self, data: bytes) -> None:
        self.raw += data
        text, place = self.raw.decode("utf-8", "ignore"), 0
        self.lines, self.row, self.column = [""], 0, 0
        while place < len(text):
            found = SEQUENCE.match(text, place)
            if found:
                self._obey(*found.groups())
                place = found.end()
            else:
                self._put(text[place])
                place += 1

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)

    def _obey(self, private: str, numbers: str, kind: str) -> None:
        if private and numbers == "25":
            self.cursor = kind == "h"
        elif kind == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif kind == "K" and numbers == "2":
            self.lines[self.row] = ""

    def _put(self, sign: str) -> None:
        if sign == "\r":
            self.column = 0
        elif sign == "\n":
            self.row += 1
            self.lines += [""] * (self.row >= len(self.lines))
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + sign + line[self.column + 1 :]
            self.column += 1
