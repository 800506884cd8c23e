"""`hxmx eval a.pt b.pt data` through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi.checkpoint import save_model
from hachimachi.events import make_sequence
from hachimachi.io import write
from hachimachi.models.event_model import build_model
from tests.commands.conftest import Said


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, a third that predicts badly, and data in six sequences."""
    folder = tmp_path_factory.mktemp("compared")
    pieces = [make_sequence([[60 + i % 7, 80] for i in range(90)], [i / 4 for i in range(90)], ["pitch", "velocity"])]
    torch.manual_seed(0)
    for name in ("a", "b", "wild"):
        model = build_model(pieces, {"name": "gru", "size": 8})
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_({"a": 0, "b": 0.02, "wild": 0.5}[name] * torch.randn_like(weight))
        save_model(model, folder / f"{name}.pt")
    chance = np.random.default_rng(0)
    rows = [[[60 + int(k), 80] for k in chance.integers(0, 7, 40)] for _ in range(6)]
    write(folder / "data.json", [make_sequence(row, [i / 4 for i in range(40)], ["pitch", "velocity"]) for row in rows])
    return folder


def test_on_the_screen(hxmx_eval: Said, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    status, out, err = hxmx_eval("wild.pt", "a.pt", "b.pt", "data.json")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "data.json: 234 events scored in 6 sequences"
    assert {line[3:] for line in lines[1:4]} == {"a.pt", "b.pt", "wild.pt"}
    assert lines[3] == "3  wild.pt"
    [header, time, pitch, velocity, total] = lines[5:10]
    assert header.split("  ")[0] == "nats per event"
    assert [line.split()[0] for line in (time, pitch, velocity, total)] == ["time", "pitch", "velocity", "total"]
    assert total.endswith("*")
    assert "* more than noise, at 95 %; ± standard error over 6 sequences" in lines
    assert "wild.pt predicts these events no better than a histogram of each feature would" in lines
    assert "b.pt" in lines[-2] or "a.pt" in lines[-2]


def test_as_json(hxmx_eval: Said, home: Path) -> None:
    names = [str(home / f"{name}.pt") for name in ("wild", "a")]
    status, out, _ = hxmx_eval(*names, home / "data.json", "--json")
    figures = json.loads(out)
    assert status == 0
    assert figures["best"] == names[1]
    assert figures["blocks"] == {"by": "sequence", "count": 6}
    wild, best = figures["models"]
    assert wild["from_best"]["nats"] == pytest.approx(wild["nats_per_event"] - best["nats_per_event"])
    assert wild["from_best"]["sure"] is True
    assert best["from_best"]["nats"] == 0
    parts = wild["from_best"]["features"].values()
    assert sum(part["nats"] for part in parts) == pytest.approx(wild["from_best"]["nats"])
    _, alone, _ = hxmx_eval(names[0], home / "data.json", "--json")
    assert {key: wild[key] for key in json.loads(alone)} == json.loads(alone)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["a.pt", "b.pt", "data.json", "--surprise", "s.csv"], 2, "--surprise: for one model, found 2"),
        (["a.pt", "b.pt", "data.json", "--play", "2"], 2, "--play: for one model, found 2"),
        (["a.pt", "b.pt", "data.json", "--temperature", "2"], 2, "options of gen: for one model, found 2"),
        (["a.pt", "a.pt", "data.json"], 2, "a.pt: stands there twice"),
        (["a.pt", "none.pt", "data.json"], 1, "none.pt: no such file"),
        (["a.pt"], 2, "found a.pt alone; expected a model, or several, and then the data"),
    ],
)
def test_wrong_calls(
    hxmx_eval: Said, home: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, message: str
) -> None:
    monkeypatch.chdir(home)
    code, _, err = hxmx_eval(*words)
    assert code == status
    assert message in err
    assert not (home / "s.csv").exists()
