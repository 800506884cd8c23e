"""What a sweep came to: the table, the best model, failures."""

import json
import math
from pathlib import Path

import pytest

from hachimachi.errors import HachimachiError
from hachimachi.training.sweep import read_jobs, report


def finish(folder: Path, overrides: list[str], score: float | None, error: str | None = None) -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    (folder / "score.json").write_text(json.dumps({"val_nll": score} | ({"error": error} if error else {})))
    if not error:
        (folder / "model.pt").write_text(folder.name)


def test_jobs_best_first_with_what_differs(tmp_path: Path) -> None:
    finish(tmp_path / "0", ["seed=1", "model=gru", r"dataset.path='\${x}'"], 3.0)
    finish(tmp_path / "1", ["seed=1", "model=lstm", r"dataset.path='\${x}'"], 2.0)
    finish(tmp_path / "2", ["seed=1", "model=gru,", r"dataset.path='\${x}'"], None)
    jobs = read_jobs(tmp_path)
    assert [job.folder.name for job in jobs] == ["1", "0", "2"]
    assert [job.overrides for job in jobs] == [("model=lstm",), ("model=gru",), ("model=gru,",)]
    assert math.isnan(jobs[2].score)


def test_best_model_is_copied_and_the_table_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, score in enumerate([3.0, 1.5, -0.0, 2.0]):
        finish(tmp_path / "sweep" / str(place), [f"seed={place}", "model.size=" + "9" * 90], score or None)
    output = tmp_path / "best.pt"
    output.write_text("older")
    report(tmp_path / "sweep", output)
    assert output.read_text() == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "sweep"]
    table = capsys.readouterr().out.splitlines()[:5]
    assert all(len(line) <= 80 for line in table)
    assert ["1.5000" in table[1], "seed=1" in table[1], "–" in table[4]] == [True] * 3


def test_without_output_nothing_is_copied(tmp_path: Path) -> None:
    finish(tmp_path / "sweep" / "0", ["[red]odd"], 1.0)
    report(tmp_path / "sweep")
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]


def test_failed_jobs_are_said_after_the_best_is_saved(tmp_path: Path) -> None:
    finish(tmp_path / "sweep" / "0", ["seed=0"], None, "data.json: row 3: found nan")
    finish(tmp_path / "sweep" / "1", ["seed=1"], 2.0)
    with pytest.raises(HachimachiError, match=r"1 of 2 jobs failed: data.json: row 3"):
        report(tmp_path / "sweep", tmp_path / "best.pt")
    assert (tmp_path / "best.pt").read_text() == "1"


def test_no_score_leaves_the_output_alone(tmp_path: Path) -> None:
    finish(tmp_path / "sweep" / "0", ["seed=0"], None)
    with pytest.raises(HachimachiError, match=r"no job .* has a score"):
        report(tmp_path / "sweep", tmp_path / "best.pt")
    assert not (tmp_path / "best.pt").exists()


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    finish(tmp_path / "sweep" / "0", ["seed=0"], 1.0)
    with pytest.raises(HachimachiError, match=r"best.pt: cannot be written"):
        report(tmp_path / "sweep", tmp_path / "nowhere" / "best.pt")
