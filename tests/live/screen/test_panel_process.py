"""The real child: it draws on a real terminal, ends when it should, and never holds up its parent."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hachimachi.live.screen.process import PanelProcess, can_draw
from hachimachi.live.screen.snapshot import Snapshot

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals here", allow_module_level=True)

from tests.live.screen.terminal import Terminal

PLAY = """
import time
from hachimachi.live.screen.process import PanelProcess
from hachimachi.live.screen.snapshot import MODEL, ModelState, ScreenEvent, Snapshot
print("printed before", flush=True)
panel = PanelProcess()
print("child", panel._process.pid, flush=True)
for number in range(1, {number}):
    now = time.perf_counter()
    events = (ScreenEvent(now, MODEL, (60.0, 0.5)),)
    models = (ModelState("piano.pt", ("pitch", "duration"), played=number),)
    panel.send(Snapshot(now, models=models, events=events))
    time.sleep(0.05)
panel.send(Snapshot(now, models=(ModelState("piano.pt", ("pitch", "duration"), played=4321),)))
{end}
print("printed after", flush=True)
"""
HIDDEN = b"\x1b[?25l"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def ends(process: int) -> bool:
    """Wait until a process that is not ours is gone, or is left to be buried by another."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def child_of(terminal: Terminal) -> int:
    [line] = [line for line in terminal.text.splitlines() if line.startswith("child ")]
    return int(line.split()[1])


def test_it_draws_and_leaves_the_terminal_clean(terminal: Terminal) -> None:
    parent = terminal.start(PLAY.format(number=4, end="panel.close()"))
    assert terminal.until(lambda screen: "printed after" in screen.text)
    assert parent.wait(30) == 0
    lines = terminal.text.rstrip().splitlines()
    assert lines[0] == "printed before"
    assert [line.split()[0] for line in lines if "piano.pt" in line] == ["piano.pt"]  # once, not one for each frame
    assert "4,321 played" in terminal.text  # the last snapshot, however soon the end came after it
    assert any(sign in terminal.text for sign in "▀▄")
    assert lines[-1] == "printed after"
    assert lines[-2].endswith("late max")  # no empty lines in between
    assert HIDDEN in terminal.raw and terminal.cursor


def test_without_colour(terminal: Terminal) -> None:
    parent = terminal.start(PLAY.format(number=4, end="panel.close()"), NO_COLOR="1")
    assert terminal.until(lambda screen: "printed after" in screen.text)
    assert parent.wait(30) == 0
    assert b"\x1b[35" not in terminal.raw and b"\x1b[36" not in terminal.raw


def test_it_ends_when_its_parent_is_killed(terminal: Terminal) -> None:
    parent = terminal.start(PLAY.format(number=10_000, end=""))
    assert terminal.until(lambda screen: "piano.pt" in screen.text)
    child = child_of(terminal)
    parent.kill()
    parent.wait(30)
    assert terminal.until(lambda screen: screen.cursor)
    assert ends(child)


def test_control_c_is_for_the_parent(terminal: Terminal) -> None:
    parent = terminal.start(PLAY.format(number=10_000, end=""))
    assert terminal.until(lambda screen: "piano.pt" in screen.text)
    child = child_of(terminal)
    os.kill(child, signal.SIGINT)
    drawn = len(terminal.raw)
    assert terminal.until(lambda screen: len(screen.raw) > drawn + 10_000)  # it goes on drawing
    os.kill(child, signal.SIGTERM)
    assert terminal.until(lambda screen: screen.cursor)
    parent.kill()
    parent.wait(30)


def test_the_performance_outlives_its_panel(terminal: Terminal) -> None:
    killed = "import os; os.kill(panel._process.pid, 9); time.sleep(0.2)"
    played_on = "[panel.send(Snapshot(1.0)) for _ in range(9)]; panel.close()"
    parent = terminal.start(PLAY.format(number=9, end=f"{killed}; {played_on}"))
    assert terminal.until(lambda screen: "printed after" in screen.text)
    assert parent.wait(30) == 0
    assert terminal.cursor


def test_a_narrower_terminal_is_drawn_anew(terminal: Terminal) -> None:
    parent = terminal.start(PLAY.format(number=10_000, end=""))
    assert terminal.until(lambda screen: "piano.pt" in screen.text)
    terminal.resize(40, 24)
    assert terminal.until(lambda screen: "4 s ago" in screen.text)
    parent.kill()
    parent.wait(30)


STUCK = """
os.kill(panel._process.pid, signal.SIGSTOP)
for _ in range(5_000):
    panel.send(Snapshot(now, models=(ModelState("piano.pt", ("pitch",)),), events=events * 64))
print("not held up", flush=True)
panel.close()
"""


def test_a_stuck_panel_holds_nobody_up(terminal: Terminal) -> None:
    parent = terminal.start(PLAY.format(number=4, end=f"import os, signal{STUCK}"))
    assert terminal.until(lambda screen: "printed after" in screen.text)
    assert "not held up" in terminal.text
    assert parent.wait(30) == 0
    assert terminal.cursor


STRANGER = """
import socket
stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stranger.sendto(Snapshot(now, models=(ModelState("stranger.pt", ("pitch",)),)).to_bytes(), panel._socket.getpeername())
stranger.sendto(b"", panel._socket.getpeername())
panel.send(Snapshot(now, models=(ModelState("piano.pt", ("pitch", "duration"), played=8765),)))
panel.close()
"""


def test_it_draws_its_own_player_only(terminal: Terminal) -> None:
    parent = terminal.start(PLAY.format(number=4, end=STRANGER))
    assert terminal.until(lambda screen: "printed after" in screen.text)
    assert parent.wait(30) == 0
    assert "8,765 played" in terminal.text
    assert b"stranger.pt" not in terminal.raw


class FullSocket:
    """Takes a datagram only when it is ready."""

    def __init__(self) -> None:
        self.ready = True
        self.packets: list[bytes] = []

    def send(self, packet: bytes) -> None:
        if not self.ready:
            raise BlockingIOError
        self.packets.append(packet)

    def close(self) -> None:
        pass


def test_a_warning_is_said_even_if_its_snapshot_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(subprocess, "Popen", none)
    panel = PanelProcess()
    panel.send(Snapshot(0.0, lines=("warning 0",)))  # without a child it is quiet
    panel.close()
    panel = PanelProcess()
    end = FullSocket()
    panel._socket.close()
    monkeypatch.setattr(panel, "_socket", end)
    for number, ready in enumerate([True, False, False, True]):
        end.ready = ready
        panel.send(Snapshot(float(number), lines=(f"warning {number}",)))
    first, second = [Snapshot.from_bytes(packet) for packet in end.packets]
    assert (first.at, second.at) == (0.0, 3.0)
    assert second.lines == ("warning 1", "warning 2", "warning 3")


@pytest.mark.parametrize(("terminal", "expected"), [("xterm", True), ("dumb", False), ("", False)])
def test_where_a_panel_can_be_drawn(terminal: str, expected: bool) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert can_draw(Tty(), {"TERM": terminal}) is expected
    assert not can_draw(io.StringIO(), {"TERM": terminal})
