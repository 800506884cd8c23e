"""`hxmx eval --play` through the real command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hachimachi.checkpoint import load_model, save_model
from hachimachi.evaluation import playing
from hachimachi.evaluation.playing import cut_primers, evaluate_playing, list_conditions, play
from hachimachi.evaluation.verdict import GRADES
from hachimachi.io import read, write
from hachimachi.models.event_model import build_model
from tests.commands.conftest import Said


@pytest.fixture(scope="module", autouse=True)
def short() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing.play, "__defaults__", (60, None, ()))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, make_pieces: Any) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("play")
    save_model(build_model(make_pieces([100]), {"name": "gru", "size": 8}), folder / "model.pt")
    write(folder / "data.json", make_pieces([90])[0][20:])
    return folder


@pytest.fixture
def hxmx(hxmx_eval: Said) -> Said:
    return hxmx_eval


def test_the_figures_are_those_of_the_functions(hxmx: Any, home: Path) -> None:
    status, out, err = hxmx(home / "model.pt", home / "data.json", "--play", 3, "--json")
    assert (status, err) == (0, "")
    model = load_model(home / "model.pt")
    data = read(home / "data.json")
    primers = cut_primers(data)
    made = {
        condition: list(play(model, 3, sampling=sampling, primers=primers if condition.primed else ()))
        for condition, sampling in list_conditions(primers).items()
    }
    report = evaluate_playing(model, data, made)
    assert json.loads(out)["playing"] == json.loads(json.dumps(report.to_json()))
    assert json.loads(out)["verdict"]["grade"] in GRADES


def test_every_figure_is_on_the_screen_beside_that_of_the_data(hxmx: Any, home: Path) -> None:
    status, out, err = hxmx(home / "model.pt", home / "data.json", "--play", 2)
    assert (status, err) == (0, "")
    lines = out[out.index("2 generations of 60 events at each temperature:") :].splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["1", "0.9", "0.8"]  # under the next three stands that they are primed
    assert lines[2].split() == ["data", "1", "0.9", "0.8", *["primed"] * 3]
    for title in ("events a second", "silence", "notes at once", "velocity", "unisons", "longest run of it"):
        [line] = [line for line in lines if line.startswith(title)]
        assert len(line.removeprefix(title).split()) == 7
    for title in ("collapsed", "least like the data"):
        line = next(line for line in lines if line.startswith(title))
        assert len(line.removeprefix(title).split()) == 6
    figures = json.loads(hxmx(home / "model.pt", home / "data.json", "--play", 2, "--json")[1])["playing"]
    likeness = max(each["ratio"] for each in figures["likeness"].values())
    [line] = [line for line in lines if line.startswith("least like the data")]
    assert line.split()[4] == f"{likeness:.1f}" + "!" * (likeness > 2)
    assert f"least like: distance in its worst aspect ({figures['worst_likeness']['worst']})" in out
    [verdict] = [line for line in lines if line.startswith("Verdict: ")]
    assert verdict.removeprefix("Verdict: ") in GRADES


def test_what_is_asked_for_is_played_alone(hxmx: Any, home: Path) -> None:
    status, out, err = hxmx(home / "model.pt", home / "data.json", "--play", 2, "--min-p", 0.1)
    assert (status, err) == (0, "")
    assert out.count("as given") == 2
    assert "Verdict" not in out


def test_without_it_nothing_is_played(hxmx: Any, home: Path) -> None:
    _, out, _ = hxmx(home / "model.pt", home / "data.json", "--json")
    assert "playing" not in json.loads(out)
    assert hxmx(home / "model.pt", home / "data.json", "--play", 0)[0] == 2
