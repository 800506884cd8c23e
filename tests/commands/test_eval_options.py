"""`hxmx eval` on other grids, on parts of a split, on fresh events and on what the model was trained on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi.checkpoint import load_model, save_model
from hachimachi.columns import FLOOR
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.io import write
from hachimachi.io.midi import NOTES
from hachimachi.models.event_model import build_model
from hachimachi.ngrams import opening_hashes
from tests.commands.conftest import Said, read_table


def play(events: int, seed: int, name: str = "") -> EventSequence:
    chance = np.random.default_rng(seed)
    columns = [chance.integers(48, 72, events), chance.integers(40, 100, events), chance.uniform(0.1, 1, events)]
    time = np.cumsum(chance.exponential(0.1, events))
    return EventSequence(NOTES[:3], np.column_stack(columns).astype(float), time, name)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, what it was trained on, and a collection with a split beside it."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("eval")
    heard = play(200, 0)
    model = build_model([heard], {"name": "gru", "size": 8})
    model.summary = {"data": {"openings": opening_hashes([heard])}}
    save_model(model, folder / "model.pt")
    model.grams = {}
    save_model(model, folder / "old.pt")
    write(folder / "heard.json", heard)
    (folder / "many").mkdir()
    for number in range(3):
        write(folder / "many" / f"{number}.csv", play(30 + number, number + 1))
    write(folder / "many.json", [play(30 + number, number + 1, f"piece {number}.mid") for number in range(3)])
    parts = {"train": ["0.csv"], "valid": [], "test": ["2", "1"]}
    (folder / "many" / "split.json").write_text(json.dumps(parts))
    parts = {"train": ["piece 0"], "valid": ["piece 2"], "test": ["x/piece 1.mid", "gone"]}
    (folder / "names.json").write_text(json.dumps(parts))
    return folder


@pytest.fixture
def hxmx(hxmx_eval: Said) -> Said:
    return hxmx_eval


def test_the_grid_asked_for_is_the_one_scored(hxmx, home: Path, tmp_path: Path) -> None:
    grid = ["--resolution", "time=0.03", "--resolution", "2=0.005", "--support", "pitch=50:70"]
    files = ["--surprise", tmp_path / "s.csv", "--table", "0:7", tmp_path / "t.csv"]
    status, out, err = hxmx(home / "model.pt", home / "many" / "0.csv", "--json", *grid, *files)
    assert (status, err) == (0, "")
    figures, rows = json.loads(out), read_table(tmp_path / "t.csv")
    described = {
        name: tuple(grid[key] for key in ("resolution", "low", "high", "bins"))
        for name, grid in figures["features"].items()
    }
    assert described["time"] == (0.03, 0, 60, 2001)
    assert described["pitch"] == (1, 50, 70, 21)
    assert described["velocity"] == (1, 1, 127, 127)
    assert described["duration"] == (0.005, 0, 60, 12001)
    assert figures["features"]["pitch"]["floor"] == pytest.approx(FLOOR / 21)
    piece = play(30, 1)
    assert figures["outside"] == ((piece.column("pitch") < 50) | (piece.column("pitch") > 70))[1:].sum() > 0
    (surprise,) = (row for row in read_table(tmp_path / "s.csv") if row["event"] == "7")
    for name, value in zip(figures["order"], piece.rows()[7], strict=True):
        bins = [row for row in rows if row["feature"] == name]
        assert len(bins) == figures["features"][name]["bins"]
        assert math.fsum(float(row["p"]) for row in bins) == pytest.approx(1, abs=1e-6)
        actual = [row for row in bins if float(row["low"]) <= value < float(row["high"])]
        p = float(actual[0]["p"]) if actual else FLOOR / len(bins)
        assert math.exp(-float(surprise[name])) == pytest.approx(p, rel=1e-6)
    plain = json.loads(hxmx(home / "model.pt", home / "many" / "0.csv", "--json")[1])
    assert figures["marginal"] != plain["marginal"]
    assert figures["features"]["velocity"] == plain["features"]["velocity"]


@pytest.mark.parametrize(
    ("data", "split", "part", "scored"),
    [
        ("many", "many/split.json", [], 61),
        ("many", "many/split.json", ["--part", "train"], 29),
        ("many.json", "names.json", ["--part", "valid"], 31),
        ("many.json", "names.json", [], 30),
    ],
)
def test_a_part_of_a_split(hxmx, home: Path, data: str, split: str, part: list[str], scored: int) -> None:
    status, out, err = hxmx(home / "model.pt", home / data, "--split", home / split, *part, "--json")
    assert (status, err) == (0, "")
    figures = json.loads(out)
    assert figures["scored"] == scored
    gone = split == "names.json" and not part
    assert figures["remarks"] == (["left out: gone: under test in names.json, but not in the data"] if gone else [])


def test_fresh_events_and_what_was_trained_on(hxmx, home: Path) -> None:
    new = json.loads(hxmx(home / "model.pt", home / "many.json", "--json")[1])
    assert new["fresh_events"] == sum(30 + number - 7 for number in range(3))  # random music is all fresh
    assert new["fresh"] > 0
    assert new["seen_in_training"] == 0
    known = json.loads(hxmx(home / "model.pt", home / "heard.json", "--json")[1])
    assert (known["fresh"], known["fresh_events"], known["seen_in_training"]) == (None, 0, 1)
    old = json.loads(hxmx(home / "old.pt", home / "many.json", "--json")[1])
    assert (old["fresh"], old["nats_per_event"]) == (None, new["nats_per_event"])


def test_it_is_said_on_the_screen(hxmx, home: Path) -> None:
    _, out, _ = hxmx(home / "model.pt", home / "many.json")
    assert "over 72 fresh events, after steps that training never had" in out
    assert "Warning" not in out
    _, out, _ = hxmx(home / "model.pt", home / "heard.json", "--support", "pitch=50:70")
    assert "Warning: This was part of the training data" in out
    assert "fresh events" not in out
    assert "values lie outside the support" in out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--resolution", "time"], 2, "'time': expected name=q"),
        (["--resolution", "time=nan"], 2, "'time=nan': expected name=q"),
        (["--resolution", "time=1:2"], 2, "expected name=q"),
        (["--support", "time=1"], 2, "'time=1': expected name=low:high"),
        (["--support", "time=a:b"], 2, "expected name=low:high"),
        (["--support", "=1:2"], 2, "expected name=low:high"),
        (["--support", "time=2:1"], 1, "the grid of 'time': support is 2:1, expected two numbers"),
        (["--resolution", "loudness=1"], 1, "loudness: the model has no such column; it has time, pitch"),
        (["--resolution", "pitch=0"], 1, "resolution is 0, expected a number above 0"),
        (["--resolution", "pitch=1e-9"], 1, "bins are too many"),
        (["--part", "test"], 2, "--part needs --split FILE"),
        (["--split", "no.json"], 1, "no.json: cannot be read"),
        (["--split", "names.json", "--part", "all"], 2, "'all' is not one of 'train', 'valid', 'test'"),
        (["--split", "many/split.json", "--part", "valid"], 1, "has no names under 'valid'"),
        (["--split", "names.json", "--surprise", "names.json"], 1, "is what it is to be made from; name another file"),
    ],
)
def test_wrong_calls(hxmx, home: Path, words: list[str], status: int, message: str) -> None:
    words = [str(home / word) if (home / word).is_file() else word for word in words]
    code, out, err = hxmx(home / "model.pt", home / "many.json", *words)
    assert (code, out) == (status, "")
    assert message in err
    assert "Traceback" not in err


def test_durations_of_past_notes_may_be_known(hxmx_eval: Said, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    duration = np.repeat(chance.uniform(0.05, 2, 40), 5)
    notes = np.column_stack([chance.integers(48, 72, 200), chance.integers(40, 100, 200), duration]).astype(float)
    data = EventSequence(NOTES[:3], notes, np.cumsum(chance.exponential(0.2, 200)))
    torch.manual_seed(0)
    model = build_model([data], {"name": "gru", "size": 8}, hear_masked=True)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    save_model(model, tmp_path / "model.pt")
    save_model(build_model([data], {"name": "gru", "size": 8}), tmp_path / "deaf.pt")
    write(tmp_path / "data.json", data)
    figures, tables = {}, {}
    for hear in ((), ("--hear", "duration")):
        table = tmp_path / "table.csv"
        status, out, err = hxmx_eval(
            tmp_path / "model.pt", tmp_path / "data.json", "--json", *hear, "--table", "0:9", table
        )
        assert (status, err) == (0, "")
        figures[hear] = json.loads(out)["nats_per_event"]
        tables[hear] = table.read_text()
        expected = evaluate(load_model(tmp_path / "model.pt"), data, hear=hear[1:]).nats_per_event
        assert figures[hear] == pytest.approx(expected)
    assert len(set(figures.values())) == len(set(tables.values())) == 2
    _, out, _ = hxmx_eval(tmp_path / "model.pt", tmp_path / "data.json", "--hear", "duration")
    assert "events scored in 1 sequence; it knows the past duration" in " ".join(out.split())
    status, _, err = hxmx_eval(tmp_path / "model.pt", tmp_path / "data.json", "--hear", "pitch")
    assert status == 1
    assert "hear 'pitch': expected a masked feature, duration" in err
    status, _, err = hxmx_eval(tmp_path / "deaf.pt", tmp_path / "data.json", "--hear", "duration")
    assert status == 1
    assert "train it with dataset.hear_masked=true" in err
