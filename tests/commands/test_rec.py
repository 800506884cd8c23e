"""`hxmx rec` as its own process over real UDP, played by python-osc."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.udp_client import SimpleUDPClient

from hachimachi.io import read
from hachimachi.live.record.journal import read_journal


class Rec:
    """A recording process, a client that plays it, and a socket that hears its answers."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.answers.bind(("127.0.0.1", 0))
        self.answers.settimeout(60)
        port = str(self.answers.getsockname()[1])
        command = [sys.executable, "-m", "hachimachi.cli", "rec", *words, "--in-port", "0", "--out-port", port]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "80"},
        )
        try:
            packet, here = self.answers.recvfrom(65_536)  # it answers from where it hears
            assert OscMessage(packet).params == ["ready", 1]
        except BaseException:
            self.answers.close()
            self.process.kill()
            self.process.communicate()
            raise
        self.client = SimpleUDPClient("127.0.0.1", here[1])

    def play(self, events: int, size: int = 2) -> None:
        for number in range(events):
            self.client.send_message("/input", [float(number), *[0.5] * (size - 1)])

    def ask(self, key: str) -> Any:
        """Ask for the state; what was sent before is obeyed by then."""
        self.client.send_message("/status", [])
        while True:
            found, *values = OscMessage(self.answers.recv(65_536)).params
            if found == key:
                return values[0]

    def end(self) -> tuple[int, str]:
        printed, _ = self.process.communicate(timeout=60)
        return self.process.returncode, printed

    def close(self) -> None:
        self.answers.close()
        self.client._sock.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def rec(tmp_path: Path) -> Iterator[Callable[..., Rec]]:
    started: list[Rec] = []

    def start(*words: str) -> Rec:
        started.append(Rec(tmp_path, *words))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_a_recording_is_ready_to_train_on(rec: Callable[..., Rec], tmp_path: Path) -> None:
    words = [
        "4",
        "a.csv",
        "--temporal",
        "--masked",
        "2",
        "--categorical",
        "instrument",
        "--names",
        "p, v,dur,instrument",
    ]
    one = rec(*words)
    one.play(100, size=4)
    for wrong in ([1.0], ["a", 1, 2, 3], [1.0] * 5):
        one.client.send_message("/input", wrong)
    assert one.ask("recorded") == 100
    one.client.send_message("/stop", [])
    status, printed = one.end()
    assert status == 0
    assert "/input p v dur instrument" in printed
    assert re.search(r"refused 3 messages, by kind: length 2, type 1\n100 events in [\d.]+ s\n→ a.csv\n$", printed)
    assert "\r" not in printed  # nothing counts where nobody watches
    assert max(map(len, printed.splitlines())) <= 110  # a refusal may be longer than the screen
    assert (tmp_path / "a.csv").read_text().startswith("time,p,v,~dur,instrument#\n0,0,")
    [sequence] = read(tmp_path / "a.csv")
    assert sequence.column("p").tolist() == list(range(100))
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_and_save_it(rec: Callable[..., Rec], tmp_path: Path, kind: signal.Signals) -> None:
    one = rec("2", "a.json", "--quiet")
    one.play(10)
    assert one.ask("recorded") == 10
    one.process.send_signal(kind)
    assert one.end() == (0, "")
    assert set(json.loads((tmp_path / "a.json").read_text())) == {"features", "data"}  # without --temporal no time


def test_kill_9_loses_nothing_and_the_next_start_brings_it_back(rec: Callable[..., Rec], tmp_path: Path) -> None:
    for number in range(2):
        one = rec("2", "a.json", "--temporal")
        one.play(500)
        assert one.ask("recorded") == 500
        one.process.kill()
        status, printed = one.end()
        assert status == -signal.SIGKILL
        assert ("500 events in" in printed) == ("kept as the beginning" in printed) == bool(number)
        assert len(read_journal(tmp_path / "a.json.journal")) == 500 * (number + 1)
    last = rec("2", "a.json", "--temporal")
    last.play(3)
    last.client.send_message("/stop", [])
    assert last.end()[0] == 0
    pieces = read(tmp_path / "a.json")
    assert list(map(len, pieces)) == [500, 500, 3]
    assert pieces[1].column("0").tolist() == list(range(500))
    assert all(piece.time is not None and piece.time[0] == 0 for piece in pieces)


def test_kill_9_in_a_flood_leaves_no_hole(rec: Callable[..., Rec], tmp_path: Path) -> None:
    one = rec("2", "a.json", "--temporal")
    one.play(50)
    assert one.ask("recorded") == 50
    one.play(150)
    one.process.kill()
    one.end()
    recorded = read_journal(tmp_path / "a.json.journal")
    assert len(recorded) >= 50
    assert recorded.rows[:, 0].tolist() == [*range(50), *range(150)][: len(recorded)]
    assert recorded.skipped == 0


def test_what_does_not_fit_is_saved_on_its_own(rec: Callable[..., Rec], tmp_path: Path) -> None:
    first = rec("2", "a.csv", "--temporal")
    first.play(5)
    first.ask("recorded")
    first.process.kill()
    first.end()
    second = rec("3", "a.csv", "--temporal")
    second.play(4, size=3)
    second.client.send_message("/stop", [])
    assert "saved → a-rescued.csv" in second.end()[1]
    assert len(read(tmp_path / "a-rescued.csv")[0]) == 5
    assert len(read(tmp_path / "a.csv")[0]) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-rescued.csv", "a.csv"]


def test_append_adds_a_sequence(rec: Callable[..., Rec], tmp_path: Path) -> None:
    for number in range(3):
        describe = ["--names", "x,y", "--masked", "y"] if number != 1 else []
        one = rec("2", "a.json", "--temporal", "--append", *describe)
        one.play(number + 1)
        one.client.send_message("/stop", [])
        assert one.end()[0] == 0
    pieces = read(tmp_path / "a.json")
    assert [(piece.name, len(piece)) for piece in pieces] == [("1", 1), ("2", 2), ("3", 3)]
    assert [feature.masked for feature in pieces[0].features] == [False, True]


def test_nothing_recorded_writes_nothing(rec: Callable[..., Rec], tmp_path: Path) -> None:
    one = rec("2", "a.csv")
    one.client.send_message("/stop", [])
    status, printed = one.end()
    assert status == 0
    assert printed.endswith("hxmx: nothing was recorded, so no file was written\n")
    assert not list(tmp_path.iterdir())


def test_two_cannot_record_into_one_file(rec: Callable[..., Rec], tmp_path: Path, hxmx_process: Any) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no flock")
    rec("2", "a.csv")
    done = hxmx_process("rec", "2", "a.csv", "--in-port", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert "another hxmx records into it" in done.stderr


def test_a_burst_of_nonsense_costs_no_event(rec: Callable[..., Rec], tmp_path: Path) -> None:
    one = rec("2", "a.json")
    chance, here = np.random.default_rng(0), ("127.0.0.1", one.client._port)
    for number in range(300):
        one.answers.sendto(chance.bytes(int(chance.integers(100))), here)
        one.client.send_message("/input", [float(number), 1])
        if number % 50 == 0:  # so that the system's buffer does not overflow
            one.ask("recorded")
    one.ask("recorded")
    one.client.send_message("/stop", [])
    status, printed = one.end()
    assert status == 0
    assert "Traceback" not in printed
    assert read(tmp_path / "a.json")[0].column("0").tolist() == list(range(300))


def test_a_velocity_of_0_ends_a_note(rec: Callable[..., Rec], tmp_path: Path) -> None:
    one = rec("3", "a.json", "--temporal", "--masked", "duration", "--names", "pitch,velocity,duration")
    for values in ([60, 80], [64, 90], [60, 0], [64, 0], [64, 0], [67, 70, 0.5], [67, 0]):
        one.client.send_message("/input", [float(value) for value in values])
    assert one.ask("recorded") == 3
    one.client.send_message("/stop", [])
    status, printed = one.end()
    assert status == 0
    assert "4 releases, of velocity 0: each ends the note of its pitch, but for 1 of a" in " ".join(printed.split())
    assert "3 events in" in printed
    [sequence] = read(tmp_path / "a.json")
    assert sequence.data[:, :2].tolist() == [[60, 80], [64, 90], [67, 70]]
    assert sequence.column("duration")[2] == 0.5  # what was sent with the note stays
    assert "duration not known" not in printed
    assert (sequence.column("duration") >= 0).all()


def test_velocities_that_are_not_midis_keep_their_0(rec: Callable[..., Rec], tmp_path: Path) -> None:
    one = rec("2", "a.json", "--names", "pitch,velocity")
    rows = [[0.0, 0.0], [0.5, -0.25], [0.25, 0.0]]
    for row in rows:
        one.client.send_message("/input", row)
    assert one.ask("recorded") == 3
    one.client.send_message("/stop", [])
    assert one.end()[0] == 0
    assert read(tmp_path / "a.json")[0].data.tolist() == rows
