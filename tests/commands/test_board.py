"""`hxmx board` shows runs on this machine only, says where, and leaves nothing running."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from torch.utils.tensorboard import SummaryWriter

from hachimachi.cli import main
from hachimachi.commands import board


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with a space in its name, and two runs with a curve each."""
    for name, score in (("one", 2.5), ("two", 1.5)):
        with SummaryWriter(str(tmp_path / "my outputs" / name)) as writer:
            writer.add_scalar("val/nll", score, 3)
    return tmp_path / "my outputs"


@contextmanager
def opened(*words: Any, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start `hxmx board` as from a terminal; yield it and the address that it says."""
    command = [sys.executable, "-m", "hachimachi.cli", "board", *map(str, words)]
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "80"}
    )
    signal.signal(signal.SIGINT, heard)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line + process.communicate()[1]
        assert len(line) <= 80 + len(str(words[0]))
        yield process, found[0]
    finally:
        process.terminate()  # it ends TensorBoard, which would go on if it were killed
        process.communicate(timeout=60)


def ask(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"{address}data/{path}", timeout=30) as answer:
        return json.load(answer)


def answers(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(address.rstrip("/").rpartition(":")[2]))) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_shows_runs_and_ends_cleanly(runs: Path, how: signal.Signals) -> None:
    with opened(runs, cwd=runs) as (process, address):
        assert ask(address, "runs") == ["one", "two"]
        where = urlencode({"run": "two", "tag": "val/nll"})
        assert [point[1:] for point in ask(address, f"plugin/scalars/scalars?{where}")] == [[3, 1.5]]
        process.send_signal(how)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
        assert not answers(address)


def test_a_port_that_is_taken_is_told(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            main(["board", str(runs), "--port", str(port)])
    assert ended.value.code == 1
    assert (
        capsys.readouterr().err
        == f"hxmx: --port {port}: is taken or not allowed; expected a free port, or none for any\n"
    )


def test_where_a_port_is_taken_another_is_used(runs: Path) -> None:
    with opened(runs, cwd=runs) as (_, first), opened(runs, cwd=runs) as (_, second):
        assert first != second


@pytest.mark.parametrize(("make", "said"), [(True, "no runs with curves in it"), (False, "there is no such folder")])
def test_where_there_are_no_runs_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: bool, said: str
) -> None:
    folder = tmp_path / "runs"
    if make:
        folder.mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["board", str(folder)])
    assert ended.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith(f"hxmx: {folder}: {said}; `hxmx train")
    assert len(err.splitlines()) == 1


def test_that_tensorboard_does_not_start_is_told(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(board, "HOST", "256.0.0.1")
    with pytest.raises(SystemExit) as ended:
        main(["board", str(runs)])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("hxmx: TensorBoard does not start: ")
