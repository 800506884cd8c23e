"""Sweeps of `hxmx train`, with training itself replaced, and one that is real."""

import json
import math
from pathlib import Path

import pytest

from hachimachi.errors import HachimachiError
from tests.commands.conftest import Hxmx, Training, only


@pytest.fixture
def hxmx(hxmx_train: Hxmx) -> Hxmx:
    return hxmx_train


def test_sweep(hxmx: Hxmx, training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hxmx("data.json", "best.pt", "-m", "model=gru,lstm", "seed=1,2") == 0
    sweep = only(tmp_path, "outputs/sweep/*")
    assert [call.folder for call in training.calls] == [sweep / str(job) for job in range(4)]
    assert all((sweep / str(job) / "model.pt").is_file() for job in range(4))
    assert {(call.cfg.model.name, call.cfg.seed) for call in training.calls} == {
        (name, seed) for name in ("gru", "lstm") for seed in (1, 2)
    }
    assert (tmp_path / "best.pt").read_text() == "seed 2"
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "job 0: dataset.path='data.json' output='best.pt' model=gru seed=1"
    table = printed[4:]
    assert table[0].split() == ["job", "nats/event", "overrides"]
    assert table[1].split() == ["1", "8.0000", "model=gru", "seed=2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "data.json", "outputs"]
    # a second device of a job trains that job, not the sweep
    assert "-m" not in training.calls[0].argv
    assert "--multirun" not in training.calls[0].argv
    assert {"model=gru", "seed=1"} < set(training.calls[0].argv)


def test_sweep_without_output_leaves_the_folder_alone(hxmx: Hxmx, training: Training, tmp_path: Path) -> None:
    assert hxmx("-m", "seed=1,2") == 0
    assert len(training.calls) == 2
    assert not (tmp_path / "model.pt").exists()


def test_sweep_goes_on_after_a_job_that_fails(
    hxmx: Hxmx, training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training.fails = lambda cfg: HachimachiError("too small") if cfg.seed == 1 else None
    assert hxmx("data.json", "best.pt", "-m", "seed=1,2") == 1
    assert capsys.readouterr().err == "hxmx: 1 of 2 jobs failed: too small\n"
    assert (tmp_path / "best.pt").read_text() == "seed 2"


def test_interrupted_sweep_keeps_the_best_so_far(hxmx: Hxmx, training: Training, tmp_path: Path) -> None:
    training.interrupted = lambda cfg: cfg.seed == 2
    assert hxmx("data.json", "best.pt", "-m", "seed=1,2,3") == 130
    assert [call.cfg.seed for call in training.calls] == [1, 2]
    assert (tmp_path / "best.pt").read_text() == "seed 2"


def test_the_real_thing(hxmx: Hxmx, tmp_path: Path) -> None:
    data = [[60 + step % 12, 80 + step % 5] for step in range(120)]
    content = {
        "features": {"0": {"name": "pitch"}, "1": {"name": "velocity"}},
        "time": [step * 0.25 for step in range(120)],
        "data": data,
    }
    (tmp_path / "data.json").write_text(json.dumps(content))
    quick = ("debug=fast", "logger=none", "callbacks.progress=false", "feature.pitch.kind=integer")
    assert hxmx("data.json", "best.pt", *quick, "-m", "model=gru,lstm") == 0
    sweep = only(tmp_path, "outputs/sweep/*")
    scores = {job: json.loads((sweep / job / "score.json").read_text())["val_nll"] for job in ("0", "1")}
    assert all(math.isfinite(score) for score in scores.values())
    best = min(scores, key=lambda job: scores[job])
    assert (tmp_path / "best.pt").read_bytes() == (sweep / best / "model.pt").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "data.json", "outputs"]
