"""`hxmx info` through the real command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi.checkpoint import describe, save_model
from hachimachi.cli import main
from hachimachi.events import EventSequence
from hachimachi.io import write
from hachimachi.io.midi import NOTES
from hachimachi.models.event_model import EventModel, build_model

SUMMARY = {
    "data": {"name": "piece.json", "fingerprint": "0123456789abcdef", "sequences": 3, "events": 1234},
    "config": {"seed": 7},
    "date": "2024-02-03",
    "epochs": 12,
    "held_out": {
        "nats_per_event": 7.5,
        "marginal": 9.25,
        "stderr": 0.125,
        "events": 137,
        "fresh": 8.125,
        "fresh_events": 40,
        "by_feature": {name: {"nats": 1.5, "marginal": 2.0} for name in ("time", *(f.name for f in NOTES))},
    },
}


@pytest.fixture
def model() -> EventModel:
    chance = np.random.default_rng(0)
    notes = np.column_stack(
        [chance.integers(48, 72, 50), chance.integers(40, 99, 50), chance.random(50), np.arange(50) % 2]
    ).astype(float)
    data = EventSequence(NOTES, notes, np.cumsum(chance.exponential(0.1, 50)))
    return build_model([data], {"name": "lstm", "size": 8, "layers": 2}, {"name": "mixture", "components": 3})


@pytest.fixture
def info(capsys: pytest.CaptureFixture[str]):
    def run(path: Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["info", str(path)])
        output = capsys.readouterr()
        return int(caught.value.code or 0), output.out, output.err

    return run


def test_a_trained_model(info, model: EventModel, tmp_path: Path) -> None:
    model.summary = SUMMARY
    save_model(model, tmp_path / "model.pt")
    state = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    torch.save({"hachimachi_spec": describe(model), "state_dict": state}, tmp_path / "last.ckpt")
    status, out, err = info(tmp_path / "model.pt")
    assert (status, err) == (0, "")
    assert out.replace("model.pt", "last.ckpt") == info(tmp_path / "last.ckpt")[1]
    weights = sum(weight.numel() for weight in model.parameters())
    first, backbone, head, header, time, pitch, _, duration, instrument, *rest = out.splitlines()
    assert first == f"{tmp_path / 'model.pt'}: {weights:,} weights"
    assert backbone == "lstm (size 8, layers 2)"
    assert head == "mixture (components 3)"
    assert header.split() == ["feature", "kind", "values", "step", "nats", "marginal"]
    assert time.split()[0] == "time"
    assert pitch.split() == ["pitch", "integer", "48–71", "1", "1.50", "2.00"]
    assert "masked" in duration
    assert instrument.split() == ["instrument", "categorical", "2", "categories", "1.50", "2.00"]
    assert rest == [
        "trained on 1,234 events in 3 sequences of piece.json (0123456789abcdef)",
        "2024-02-03, 12 epochs, seed 7",
        "held out: 7.50 ± 0.12 nats per event over 137 events,",
        "          1.75 below the marginal baseline of 9.25",
        "          8.12 over 40 fresh events, after steps that training never had",
        f"again: hxmx train again.pt --from {tmp_path / 'model.pt'}",
    ]
    assert max(map(len, out.splitlines()[1:-1])) <= 80


def test_a_model_that_is_not_trained(info, model: EventModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model.pt")
    status, out, _ = info(tmp_path / "model.pt")
    assert status == 0
    assert out.splitlines()[-1] == "not trained by hxmx train"


@pytest.mark.parametrize(
    ("summary", "told"),
    [
        ({"data": {"events": 3}, "init": {}}, "trained on 3 events of unnamed data"),
        ({"date": "2026-01-02", "config": {}}, "2026-01-02"),
        ({"init": {"data": {}}}, "began with a model without a name"),
        ({"held_out": {"events": 3}}, "its summary lacks 'marginal'"),
        ({"stage": {"scope": "ours"}}, "its summary lacks 'ours'"),
    ],
)
def test_a_summary_made_by_hand_may_lack_anything(info, model: EventModel, tmp_path: Path, summary, told: str) -> None:
    model.summary = summary
    save_model(model, tmp_path / "hand.pt")
    status, out, _ = info(tmp_path / "hand.pt")
    assert status == 0 and told in " ".join(out.split())


def test_a_model_above_the_baseline_is_said_to_be(info, model: EventModel, tmp_path: Path) -> None:
    model.summary = {**SUMMARY, "held_out": {**SUMMARY["held_out"], "marginal": 7.0}}  # pyright: ignore[reportGeneralTypeIssues]
    save_model(model, tmp_path / "model.pt")
    assert "0.50 above the marginal baseline of 7.00" in info(tmp_path / "model.pt")[1]


@pytest.mark.parametrize("without", [{"fresh": None, "fresh_events": 0}, {}])
def test_nothing_is_said_where_there_is_no_such_figure(info, model: EventModel, tmp_path: Path, without: dict) -> None:
    held_out = {key: value for key, value in SUMMARY["held_out"].items() if "fresh" not in key}  # pyright: ignore
    model.summary = {**SUMMARY, "held_out": {**held_out, **without}}
    save_model(model, tmp_path / "model.pt")
    status, out, _ = info(tmp_path / "model.pt")
    assert status == 0
    assert "fresh events" not in out


def test_a_data_set(info, tmp_path: Path) -> None:
    notes = np.array([[60, 80, 0.5, 0], [64, 90, 0.25, 128], [60, 80, 0.5, 0]])
    write(tmp_path / "data.json", EventSequence(NOTES, notes, np.array([0.0, 0.5, 2.0])))
    status, out, err = info(tmp_path / "data.json")
    assert (status, err) == (0, "")
    assert "3 events in 2.0 s" in out
    assert "pitch" in out
    assert "60–64" in out
    assert "Drums 1" in out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pt", None, "no such file; expected a model"),
        ("missing.json", None, "there is no such file"),
        ("wrong.pt", b"text", "damaged, or not a model file"),
        ("wrong.ckpt", b"", "damaged, or not a model file"),
        ("wrong.json", b"{", "not JSON"),
        ("model", b"", "no suffix"),
    ],
)
def test_what_cannot_be_shown(info, tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    status, out, err = info(tmp_path / name)
    assert (status, out) == (1, "")
    assert message in err
    assert len(err.splitlines()) == 1
