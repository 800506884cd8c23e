"""A real browser, headless, on a real `hxmx run --web`."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import build_msg

from hachimachi.live.osc import encode

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
START = "import('/page/main.js').then(page => { Object.assign(window, page); })"


def find_chromium() -> str:
    """Return where the browser is; skip, saying how to get it, where there is none."""
    pytest.importorskip(
        "playwright.sync_api", reason="the browser's driver is not here: make browser, or pip install '.[browser]'"
    )
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("Chromium is not here: make browser, or apt-get install chromium, or CHROMIUM=path/to/it")
    return found


@contextmanager
def chromium(**options: Any) -> Iterator[Any]:
    """A fresh context of the browser, with nothing kept and nothing fetched."""
    path = find_chromium()
    with import_module("playwright.sync_api").sync_playwright() as driver, tempfile.TemporaryDirectory() as home:
        context = driver.chromium.launch_persistent_context(
            home, executable_path=path, headless=True, args=ARGUMENTS, accept_downloads=True, **options
        )
        context.set_default_timeout(20_000)
        try:
            yield context
        finally:
            context.close()


class Performance:
    """An `hxmx run` in a process of its own, with a patch that hears what it sends."""

    def __init__(self, model: Path, folder: Path, *options: str) -> None:
        self.patch = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.patch.bind(("127.0.0.1", 0))
        self.patch.settimeout(30)
        ports = ["--in-port", "0", "--web-port", "0", "--out-port", str(self.patch.getsockname()[1])]
        command = [sys.executable, "-m", "hachimachi.cli", "run", str(model), "--log", "none", "--web", *ports]
        self.process = subprocess.Popen(
            [*command, *options],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.printed = ""
        for line in self.process.stdout:
            self.printed += line
            if line.startswith("end"):
                break
        hears = re.search(r"hears +127\.0\.0\.1:(\d+)", self.printed)
        link = re.search(r"page +(http://\S+)", self.printed)
        assert hears and link, self.printed
        self.port, self.link = int(hears[1]), link[1]

    @property
    def page_process(self) -> int:
        """Number of the process that serves the page."""
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                command = path.with_name("cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            if parent == self.process.pid and b"hachimachi.web.launch" in command:
                return int(path.parent.name)
        raise AssertionError("there is no process of the page")

    def send(self, route: str, *values: Any) -> None:
        self.patch.sendto(build_msg(route, list(values)).dgram, ("127.0.0.1", self.port))

    def hear(self, route: str, *values: object, seconds: float = 20) -> None:
        """Wait for a message with a route that begins with these values."""
        until, expected = time.monotonic() + seconds, [pytest.approx(v) if isinstance(v, float) else v for v in values]
        while time.monotonic() < until:
            message = OscMessage(self.patch.recv(65_536))
            if message.address == route and message.params[: len(values)] == expected:
                return
        raise AssertionError(f"{route} {values} did not come")

    def drain(self) -> int:
        """Return how many outputs have come since."""
        count = 0
        self.patch.setblocking(False)
        try:
            while True:
                count += self.patch.recv(65_536).startswith(b"/output\0")
        except BlockingIOError:
            return count
        finally:
            self.patch.settimeout(30)

    def close(self) -> str:
        """End it and return what it printed."""
        self.patch.sendto(encode("/stop"), ("127.0.0.1", self.port))
        rest, _ = self.process.communicate(timeout=30)
        self.patch.close()
        return self.printed + rest


def until(page: Any, expression: str, seconds: float = 20) -> None:
    """Wait until something holds in a page. Its policy forbids what playwright's own waiting does."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => Boolean({expression})"):
        assert time.monotonic() < end, f"in vain waited for {expression}"
        page.wait_for_timeout(30)


def resident(process: int) -> int:
    """Return the bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
