"""The benchmark of the field: its figures, its tables, and that it goes on where it was.

What it measures is not asserted but for one process, whose floor it reaches.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks import field
from benchmarks.field import PUBLISHED, SOURCES, Settings, mean_with_error, measure, show, show_playing
from benchmarks.point_processes import PROCESSES, score_truth, write_process
from benchmarks.polyphonic import SETS, write_piano_rolls
from hachimachi import io

FEW = {"train": 6, "valid": 2, "test": 3}
TINY = ("model.size=8", "trainer.max_steps=3")


def result(row: str, **figures: Any) -> dict[str, Any]:
    process = {"floor": 0.481, "floor stderr": 0.04, "above": 0.008, "above stderr": 0.001, "survival": 0.018}
    known = {"row": row, "seed": 0, "nats": 0.489, "stderr": 0.04, "marginal": 1.0}
    return known | (process if row in PROCESSES else {}) | figures


def test_a_mean_of_sequences_has_the_error_of_the_ratio() -> None:
    random = np.random.default_rng(4)
    counts = random.integers(5, 40, (4_000, 50))
    totals = counts * 0.7 + random.normal(0, 1, counts.shape) * counts**0.5
    pairs = [mean_with_error(total, number) for total, number in zip(totals, counts, strict=True)]
    means, errors = np.array(pairs).T
    assert means.mean() == pytest.approx(0.7, abs=0.002)
    assert errors.mean() == pytest.approx(means.std(ddof=1), rel=0.05)
    assert mean_with_error(np.array([3.0, 5.0]), np.array([1, 1])) == pytest.approx((4.0, 1.0))


def test_figures_of_a_process_stand_beside_its_floor_on_the_same_events(tmp_path: Path) -> None:
    process = PROCESSES["marked"][1]
    data, split = write_process(process, tmp_path / "marked.json", FEW)
    figures = measure("marked", 0, Settings(1.0, TINY), data, split)
    test = [sequence for sequence in io.read(data) if sequence.name.startswith("test")]
    nll, survival = score_truth(process, test)
    assert (figures["scored"], figures["sequences"]) == (sum(map(len, nll)), 3)
    assert figures["floor"] == pytest.approx(np.concatenate(nll).mean())
    assert figures["survival"] == pytest.approx(survival.sum() / figures["scored"])
    assert figures["above"] == pytest.approx(figures["nats"] - figures["floor"])
    columns = figures["nats of time"] + figures["nats of mark"]
    assert figures["nats"] == pytest.approx(columns + np.log(0.001))
    # time is a density: in bins five times as wide it is still the same
    wide = measure("marked", 0, Settings(1.0, (*TINY, "feature.time.resolution=0.005")), data, split)
    assert wide["nats"] == pytest.approx(wide["nats of time"] + wide["nats of mark"] + np.log(0.005))
    assert wide["nats"] == pytest.approx(figures["nats"], abs=0.3)  # ln 5 is 1.6
    assert wide["floor"] == figures["floor"]


def test_nats_of_a_set_are_shared_out_among_its_frames(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pieces = [[random.choice(np.arange(50, 70), 3, replace=False).tolist() for _ in range(30)] for _ in range(9)]
    data, split = write_piano_rolls(
        {"train": pieces[:5], "valid": pieces[5:7], "test": pieces[7:]}, tmp_path / "set.json"
    )
    figures = measure("jsb", 0, Settings(1.0, TINY), data, split)
    assert (figures["frames"], figures["scored"]) == (60, 2 * (30 * 3 + 1))
    per_event = figures["nats of time"] + figures["nats of pitch"]
    assert figures["nats"] == pytest.approx(per_event * figures["scored"] / 60)
    assert "floor" not in figures


def test_it_measures_what_is_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(field, "OUTPUTS", tmp_path)
    monkeypatch.setattr(field, "write_process", functools.partial(write_process, parts=FEW))
    write_piano_rolls(
        {"train": [[[60], [62]] * 9] * 4, "valid": [[[60]] * 9], "test": [[[60]] * 9]}, tmp_path / "nottingham.json"
    )
    tiny = [word for each in TINY for word in ("--override", each)]
    words = ["--rows", "renewal,nottingham,playing", "--polyphonic", str(tmp_path), "--jobs", "1", *tiny]
    assert field.main(words) == 0
    shown = capsys.readouterr().out
    assert "stationary renewal" in shown and "Nottingham" in shown and "none known here" in shown
    assert "make bench-playing measures them" in shown
    assert max(map(len, shown.replace(str(tmp_path), "").splitlines())) <= 80
    assert [path.name for path in sorted((tmp_path / "field" / "data").iterdir())] == [
        "renewal.json",
        "renewal_split.json",
    ]
    found = tmp_path / "field" / "default" / "renewal_0.json"
    assert json.loads(found.read_text(encoding="utf-8"))["steps"] == 3
    written = found.stat().st_mtime_ns
    assert field.main(words) == 0
    assert "2 of 2 are there already" in capsys.readouterr().out
    assert found.stat().st_mtime_ns == written
    assert field.main([*words, "--minutes", "3"]) == 1
    assert "has results of other settings; name another --output" in capsys.readouterr().err
    assert field.main(["--rows", "musedata", "--polyphonic", str(tmp_path)]) == 1
    assert "musedata.json: not there with its split; see docs/why/field.md" in capsys.readouterr().err


def test_the_table_is_printed_on_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    music = [result(row, nats=5.0) for row in SETS]
    several = [result("hawkes1"), result("hawkes1", seed=1, nats=0.493, above=0.012)]
    show([*several, *(result(row) for row in PROCESSES if row != "hawkes1"), *music], 10, Console(width=80))
    shown = capsys.readouterr().out
    assert "time as a density; 10 min each" in shown
    assert "Hawkes-1                  2    1.000 0.491 0.481 ± .040 +0.010 ± .001    0.018" in shown
    assert "5.00 ± .04 5.56 RNN-NADE [1]" in shown
    assert all(f"[{number}] {text}" in shown for number, text in SOURCES.items())
    assert "…" not in shown


def test_published_figures_have_sources_and_the_best_comes_first() -> None:
    for row, others in PUBLISHED.items():
        assert row in SETS and list(others) == sorted(others)
        assert {source for _, _, source in others} <= set(SOURCES)


def test_performances_are_summed_up_by_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, nats in enumerate([9.0, 10.0]):
        figures = {"kind": "piano", "nats": nats, "marginal": 14.0}
        (tmp_path / f"piano_a_{number}.json").write_text(json.dumps(figures), encoding="utf-8")
    show_playing(tmp_path, Console(width=80))
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("piano")]
    assert line.split() == ["piano", "2", "9.50", "±", ".50", "14.00"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rows", "tuba"], "--rows tuba: expected some of poisson,inhomogeneous"),
        (["--seeds", "x"], "expected whole numbers"),
        (["--minutes", "-1"], "--minutes -1: expected a number above 0"),
    ],
)
def test_a_word_it_does_not_know_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        field.main(words)
    assert said in capsys.readouterr().err


def test_quick_takes_a_minute_for_each_of_a_few_rows() -> None:
    chosen = field._parse(["--quick"])
    assert (chosen.rows, chosen.minutes, chosen.output) == (field.QUICK, 1.0, "quick")
    chosen = field._parse(["--quick", "--rows", "poisson", "--minutes", "2"])
    assert (chosen.rows, chosen.minutes) == (["poisson"], 2.0)


@pytest.mark.slow
def test_a_renewal_process_is_learned_to_near_its_floor(tmp_path: Path) -> None:
    data, split = write_process(PROCESSES["renewal"][1], tmp_path / "renewal.json")
    figures = measure("renewal", 0, Settings(10.0, ("trainer.max_steps=100",)), data, split)
    assert figures["steps"] <= 100
    assert -0.005 < figures["above"] < 0.05
    assert figures["above stderr"] < 0.01
    assert figures["marginal"] > figures["floor"] + 0.2
