"""Sweeps of `hxmx train`, with training itself replaced, and one that is real."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hachimachi import io
from hachimachi.errors import HachimachiError
from hachimachi.training.sweep.results import read_curve, read_jobs
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
    assert printed[0] == "job 0: dataset.path='data.json' output='best.pt' model=gru seed=1  9.0000"
    table = printed[4:]
    assert table[0].split() == ["job", "nats/event", "model", "seed"]
    assert table[1].split() == ["1", "8.0000", "gru", "2"]
    assert "Over seeds (mean ± standard deviation):" in table
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


def test_not_even_a_mistake_of_ours_ends_a_sweep(
    hxmx: Hxmx, training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training.fails = lambda cfg: ZeroDivisionError("by\nzero") if cfg.seed == 1 else None
    assert hxmx("data.json", "best.pt", "-m", "seed=1,2") == 1
    assert capsys.readouterr().err == "hxmx: 1 of 2 jobs failed: ZeroDivisionError: by zero\n"
    assert "ZeroDivisionError" in only(tmp_path, "outputs/sweep/*/0/error.txt").read_text()
    assert (tmp_path / "best.pt").read_text() == "seed 2"


def test_interrupted_sweep_keeps_the_best_so_far(
    hxmx: Hxmx, training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training.interrupted = lambda cfg: cfg.seed == 2
    assert hxmx("data.json", "best.pt", "-m", "seed=1,2,3") == 130
    assert [call.cfg.seed for call in training.calls] == [1, 2]
    assert (tmp_path / "best.pt").read_text() == "seed 1"  # the other was not judged at its end
    assert "Stopped; kept: 1 finished job in outputs/sweep/" in capsys.readouterr().out


def test_jobs_of_a_sweep_know_each_other_by_its_folder(hxmx: Hxmx, training: Training, tmp_path: Path) -> None:
    assert hxmx("-m", "seed=1,2", "sweep.prune=true", "sweep.warmup=7") == 0
    [prune] = training.callbacks
    assert (prune.sweep.resolve(), prune.after, prune.warmup) == (only(tmp_path, "outputs/sweep/*"), 4, 7)
    assert prune.folder.resolve() == only(tmp_path, "outputs/sweep/*/1")
    assert hxmx("-m", "seed=1,2") == 0
    assert training.callbacks[0].after is None
    assert hxmx("seed=1") == 0
    assert training.callbacks == []


def test_a_search_is_seeded(hxmx: Hxmx, training: Training, tmp_path: Path) -> None:
    words = ("data.json", "best it's.pt", "-m", "sweep=optuna", "sweep.trials=3", "model.dropout=0.3")
    assert hxmx(*words, "hydra.sweep.dir=first") == 0
    first = [(call.cfg.model.size, call.cfg.optimizer.lr, call.cfg.dataset.window) for call in training.calls]
    assert len(set(first)) == 3
    assert all(call.cfg.model.dropout == 0.3 for call in training.calls)
    assert all(size in ("xs", "s", "m") and 1e-3 <= lr <= 1e-2 for size, lr, _ in first)
    assert hxmx(*words, "hydra.sweep.dir=second") == 0
    again = [(call.cfg.model.size, call.cfg.optimizer.lr, call.cfg.dataset.window) for call in training.calls[3:]]
    assert again == first
    assert len((tmp_path / "second" / "scores.csv").read_text().splitlines()) == 4


def test_a_search_survives_jobs_that_fail(hxmx: Hxmx, training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    training.fails = lambda _: HachimachiError("no") if len(training.calls) % 2 else None
    assert hxmx("-m", "sweep=optuna", "sweep.trials=4") == 1
    said = capsys.readouterr()
    assert said.err == "hxmx: 2 of 4 jobs failed: no\n"
    assert len(training.calls) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep=optuna"], "sweep=optuna: a search is a sweep; expected -m with it"),
        (["-m", "sweep=optuna", "model.size=s,huge"], "model.size: found 'huge'"),
        (["-m", "sweep=optuna", "sweep.trials=0"], "sweep.trials: found 0"),
        (["-m", "sweep=optuna", "optimizer.lr=interval(0,1)"], "optimizer.lr: found 0"),
        (["-m", "sweep=optuna", "++hydra.sweeper.params={model.sise:'choice(1,2)'}"], "model.sise: no such key"),
        (["-m", "seed=1,2", "sweep.trials=3"], "sweep.trials: sweep=grid has no such key"),
    ],
)
def test_wrong_searches(
    hxmx: Hxmx, training: Training, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert hxmx(*words) == 2
    assert said in capsys.readouterr().err
    assert training.calls == []


@pytest.mark.parametrize(
    ("word", "extra"),
    [("sweep=optuna", "sweep"), ("hydra/launcher=joblib", "sweep"), ("hydra/launcher=submitit_slurm", "cluster")],
)
def test_an_extra_that_is_missing(
    hxmx: Hxmx, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, extra: str
) -> None:
    monkeypatch.setattr("hachimachi.training.sweep.job.find_spec", lambda name: None)  # noqa: ARG005
    assert hxmx("-m", "seed=1,2", word) == 2
    assert f'{word}: not installed; pip install "hachimachi[{extra}]"' in capsys.readouterr().err


def test_a_sweep_is_begun_by_one_process(
    hxmx: Hxmx, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert hxmx("-m", "seed=1,2") == 2
    assert "-m under torchrun or srun" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_jobs_side_by_side(tmp_path: Path, make_pieces: Any, hxmx_process: Any, launcher: str) -> None:
    io.write(tmp_path / "my data.json", make_pieces([120]))
    words = ("my data.json", "my best.pt", "debug=fast", "logger=none", f"hydra/launcher={launcher}")
    done = hxmx_process("train", *words, "-m", "seed=1,2,3", cwd=tmp_path, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    sweep = only(tmp_path, "outputs/sweep/*")
    assert [(sweep / job / "model.pt").is_file() for job in "123"] == [True, True, False]
    assert all("Learns for 2 epochs" in (sweep / job / "log.txt").read_text() for job in "012")
    lines = done.stdout.splitlines()
    if launcher == "joblib":  # jobs of a cluster have files for what they say
        assert sorted(line.split(":")[0] for line in lines[:3]) == ["job 0", "job 1", "job 2"]
    assert any("over 3 seeds (mean ± standard deviation)" in line for line in lines)
    assert (tmp_path / "my best.pt").is_file()


def write_scale(folder: Path) -> None:
    data = [[60 + step % 12, 80 + step % 5] for step in range(120)]
    content = {
        "features": {"0": {"name": "pitch"}, "1": {"name": "velocity"}},
        "time": [step * 0.25 for step in range(120)],
        "data": data,
    }
    (folder / "data.json").write_text(json.dumps(content))


def test_a_search_ends_a_job_that_falls_behind(hxmx: Hxmx, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scale(tmp_path)
    tiny = ("model.size=8", "head.components=2", "model.dropout=0", "dataset.window=16", "logger=none")
    quick = ("callbacks=quiet", "trainer.max_steps=12", "trainer.check_val_every_n_epoch=1", "optimizer.warmup=0")
    search = ("sweep=optuna", "sweep.trials=3", "sweep.prune_after=1", "sweep.warmup=4")
    assert hxmx("data.json", "best.pt", *tiny, *quick, "-m", *search, "optimizer.lr=tag(log,interval(1e-6,0.1))") == 0
    jobs = read_jobs(only(tmp_path, "outputs/sweep/*"))
    rates = [float(job.values["optimizer.lr"]) for job in jobs]
    assert [job.state for job in jobs].count("pruned") >= 1
    for job, rate in zip(jobs, rates, strict=True):
        assert job.ended is not None
        if job.state == "pruned":
            assert rate < rates[0]
            assert job.ended.pruned is not None
            assert 4 <= job.ended.pruned < 12
            assert read_curve(job.folder)[-1][0] == job.ended.pruned
        else:
            assert read_curve(job.folder)[-1][0] == 12
    assert "pruned" in capsys.readouterr().out


def test_the_real_thing(hxmx: Hxmx, tmp_path: Path) -> None:
    write_scale(tmp_path)
    quick = ("debug=fast", "logger=none", "callbacks.progress=false", "feature.pitch.kind=integer")
    assert hxmx("data.json", "best.pt", *quick, "-m", "model=gru,lstm") == 0
    sweep = only(tmp_path, "outputs/sweep/*")
    scores = {job: json.loads((sweep / job / "score.json").read_text())["val_nll"] for job in ("0", "1")}
    assert all(math.isfinite(score) for score in scores.values())
    best = min(scores, key=lambda job: scores[job])
    assert (tmp_path / "best.pt").read_bytes() == (sweep / best / "model.pt").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "data.json", "outputs"]
