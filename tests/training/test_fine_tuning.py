"""What training begins with: a base model that fits, a model that is named, or nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from hachimachi import io
from hachimachi.checkpoint import load_model, save_model
from hachimachi.cli import cli
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, make_sequence
from hachimachi.ngrams import find_overlap
from hachimachi.training import fine_tuning
from hachimachi.training.config.compose import compose
from hachimachi.training.fit import Run, train

pytestmark = pytest.mark.usefixtures("folder")
SMALL = ("model.size=12", "head.width=8", "head.components=2")
QUICK = ("callbacks=quiet", "logger=none", "callbacks.pictures=false")


def go(*words: str, folder: str = "run") -> Run:
    return train(compose(["output=model.pt", *QUICK, *words]), folder)


def play(seed: int, length: int, scale: tuple[int, ...] = (0, 2, 4, 5, 7, 9, 11)) -> EventSequence:
    """Return notes that go up and down a scale, faster and slower."""
    random = np.random.default_rng(seed)
    steps = np.clip(np.cumsum(random.choice([-1, 1], length)) + 10, 0, 27)
    pitch = 48 + 12 * (steps // len(scale)) + np.take(scale, steps % len(scale))
    rows = np.column_stack([pitch, random.integers(60, 90, length), random.choice([0.1, 0.2], length)])
    time = np.cumsum(random.choice([0.125, 0.25, 0.5], length))
    return make_sequence(rows, time, ["pitch", "velocity", "duration"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two base models and their data: one that knows a scale, one that knows another thing."""
    home = tmp_path_factory.mktemp("bases")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        train_bases()
    return home


def train_bases() -> None:
    for name, scale in (("piano", (0, 2, 4, 5, 7, 9, 11)), ("drums", (0, 1, 6))):
        pieces = [play(seed, 400, scale) for seed in range(6)]
        if name == "drums":  # few numbers, and slowly
            pieces = [
                replace(
                    piece,
                    data=piece.data // [12, 1, 0.01] * [12, 1, 0.01],
                    time=4 * np.cumsum(np.nan_to_num(piece.rows()[:, 0])),
                )
                for piece in pieces
            ]
        io.write(f"{name}.json", pieces)
        words = [f"dataset.path={name}.json", f"output={name}.pt", "init=none", "trainer.max_epochs=12", *SMALL]
        go(*words, folder=f"run-{name}")
        model = load_model(f"{name}.pt")
        model.summary["base"] = {"licence": "CC0-1.0", "attributions": [f"{name}, by nobody"]}
        save_model(model, f"{name}.pt", half=True)


@pytest.fixture
def bases(folder: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The two base models, as those that come with the package, and data that one of them fits."""
    for path in trained.glob("*.*"):
        shutil.copy(path, folder)
    found = {name: folder / f"{name}.pt" for name in ("piano", "drums")}
    for module in ("hachimachi.training.fine_tuning", "hachimachi.checkpoint"):
        monkeypatch.setattr(f"{module}.find_base", found.get)
    monkeypatch.setattr(fine_tuning, "list_bases", lambda: list(found))
    io.write("data.json", play(50, 300))
    return found


def test_a_base_that_fits_is_fine_tuned(bases: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert bases
    run = go("trainer.max_epochs=4", "callbacks.progress=true")
    said = capsys.readouterr().out
    assert "Begins with piano, which learned 2,400 events (CC0-1.0); from scratch: init=none" not in said  # held out
    assert "Begins with piano" in said
    assert "(CC0-1.0); from scratch: init=none" in " ".join(said.split())
    model = run.model
    assert model.parts["backbone"]["size"] == 12
    assert model.summary["init"]["name"] == "piano"
    assert model.summary["decided"]["optimizer.lr"] in (1e-3, 2e-3)
    assert model.summary["decided"]["augment.as_data"] is True
    scratch = go("trainer.max_epochs=4", "init=none", *SMALL, folder="scratch")
    assert "init" not in scratch.model.summary
    assert run.score < scratch.score - 0.1
    # what it and its base have learned from is known again, and licences are told
    assert find_overlap(model.summary, io.read("data.json"))
    assert find_overlap(model.summary, io.read("piano.json"))
    assert not find_overlap(model.summary, io.read("drums.json"))
    shown = CliRunner().invoke(cli, ["info", "model.pt"]).output
    assert "began with" not in shown  # the one from scratch wrote it last
    go("trainer.max_epochs=1", "init=drums")
    shown = CliRunner().invoke(cli, ["info", "model.pt"]).output
    assert "began with drums" in shown
    assert "drums, by nobody" in shown


def test_a_model_of_ones_own_is_fine_tuned_and_so_on(bases: dict[str, Path]) -> None:
    go("trainer.max_epochs=2", f"init={bases['piano']}")
    Path("model.pt").rename("first.pt")
    run = go("trainer.max_epochs=2", "init=first.pt")
    lineage = run.model.summary["init"]
    assert (lineage["name"], lineage["init"]["name"]) == ("first.pt", str(bases["piano"]))
    assert run.model.columns[0].reference == load_model(bases["piano"]).columns[0]
    assert find_overlap(run.model.summary, io.read("piano.json"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["model.size=9"], "model.size=9 is named"),
        (["model=lstm"], "model=lstm is named"),
        (["head.width=7"], "head.width=7 is named"),
        (["feature.time.resolution=0.001"], "steps of time and pitch"),
    ],
)
def test_what_a_base_cannot_have_begins_from_scratch(
    bases: dict[str, Path], capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert bases
    run = go("trainer.max_epochs=1", "callbacks.progress=true", *words)
    assert "init" not in run.model.summary
    assert f"Begins from scratch: {reason}" in " ".join(capsys.readouterr().out.split()).replace(
        "no base model has the ", ""
    )
    if "feature" not in words[0]:
        with pytest.raises(HachimachiError, match="leave one out"):
            go("trainer.max_epochs=1", "init=piano", *words)


def test_names_that_are_none(bases: dict[str, Path]) -> None:
    assert bases
    with pytest.raises(HachimachiError, match="init=paino: no such file and no base model; did you mean piano"):
        go("init=paino")
    io.write("knobs.json", make_sequence(np.random.default_rng(0).random((200, 2)), names=["x", "y"]))
    with pytest.raises(HachimachiError, match="no column of this data in the same steps; it has time, pitch"):
        go("init=piano", "dataset.path=knobs.json")
    run = go("dataset.path=knobs.json", "trainer.max_epochs=1", *SMALL)
    assert "init" not in run.model.summary


def test_what_is_no_better_than_the_marginal_is_learned_from_scratch_too(
    bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bases
    monkeypatch.setattr(fine_tuning, "CLEAR", 1e6)
    monkeypatch.setattr("hachimachi.training.fit.CLEAR", 1e6)
    run = go("trainer.max_epochs=3", "callbacks.progress=true")
    assert "learns from scratch too, and the better stays" in " ".join(capsys.readouterr().out.split())
    assert Path("run/scratch").is_dir()
    assert run.path == Path("model.pt")
    held_out = run.model.summary["held_out"]["nats_per_event"]
    assert held_out == pytest.approx(run.score)
    both = json.loads(Path("run/score.json").read_text())
    assert both["val_nll"] == pytest.approx(run.score)
    assert ("init" in run.model.summary) == (not Path("run/scratch/score.json").exists() or "init" in run.model.summary)


def test_a_fine_tuned_run_goes_on(bases: dict[str, Path]) -> None:
    first = go("trainer.max_epochs=2", folder="first")
    assert first.model.summary["init"]["name"] == "piano"
    for path in bases.values():
        path.unlink()  # the checkpoint has all that is needed
    second = go("trainer.max_epochs=4", "ckpt_path=first/checkpoints/last.ckpt", folder="second")
    assert second.model.summary["init"]["name"] == "piano"
    assert torch.load("second/checkpoints/last.ckpt", weights_only=True)["epoch"] == 4
    assert second.score <= first.score


def test_a_run_from_scratch_goes_on_from_scratch(bases: dict[str, Path]) -> None:
    assert bases
    go("trainer.max_epochs=1", "init=none", *SMALL, folder="first")
    run = go("trainer.max_epochs=2", *SMALL, "ckpt_path=first/checkpoints/last.ckpt", folder="second")
    assert "init" not in run.model.summary


def test_dropout_is_on_while_a_loaded_model_learns(bases: dict[str, Path]) -> None:
    assert bases
    seen: list[Any] = []

    class Watch(__import__("lightning").Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:  # noqa: ARG002
            seen.append(pl_module.model.training and pl_module.model.backbone.dropout.share)

    train(compose(["output=model.pt", *QUICK, "trainer.max_epochs=1", "init=piano"]), "run", [Watch()])
    assert set(seen) == {0.2}


def test_fine_tune_from_python(bases: dict[str, Path], save: Callable[..., None]) -> None:  # noqa: ARG001
    from hachimachi import fine_tune

    run = fine_tune(bases["piano"], "data.json", [*QUICK, "trainer.max_epochs=1", "output=tuned.pt"])
    assert run.model.summary["init"]["name"] == str(bases["piano"])
    assert run.path == Path("tuned.pt")
