"""`hxmx eval` through the real command line: every figure it prints can be checked from the files it writes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hachimachi.checkpoint import save_model
from hachimachi.columns import FLOOR
from hachimachi.events import EventSequence
from hachimachi.io import write
from hachimachi.io.midi import NOTES
from hachimachi.models.event_model import build_model
from tests.commands.conftest import Said, read_table


def play(events: int, seed: int) -> EventSequence:
    chance = np.random.default_rng(seed)
    pitch, velocity = chance.integers(48, 72, events), chance.integers(40, 100, events)
    notes = np.column_stack([pitch, velocity, chance.uniform(0.1, 1, events), chance.choice([0, 128], events)]).astype(
        float
    )
    return EventSequence(NOTES, notes, np.cumsum(chance.exponential(0.1, events)), f"{seed}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and data: one sequence, two, one of a single event, and one of a single instrument."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("eval")
    save_model(build_model([play(200, 0)], {"name": "gru", "size": 8}), folder / "model.pt")
    write(folder / "one.json", play(120, 1))
    write(folder / "two.json", [play(12, 2), play(7, 3)])
    write(folder / "single.json", play(1, 4))
    write(folder / "other.csv", EventSequence(NOTES[:2], play(5, 5).data[:, :2], play(5, 5).time))
    piano = play(20, 6)
    write(folder / "piano.mid", EventSequence(NOTES[:3], piano.data[:, :3], piano.time))
    return folder


@pytest.fixture
def hxmx(hxmx_eval: Said) -> Said:
    return hxmx_eval


def test_on_the_screen(hxmx, home: Path) -> None:
    status, out, err = hxmx(home / "model.pt", home / "one.json")
    assert (status, err) == (0, "")
    first, _, *features, total, baseline = out.splitlines()[:8]
    assert first == f"{home / 'one.json'}: 119 events scored in 1 sequence"
    assert [line.split()[0] for line in features] == ["time", "pitch", "velocity", "duration", "instrument"][:4]
    assert "instrument" in total
    assert baseline.startswith("total: ")
    assert "the marginal baseline of" in out
    assert [line for line in out.splitlines()[1:] if len(line) > 80] == []


def test_the_figures_are_those_of_the_surprises(hxmx, home: Path, tmp_path: Path) -> None:
    status, out, _ = hxmx(home / "model.pt", home / "two.json", "--json", "--surprise", tmp_path / "s.csv")
    assert status == 0
    figures, rows = json.loads(out), read_table(tmp_path / "s.csv")
    assert list(rows[0]) == ["sequence", "event", *figures["order"], "total"]
    indices = [(int(row["sequence"]), int(row["event"])) for row in rows]
    assert indices == [(0, e) for e in range(1, 12)] + [(1, e) for e in range(1, 7)]
    assert (figures["events"], figures["scored"], figures["sequences"]) == (19, 17, 2)
    totals = [float(row["total"]) for row in rows]
    assert np.mean(totals) == pytest.approx(figures["nats_per_event"], abs=1e-9)
    for row, total in zip(rows, totals, strict=True):
        assert math.fsum(float(row[name]) for name in figures["order"]) == pytest.approx(total, abs=1e-12)
    for name, feature in figures["features"].items():
        assert np.mean([float(row[name]) for row in rows]) == pytest.approx(feature["nats"])
    assert sum(feature["marginal"] for feature in figures["features"].values()) == pytest.approx(figures["marginal"])
    assert figures["stderr"] is None  # too few events for blocks of fifty
    pitch = {key: figures["features"]["pitch"][key] for key in ("resolution", "low", "high", "bins", "floor")}
    assert pitch == {"resolution": 1, "low": 0, "high": 127, "bins": 128, "floor": FLOOR / 128}
    assert figures["features"]["instrument"]["bins"] == 3


@pytest.mark.parametrize("index", ["0:1", "0:11", "1:6"])
def test_a_table_holds_every_bin(hxmx, home: Path, tmp_path: Path, index: str) -> None:
    words = ["--json", "--surprise", tmp_path / "s.csv", "--table", index, tmp_path / "t.csv"]
    status, out, _ = hxmx(home / "model.pt", home / "two.json", *words)
    assert status == 0
    figures, rows = json.loads(out), read_table(tmp_path / "t.csv")
    (surprise,) = (row for row in read_table(tmp_path / "s.csv") if f"{row['sequence']}:{row['event']}" == index)
    event = json.loads((home / "two.json").read_text())["sequences"][int(index[0])]
    at = int(index[2:])
    values = {"time": event["time"][at] - event["time"][at - 1]}
    values |= dict(zip(figures["order"][1:], event["data"][at], strict=True))
    for name, value in values.items():
        bins = [row for row in rows if row["feature"] == name]
        assert [int(row["bin"]) for row in bins] == list(range(figures["features"][name]["bins"]))
        assert math.fsum(float(row["p"]) for row in bins) == pytest.approx(1, abs=1e-6)
        (actual,) = (row for row in bins if float(row["low"]) <= value <= float(row["high"]) and holds(row, value))
        assert float(actual["p"]) == pytest.approx(math.exp(-float(surprise[name])), rel=1e-9)


def holds(row: dict[str, str], value: float) -> bool:
    return value < float(row["high"]) or row["low"] == row["high"]


def test_one_instrument_is_judged_by_a_model_of_several(hxmx, home: Path) -> None:
    status, out, _ = hxmx(home / "model.pt", home / "piano.mid", "--json")
    assert status == 0
    assert json.loads(out)["scored"] == 19


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["one.json", "one.json"], "one.json: damaged, or not a model file"),
        (["model.pt", "model.pt"], "suffix '.pt'; hachimachi can read"),
        (["missing.pt", "one.json"], "missing.pt: no such file"),
        (["model.pt", "missing.json"], "missing.json: there is no such file"),
        (["model.pt", "other.csv"], "features are pitch, velocity; the model expects pitch, velocity, duration"),
        (["model.pt", "single.json"], "single.json: nothing to score; expected a sequence of two events or more"),
        (["model.pt", "one.json", "--surprise", "no/s.csv"], "there is no folder"),
        (["model.pt", "one.json", "--surprise", "one.json"], "is what it is to be made from; name another file"),
        (["model.pt", "one.json", "--table", "0:1", "model.pt"], "is what it is to be made from; name another file"),
        *(
            (["model.pt", "two.json", "--surprise", "s.csv", "--table", index, "t.csv"], f"--table {index}: expected")
            for index in ("0", "0:0", "0:12", "1:7", "2:1", "-1:3", "0:-2", "a:b", "0:1:2", "", "0:1.5")
        ),
    ],
)
def test_wrong_calls_leave_no_file(
    hxmx, home: Path, tmp_path: Path, monkeypatch: Any, words: list, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in home.iterdir()}
    status, out, err = hxmx(*(home / word if (home / word).is_file() else word for word in words))
    assert (status, out) == (1, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
    assert {path: path.read_bytes() for path in home.iterdir()} == before


def test_a_model_that_has_learned_nothing_is_told(hxmx, home: Path) -> None:
    model = build_model([play(200, 0)], {"name": "gru", "size": 8})
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight, dtype=torch.float32))
    save_model(model, home / "wild.pt")
    _, out, _ = hxmx(home / "wild.pt", home / "one.json")
    assert "above the marginal baseline" in out
    assert "no better than a histogram of each feature" in out
