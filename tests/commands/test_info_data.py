"""`hxmx info` of data, through the real command line."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from hachimachi.commands.info import command
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import write


@pytest.fixture
def info(hxmx_said: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("COLUMNS", "80")
    return partial(hxmx_said, "info")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    features = (Feature("knob"), Feature("held", masked=True), Feature("mode", "categorical"), Feature("still"))
    for number in range(3):
        columns = [chance.random(600), chance.exponential(1, 600), chance.integers(0, 3, 600), np.full(600, 5)]
        time = np.cumsum(chance.exponential(0.1, 600))
        write(tmp_path / f"take {number}.json", EventSequence(features, np.column_stack(columns), time))
    return tmp_path


def test_a_real_data_set(info: Any, shared_data: Path) -> None:
    status, out, err = info(shared_data / "single" / "multi_train.json")
    assert (status, err) == (0, "")
    first, header, time, pitch, velocity, duration, instrument, legend, *rest = out.splitlines()
    assert first.endswith("multi_train.json: 3,292 events in 2.5 min")
    assert header.split() == ["feature", "kind", "range", "step", "distinct", "distribution"]
    assert time.split()[:5] == ["time", "continuous", "0–0.2", "0.01", "22"]
    assert pitch.split()[:5] == ["pitch", "integer*", "36–86", "1*", "32"]
    assert velocity.rstrip().endswith("█")
    assert duration.split()[:3] == ["~duration", "continuous*", "0.09667–3.197"]
    assert instrument.split() == ["instrument", "categorical*", "29–128", "7", "█▇▂▂▂▁▁"]
    assert legend == "~ masked: known afterwards only; * declared, else derived; seconds: log scale"
    assert "58% at 0 s, 58% at once (below 5 ms)" in rest[1]
    assert rest[2].startswith("instruments: Electric Bass (pick) 1,368, Drums 1,060")
    assert rest[-1] == "nothing looks wrong"
    assert max(map(len, out.splitlines()[1:])) <= 80


def test_a_folder_and_what_looks_wrong(info: Any, folder: Path) -> None:
    (folder / "bad.csv").write_text("time;x\n0;1\n1;a\n")
    status, out, err = info(folder)
    assert (status, err) == (0, "")
    assert re.search(r": 1,800 events in \d\.\d min, 3 sequences", out)
    assert "shortest 600 (take 0.json)" in out
    assert re.search(r"1   1  left out: row 3, column x: found 'a'.*\n +bad.csv", out)
    assert "what looks wrong:\n- still: 5 throughout; it teaches nothing" in out


def test_how_text_was_read_is_said(info: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time;x\n" + "".join(f"{250 * i};{i % 7},5\n" for i in range(50)))
    status, out, _ = info(tmp_path / "a.csv")
    assert status == 0
    assert "1   1  files with ';' between values" in out
    assert "1   1  files with decimal commas" in out
    assert out.count("milliseconds") == 1
    assert "typically 250 apart" in out


def test_one_file_in_milliseconds_among_many_is_not_forgotten(info: Any, folder: Path) -> None:
    time = np.cumsum(np.random.default_rng(1).integers(20, 200, 30)).astype(float)
    rows = np.column_stack([np.linspace(0, 1, 30), np.ones(30), np.zeros(30), np.full(30, 5)])
    features = (Feature("knob"), Feature("held", masked=True), Feature("mode", "categorical"), Feature("still"))
    write(folder / "ms.json", EventSequence(features, rows, time))
    out = info(folder)[1]
    assert "look like milliseconds" in out
    assert re.search(r"look like milliseconds.*\n( .*\n)? +ms.json", out)


def test_without_time(info: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,~y#\n0.5,1\n0.25,1\n")
    out = info(tmp_path / "a.csv")[1]
    assert "2 events, without time" in out
    assert "0.25–0.5" in out
    assert "between" not in out


def test_for_machines(info: Any, folder: Path) -> None:
    status, out, err = info(folder, "--json", "--plot", folder / "a.svg")
    assert status == 0
    found = json.loads(out)
    assert (found["events"], found["sequences"], found["lengths"]) == (1800, 3, [600, 600, 600])
    assert [column["name"] for column in found["columns"]] == ["time", "knob", "held", "mode", "still"]
    assert found["columns"][3]["kind"] == "categorical"
    assert set(found["columns"][1]["quantiles"]) == {"0", "0.05", "0.25", "0.5", "0.75", "0.95", "1"}
    assert found["findings"][0]["kind"] == "constant"
    assert found["left_out"] == found["read_as"] == {}
    assert "a.svg" in err


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture(info: Any, folder: Path, suffix: str) -> None:
    path = folder / f"picture{suffix}"
    status, out, _ = info(folder, "--plot", path)
    assert status == 0
    assert out.splitlines()[-1] == f"→ {path}"
    if suffix == ".png":
        image = matplotlib.image.imread(path)
        assert image.shape[1] == 1600
        assert image[..., :3].std() > 0.05
    assert path.stat().st_size > 5000


def test_thousands_of_columns_are_told_of_in_short(info: Any, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((30, 2000))
    rows[:, 100:200] = 0
    write(tmp_path / "a.json", make_sequence(rows, np.arange(30) / 10, [f"sensor {i}" for i in range(2000)]))
    status, out, _ = info(tmp_path / "a.json")
    assert status == 0
    assert "and 1,961 more columns: --json tells of all" in out
    assert "and more of the same: constant 95; --json tells of all" in out
    assert len(out.splitlines()) < 100


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("a.csv", "--plot", "a.mid"), 1, "not a picture's name; expected it to end in .png"),
        (("a.csv", "--plot", "nowhere/a.png"), 1, "no folder"),
        (("model.pt", "--json"), 2, "is a model; --json and --plot are for data sets"),
        (("a.csv", "b.csv"), 2, "unexpected extra argument"),
    ],
)
def test_wrong_calls(
    info: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple, status: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("time,x\n0,1\n1,2\n")
    found, _, err = info(*words)
    assert found == status
    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_help_tells_the_options() -> None:
    assert {option for parameter in command.params for option in parameter.opts} >= {"--json", "--plot"}
