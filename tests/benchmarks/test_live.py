"""The benchmark of playing live: what it works out is right; what it measures is not asserted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import live
from benchmarks.live_probe import Probe
from benchmarks.live_rows import Line
from benchmarks.live_schedule import Played, drift, lateness, should_play
from benchmarks.live_stage import ECHO, Stage
from hachimachi.checkpoint import save_model
from hachimachi.errors import HachimachiError
from hachimachi.models.event_model import build_model

TIMES = np.cumsum(np.full(200, 0.1))
ROWS = np.arange(200, dtype=np.float32)[:, None]


@pytest.fixture
def model(tmp_path: Path, make_pieces: Any) -> Path:
    save_model(build_model(make_pieces([60]), {"name": "gru", "size": 4}), tmp_path / "temporal.pt")
    return tmp_path / "temporal.pt"


def test_lateness_is_counted_from_the_most_punctual_output() -> None:
    waits = np.tile([0.0, 0.002], 100)
    late = lateness(Played(TIMES + 5000 + waits, ROWS), Played(TIMES, ROWS))
    assert late == pytest.approx(waits, abs=1e-9)
    assert drift(late) == pytest.approx(0.0, abs=1e-9)
    assert drift(late + np.linspace(0, 0.01, 200)) == pytest.approx(0.008, rel=0.01)


def test_what_is_no_more_the_same_is_left_out() -> None:
    other = ROWS.copy()
    other[150] += 1
    assert len(lateness(Played(TIMES, other), Played(TIMES, ROWS))) == 150


def test_a_schedule_goes_on_and_is_the_same_each_time(model: Path) -> None:
    first, again = should_play(model, 3, 40), should_play(model, 3, 40)
    assert (first.times == again.times).all()
    assert (first.rows == again.rows).all()
    assert (np.diff(first.times) >= 0).all()
    assert (should_play(model, 4, 40).rows != first.rows).any()


def test_the_schedule_is_what_the_shipped_command_plays(model: Path, tmp_path: Path) -> None:
    stage, heard = Stage(tmp_path, [], quick=True), []
    due = should_play(model, 1, 5)
    with stage.hxmx_run(model, "--loop") as probe:
        until = time.perf_counter() + due.times[-1] - due.times[0] + 20
        while len(heard) < 5 and time.perf_counter() < until:
            packet = probe.receive(1.0)
            if packet is not None and packet.startswith(b"/output"):
                heard.append(np.frombuffer(packet[-4 * due.rows.shape[1] :], ">f4"))
        assert probe.count("played") >= 5
        assert probe.memory() > 10_000
    assert (np.array(heard) == due.rows).all()


def test_the_echo_answers_and_what_is_lost_is_infinite(tmp_path: Path) -> None:
    with Probe(str(ECHO), "IN", "OUT", folder=tmp_path) as probe:
        assert np.isfinite(probe.round_trips([[1.0, 2.0]], 5, 0.0, answer=b"/input")).all()
        assert np.isinf(probe.round_trips([[1.0, 2.0]], 1, 0.0, answer=b"/never")).all()


def test_a_process_that_ends_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(HachimachiError, match=r"(?s)run nowhere.pt .*: not ready; .*nowhere.pt: no such file"):
        Probe("-m", "hachimachi.cli", "run", "nowhere.pt", "--in-port", "IN", "--out-port", "OUT", folder=tmp_path)


def test_it_prints_and_writes_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "FOLDER", tmp_path)
    monkeypatch.setattr(live, "set_stage", lambda *_: Stage(tmp_path, [], quick=True))
    monkeypatch.setitem(live.ROWS, "idle", lambda _: [Line("idle", "2 %", "< 1 %", holds=False)])
    assert live.main([str(tmp_path), "--rows", "idle", "--quick"]) == 0
    [path] = (tmp_path / "bench").glob("live_*.md")
    assert path.read_text().endswith("| idle | 2 % | < 1 % | ✗ |  |\n")
    assert "2 %" in capsys.readouterr().out


def test_words_it_does_not_know_and_data_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        live.main(["--rows", "tuba"])
    assert "--rows tuba: expected some of start,idle" in capsys.readouterr().err
    assert live.main([str(tmp_path), "--models", str(tmp_path)]) == 1
    assert "piano_train.json: not there; expected the corpora beside" in capsys.readouterr().err
