"""Runs are read back alike, whoever logged them."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hachimachi.errors import HachimachiError
from hachimachi.io import write
from hachimachi.training.config.compose import compose
from hachimachi.training.fit import Run, train
from hachimachi.training.runs import read_curves, read_runs

pandas = pytest.importorskip("pandas")
WORDS = ["model.size=8", "head.components=2", "trainer.max_epochs=6", "trainer.check_val_every_n_epoch=2"]
WORDS += ["callbacks.progress=false", "callbacks.pictures=true"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, make_pieces: Any) -> tuple[Path, dict[str, Run]]:
    """A folder of a sweep of two loggers, on the same data and seed."""
    home = tmp_path_factory.mktemp("runs")
    write(home / "data.json", make_pieces([200]))
    runs = {}
    for name in ("tensorboard", "csv"):
        paths = [f"dataset.path='{home}/data.json'", f"output='{home}/{name}.pt'", f"logger={name}"]
        runs[name] = train(compose([*WORDS, *paths]), home / "sweep" / name)
        (home / "sweep" / name / ".hydra").mkdir()
        (home / "sweep" / name / ".hydra" / "config.yaml").write_text("hydra's own: it is no run")
    (home / "sweep" / "csv" / "score.json").write_text(f'{{"val_nll": {runs["csv"].score}}}')
    return home, runs


def test_a_row_a_run(home: tuple[Path, dict[str, Run]]) -> None:
    table = read_runs(home[0]).set_index("run")
    assert list(table.index) == ["sweep/csv", "sweep/tensorboard"]
    assert list(table["logger.name"]) == ["csv", "tensorboard"]
    assert list(table["model.size"]) == [8, 8]
    for name, run in home[1].items():
        assert table.loc[f"sweep/{name}", "score/nll"] == pytest.approx(run.score, rel=1e-6)
    board = home[1]["tensorboard"]
    assert table.loc["sweep/tensorboard", "score/gain"] == pytest.approx(board.marginal - board.score, rel=1e-5)
    assert np.isnan(table.loc["sweep/csv", "score/gain"])


def test_curves_are_the_same_whoever_logged_them(home: tuple[Path, dict[str, Run]]) -> None:
    curves = read_curves(home[0])
    assert list(curves.columns) == ["run", "step", "epoch", "time", "name", "value"]
    logs = {name: part.set_index(["name", "step"]) for name, part in curves.groupby("run")}
    names = {f"{group}/{name}" for group in ("train", "val", "marginal") for name in ("nll", "time", "pitch")}
    assert names <= set(curves["name"])
    for name in names:
        ours, theirs = logs["sweep/tensorboard"].loc[name], logs["sweep/csv"].loc[name]
        assert len(ours) == 3
        np.testing.assert_allclose(ours["value"], theirs["value"], rtol=1e-4)
        assert list(ours["epoch"]) == list(theirs["epoch"]) == [1, 3, 5]
        assert list(ours.index) == list(theirs.index)
    assert not list(logs["sweep/csv"]["time"].dropna())
    seconds = list(logs["sweep/tensorboard"].loc["val/nll"]["time"])
    assert min(seconds) >= 0
    assert seconds == sorted(seconds)


def test_a_run_of_its_own(home: tuple[Path, dict[str, Run]]) -> None:
    assert list(read_runs(home[0] / "sweep" / "csv")["run"]) == ["csv"]
    assert set(read_curves(home[0] / "sweep" / "csv")["run"]) == {"csv"}


@pytest.mark.parametrize("read", [read_runs, read_curves])
def test_what_is_not_there_is_told(tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HachimachiError, match="nothing: there is no such folder"):
        read(tmp_path / "nothing")
    with pytest.raises(HachimachiError, match="no runs in it; expected folders"):
        read(tmp_path)
    real = builtins.__import__

    def without(name: str, *words: Any, **named: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *words, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(HachimachiError, match=r'pip install "hachimachi\[notebook\]"'):
        read(tmp_path)
