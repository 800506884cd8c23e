"""The last pass: learns from what was held out, says so, and until it is whole leaves the model as it was judged."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from hachimachi import io
from hachimachi.checkpoint import load_model
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import make_sequence
from hachimachi.training.config.compose import compose
from hachimachi.training.data import EventDataModule
from hachimachi.training.fit import Run, train
from hachimachi.training.module import EventModule

WORDS = ["model.size=8", "head.components=2", "logger=none", "callbacks.pictures=false", "dataset.refit=true"]


@pytest.fixture(autouse=True)
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_pieces: Any) -> Callable[..., None]:
    monkeypatch.chdir(tmp_path)

    def write(*lengths: int) -> None:
        io.write("data.json", make_pieces(lengths))

    return write


def go(*words: str, folder: str = "run") -> Run:
    return train(compose([*WORDS, "trainer.max_epochs=6", *words]), folder)


@pytest.mark.parametrize("lengths", [(300,), (60,) * 10])
def test_it_has_heard_what_was_held_out(
    save: Callable[..., None], lengths: tuple[int, ...], capsys: pytest.CaptureFixture[str], hxmx_process: Any
) -> None:
    save(*lengths)
    run = go("trainer.max_epochs=30", "optimizer.lr=5e-3", "dataset.valid_fraction=0.3")
    data = EventDataModule("data.json", valid_fraction=0.3)
    data.setup()
    assert run.refit
    told = run.model.summary["held_out"]
    assert told["nats_per_event"] == run.score
    assert told["before_refit"]
    assert evaluate(run.model, data.valid).nats_per_event < run.score - 0.01
    kept = run.model.summary["refit"]
    assert kept["events"] == sum(lengths)
    assert kept["steps"] == max(1, round(run.model.summary["steps"] * (sum(lengths) - data.events) / data.events))
    assert run.model.columns == data.columns  # histograms know the training part alone
    assert len(run.model.grams["fresh"].symbols) == sum(lengths)
    assert "Then it learned from that too: the score is from before it" in capsys.readouterr().out
    done = hxmx_process("info", "model.pt", cwd=Path.cwd())
    assert f"refit: then learned from all {sum(lengths)} events; the score is from before it" in done.stdout


@pytest.mark.parametrize(("error", "told"), [(KeyboardInterrupt(), "Ctrl-C"), (SIGTERMException(), "SIGTERM")])
def test_interrupted_it_leaves_the_model_as_it_was_judged(
    save: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    told: str,
) -> None:
    save(300)
    before = go("dataset.refit=false", "output=before.pt", folder="before")

    def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(EventModule, "training_step", then(6, fail))  # an epoch is one step
    run = go()
    assert run.interrupted == told
    assert f"Stopped by {told}; the best model so far is kept" in capsys.readouterr().out
    assert not run.refit
    assert "refit" not in run.model.summary
    assert "before_refit" not in run.model.summary["held_out"]
    assert run.score == before.score


def then(steps: int, change: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a training step whose loss changes after so many."""
    step, seen = EventModule.training_step, [0]

    def training_step(self: EventModule, *batch: Any) -> Any:
        seen[0] += 1
        loss = step(self, *batch)
        return change(loss) if seen[0] > steps else loss

    return training_step


def test_diverged_it_leaves_the_model_as_it_was_judged(
    save: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(300)
    monkeypatch.setattr(EventModule, "training_step", then(6, lambda loss: loss * math.nan))
    run = go()
    assert not run.refit
    assert "The last pass diverged; the model stays as it was judged" in capsys.readouterr().out
    assert math.isfinite(evaluate(load_model("model.pt"), io.read("data.json")).nats_per_event)


def test_nothing_held_out_leaves_nothing_to_refit(save: Callable[..., None]) -> None:
    save(15)
    run = go()
    assert not run.refit
    assert "refit" not in run.model.summary


def test_a_column_named_as_the_total_keeps_out_of_its_way(tmp_path: Path) -> None:
    rows = [[index % 5, index % 3] for index in range(100)]
    io.write("data.json", make_sequence(rows, names=["nll", "other"]))
    run = go("dataset.refit=false", "logger=csv")
    header, *_ = (tmp_path / "run" / "csv" / "metrics.csv").read_text().splitlines()
    assert {"val/nll", "val/column:nll", "marginal/nll", "marginal/column:nll"} < set(header.split(","))
    assert run.score == pytest.approx(
        sum(each["nats"] for each in run.model.summary["held_out"]["by_feature"].values())
    )


def test_runs_begun_in_the_same_second_have_folders_of_their_own(save: Callable[..., None]) -> None:
    save(30)
    folders = {train(compose([*WORDS, "trainer.max_epochs=1"])).folder for _ in range(2)}
    assert len(folders) == len(list(Path("outputs/train").iterdir())) == 2
