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

from hachimachi.live.screen.process import DirectPipe, LinePipe, PanelProcess, ThreadPipe, can_draw
from hachimachi.live.screen.snapshot import MODEL, ModelState, Seen, Snapshot

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals here", allow_module_level=True)

from tests.live.screen.terminal import Terminal

PLAY = """
import time
from hachimachi.live.screen.process import PanelProcess
from hachimachi.live.screen.snapshot import MODEL, ModelState, Seen, Snapshot
print("printed before", flush=True)
panel = PanelProcess()
print("child", panel._process.pid, flush=True)
for number in range(1, {number}):
    now = time.perf_counter()
    events = (Seen(now, MODEL, (60.0, 0.5)),)
    panel.send(Snapshot(now, models=(ModelState("piano.pt", ("pitch", "duration"), played=number, events=events),)))
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
    lines = terminal.text.splitlines()
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


def snapshot(number: int) -> Snapshot:
    events = tuple(Seen(float(place), MODEL, (60.0,)) for place in range(200))
    return Snapshot(float(number), models=(ModelState("a", ("pitch",), events=events),), said=(f"warning {number}",))


@pytest.mark.parametrize("kind", [DirectPipe, ThreadPipe])
def test_a_full_pipe_takes_no_more_and_loses_no_half_line(kind: type[DirectPipe | ThreadPipe]) -> None:
    readable, writable = os.pipe()
    pipe: LinePipe = kind(open(writable, "wb", buffering=0))  # noqa: SIM115, PTH123  (the pipe closes it)
    taken = 0
    for number in range(200):
        if pipe.ready:
            pipe.write(snapshot(number).to_line())
            taken += 1
        if kind is ThreadPipe:
            time.sleep(0.001)
    assert 2 < taken < 200
    reader = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(len(sys.stdin.buffer.readlines()))"],
        stdin=readable,
        stdout=subprocess.PIPE,
    )
    os.close(readable)
    pipe.finish(snapshot(200).to_line(), 30.0)
    assert int(reader.communicate()[0]) == taken + 1


@pytest.mark.parametrize("kind", [DirectPipe, ThreadPipe])
def test_a_closed_pipe_goes_quiet(kind: type[DirectPipe | ThreadPipe]) -> None:
    readable, writable = os.pipe()
    os.close(readable)
    pipe: LinePipe = kind(open(writable, "wb", buffering=0))  # noqa: SIM115, PTH123  (the pipe closes it)
    pipe.write(b"a line\n")
    for _ in range(1000):
        if not pipe.ready:
            break
        time.sleep(0.01)
    assert not pipe.ready
    pipe.finish(b"", 30.0)


class SlowPipe:
    """Takes a line only when told to."""

    def __init__(self) -> None:
        self.ready = True
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    def finish(self, line: bytes, seconds: float) -> None:
        del seconds
        self.lines += [line] if line else []


def test_a_warning_is_said_even_if_its_snapshot_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(subprocess, "Popen", none)
    panel = PanelProcess()
    panel.send(snapshot(0))  # without a child it is quiet
    pipe = SlowPipe()
    monkeypatch.setattr(panel, "_pipe", pipe)
    for number, ready in enumerate([True, False, False, True]):
        pipe.ready = ready
        panel.send(snapshot(number))
    told = [Snapshot.from_line(line) for line in pipe.lines]
    assert [one.at for one in told] == [0.0, 3.0]
    assert told[1].said == ("warning 1", "warning 2", "warning 3")


@pytest.mark.parametrize(("terminal", "expected"), [("xterm", True), ("dumb", False), ("", False)])
def test_where_a_panel_can_be_drawn(terminal: str, expected: bool) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert can_draw(Tty(), {"TERM": terminal}) is expected
    assert not can_draw(io.StringIO(), {"TERM": terminal})
