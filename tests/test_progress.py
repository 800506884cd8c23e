"""How far reading is: a bar on a terminal once it takes long, else a line now and then."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import rich.console

from hachimachi.console import show_reading

FILES = [Path(f"{number}.mid") for number in range(30)]


def ticking(seconds: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += seconds


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[io.StringIO, bool]:
    written = io.StringIO()
    real = rich.console.Console
    monkeypatch.setattr(
        rich.console,
        "Console",
        lambda **_: real(file=written, force_terminal=request.param, width=80, legacy_windows=False),
    )
    return written, request.param


def test_what_is_quick_shows_nothing(screen: tuple[io.StringIO, bool]) -> None:
    assert list(show_reading(FILES, ticking(0.001).__next__)) == FILES
    assert list(show_reading(FILES[:1], ticking(100).__next__)) == FILES[:1]
    assert screen[0].getvalue() == ""


def test_what_takes_long_shows_how_far_it_is(screen: tuple[io.StringIO, bool]) -> None:
    assert list(show_reading(FILES, ticking(3).__next__)) == FILES
    written, terminal = screen[0].getvalue(), screen[1]
    if terminal:
        assert "30/30" in written
        assert written.endswith("\x1b[?25h\r\x1b[1A\x1b[2K") or "\x1b[?25h" in written  # the cursor is back
    else:
        assert written.splitlines()[0] == "reading: 3 of 30 files"
        assert "\x1b" not in written
        assert len(written.splitlines()) == 7
