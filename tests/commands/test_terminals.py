"""A terminal that takes nothing, or is gone: playing and recording go on, and end when they are to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pythonosc.osc_message import OscMessage

from hachimachi.io import read
from hachimachi.live.osc import encode

pty = pytest.importorskip("pty")


class Command:
    """A live command on a terminal of which nobody reads."""

    def __init__(self, words: list[str], folder: Path, terminal: int, **environment: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(60)
        port = str(self.socket.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hachimachi.cli", *words, "--in-port", "0", "--out-port", port],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=folder,
            env={**os.environ, "COLUMNS": "80", **environment},
        )
        packet, self.model = self.socket.recvfrom(65_536)
        assert OscMessage(packet).params == ["ready", 1]

    def send(self, route: str, *values: float) -> None:
        self.socket.sendto(encode(route, *values), self.model)

    def ask(self, key: str) -> list[Any]:
        self.send("/status")
        while True:
            found, *values = OscMessage(self.socket.recv(65_536)).params
            if found == key:
                return values


@contextmanager
def unread() -> Iterator[tuple[int, int]]:
    """A terminal that is full: nothing more can be written to it."""
    ours, theirs = pty.openpty()
    os.set_blocking(theirs, False)
    try:
        while True:
            os.write(theirs, b"x" * 1000)
    except BlockingIOError:
        pass
    os.set_blocking(theirs, True)
    try:
        yield ours, theirs
    finally:
        for each in (ours, theirs):
            os.close(each)


@contextmanager
def started(*arguments: Any, **environment: str) -> Iterator[Command]:
    command = Command(*arguments, **environment)
    with command.socket:
        try:
            yield command
        finally:
            command.process.kill()
            command.process.wait()


@pytest.mark.parametrize("term", ["dumb", "xterm"])  # lines, and the panel
def test_a_terminal_that_takes_nothing_holds_up_no_note(models: dict[bool, Path], tmp_path: Path, term: str) -> None:
    words = ["run", str(models[True]), "--log", "night.json"]
    with unread() as (_, theirs), started(words, tmp_path, theirs, TERM=term) as one:
        for number in range(40):
            one.send(f"/{'x' * 1000}{number}")  # each is to be shown
            one.send("/input", 60, 127)
            time.sleep(0.02)
        assert one.ask("heard") == [40]
        assert one.ask("late")[2] < 200  # milliseconds
        one.send("/stop")
        assert one.process.wait(20) == 0
    assert sum(map(len, read(tmp_path / "night.json"))) >= 40


def test_a_terminal_that_takes_nothing_loses_no_recording(tmp_path: Path) -> None:
    with unread() as (_, theirs), started(["rec", "1", "take.csv"], tmp_path, theirs) as one:
        for number in range(300):
            one.send("/input", number)
            time.sleep(0.005)
        assert one.ask("recorded") == [300]
        one.send("/stop")
        assert one.process.wait(20) == 0
    assert read(tmp_path / "take.csv")[0].data[:, 0].tolist() == list(range(300))


@pytest.mark.parametrize("words", [["run"], ["rec", "1", "take.csv"]])
def test_a_terminal_that_is_closed_ends_it_with_all_kept(
    models: dict[bool, Path], tmp_path: Path, words: list[str]
) -> None:
    words = [*words, str(models[True]), "--log", "take.json"] if words == ["run"] else words
    ours, theirs = pty.openpty()
    with started(words, tmp_path, theirs, TERM="dumb") as one:
        one.send("/input", *([60, 127] if words[0] == "run" else [1]))
        assert one.ask("refused") == [0]
        os.close(theirs)
        os.close(ours)  # what the system does when a window is closed
        one.process.send_signal(signal.SIGHUP)
        assert one.process.wait(20) == 0
    assert len(read(next(tmp_path.glob("take.*")))[0]) >= 1


def test_a_reader_that_goes_away_ends_nothing(models: dict[bool, Path], tmp_path: Path) -> None:
    """As in `hxmx run … | head -1`."""
    ours, theirs = os.pipe()
    with started(["run", str(models[True]), "--log", "night.json"], tmp_path, theirs) as one:
        os.close(theirs)
        os.close(ours)
        for number in range(20):
            one.send(f"/{number}")
            one.send("/input", 60, 127)
        assert one.ask("heard") == [20]
        one.send("/stop")
        assert one.process.wait(20) == 0
    assert sum(map(len, read(tmp_path / "night.json"))) >= 20
