"""What a sweep came to: the table, the best model, failures."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from hachimachi.errors import HachimachiError
from hachimachi.training.sweep.results import CURVE, Score, group_by_seed, read_jobs, report


def finish(folder: Path, overrides: list[str], score: float | None, **more: Any) -> None:
    begin(folder, overrides)
    Score(score, **more).write(folder)
    if "error" not in more:
        (folder / "model.pt").write_text(folder.name)


def begin(folder: Path, overrides: list[str]) -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))


def test_jobs_best_first_with_what_differs(tmp_path: Path) -> None:
    finish(tmp_path / "0", ["seed=1", "model=gru", r"dataset.path='\${x}'", "sweep.trials=3"], 3.0)
    finish(tmp_path / "1", ["seed=1", "model=lstm", r"dataset.path='\${x}'"], 2.0)
    finish(tmp_path / "2", ["seed=1", "model=gru,", r"dataset.path='\${x}'"], None)
    finish(tmp_path / "3", ["seed=1", "model=mingru", r"dataset.path='\${x}'"], 1.0, pruned=40)
    jobs = read_jobs(tmp_path)
    assert [job.name for job in jobs] == ["1", "0", "2", "3"]
    assert [dict(job.values) for job in jobs] == [{"model": name} for name in ("lstm", "gru", "gru,", "mingru")]
    assert [job.state for job in jobs] == ["", "", "", "pruned"]


def test_a_job_that_was_cut_off_is_told_with_the_best_it_came_to(tmp_path: Path) -> None:
    begin(tmp_path / "0", ["seed=1"])
    (tmp_path / "0" / CURVE).write_text("step,seconds,nats\n10,1.0,5.5\n20,2.0,4.5\n30,3.0,4.7\n40,4.")
    [job] = read_jobs(tmp_path)
    assert (job.state, job.score) == ("stopped", 4.5)


def test_best_model_is_copied_and_the_table_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, score in enumerate([3.0, 1.5, None, 2.0]):
        finish(tmp_path / "sweep" / str(place), [f"seed={place}", "model.size=" + "9" * 90], score)
    output = tmp_path / "best.pt"
    output.write_text("older")
    with pytest.warns(UserWarning, match="best.pt.bak"):  # what somebody else wrote is kept
        report(tmp_path / "sweep", output)
    assert output.read_text() == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "best.pt.bak", "sweep"]
    table = capsys.readouterr().out.splitlines()[:5]
    assert all(len(line) <= 80 for line in table)
    assert [line.split() for line in table] == [
        ["job", "nats/event", "seed"],
        ["1", "1.5000", "1"],
        ["3", "2.0000", "3"],
        ["0", "3.0000", "0"],
        ["2", "–", "2"],
    ]


def test_over_seeds_mean_and_deviation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = [("gru", 1, 3.0), ("gru", 2, 5.0), ("lstm", 1, 2.0), ("lstm", 2, 3.0), ("lstm", 3, 4.0)]
    for place, (name, seed, score) in enumerate(scores):
        finish(tmp_path / str(place), [f"model={name}", f"seed={seed}"], score)
    finish(tmp_path / "9", ["model=gru", "seed=3"], 9.0, pruned=10)
    lstm, gru = group_by_seed(read_jobs(tmp_path))
    assert (lstm.values, lstm.mean, str(lstm)) == ({"model": "lstm"}, 3.0, "3.0000 ± 1.0000")
    assert (gru.scores, str(gru)) == ((3.0, 5.0), "4.0000 ± 1.4142")
    report(tmp_path)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["3.0000", "±", "1.0000", "3", "lstm"] in lines
    assert ["4.0000", "±", "1.4142", "2", "gru"] in lines


def test_of_seeds_alone_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2, 3):
        finish(tmp_path / str(seed), [f"seed={seed}"], float(seed))
    report(tmp_path)
    said = "2.0000 ± 1.0000 nats per event over 3 seeds (mean ± standard deviation)"
    assert said in capsys.readouterr().out.splitlines()


def test_without_seeds_there_is_no_deviation(tmp_path: Path) -> None:
    for place, name in enumerate(("gru", "lstm")):
        finish(tmp_path / str(place), [f"model={name}"], 1.0)
    assert group_by_seed(read_jobs(tmp_path)) == []


def test_the_table_in_the_folder_has_all(tmp_path: Path) -> None:
    finish(tmp_path / "0", ["optimizer.lr=0.0034872364872", "model=gru"], 2.5, marginal=4.0, seconds=3.5)
    finish(tmp_path / "1", ["optimizer.lr=0.01", "model=gru"], None, error="a, b")
    with pytest.raises(HachimachiError):
        report(tmp_path)
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["optimizer.lr"] for row in rows] == ["0.0034872364872", "0.01"]
    assert [(row["nats"], row["state"], row["marginal"]) for row in rows] == [
        ("2.5", "finished", "4.0"),
        ("", "failed", ""),
    ]


def test_failed_jobs_are_all_named_after_the_best_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(tmp_path / "sweep" / "0", ["seed=0"], None, error="data.json: row 3: found nan")
    finish(tmp_path / "sweep" / "1", ["seed=1"], 2.0)
    finish(tmp_path / "sweep" / "2", ["seed=2"], None, error="[red]odd")
    with pytest.raises(HachimachiError, match=r"2 of 3 jobs failed: data.json: row 3"):
        report(tmp_path / "sweep", tmp_path / "best.pt")
    assert (tmp_path / "best.pt").read_text() == "1"
    printed = capsys.readouterr().out.splitlines()
    assert {"job 0 failed: data.json: row 3: found nan", "job 2 failed: [red]odd"} < set(printed)


def test_no_score_leaves_the_output_alone(tmp_path: Path) -> None:
    finish(tmp_path / "sweep" / "0", ["seed=0"], None)
    with pytest.raises(HachimachiError, match=r"no job .* has a score"):
        report(tmp_path / "sweep", tmp_path / "best.pt")
    assert not (tmp_path / "best.pt").exists()


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    finish(tmp_path / "sweep" / "0", ["seed=0"], 1.0)
    with pytest.raises(HachimachiError, match=r"best.pt: there is no folder"):
        report(tmp_path / "sweep", tmp_path / "nowhere" / "best.pt")
