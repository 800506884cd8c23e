"""What was learned since the last validation is validated at the end of a run, whatever ended it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from hachimachi.checkpoint import load_model
from hachimachi.training.config.compose import compose
from hachimachi.training.fit import Run, train
from tests.training.test_run import QUIET, TINY, go

pytestmark = pytest.mark.usefixtures("folder")
WORDS = [*TINY, *QUIET, "callbacks.pictures=false", "trainer.check_val_every_n_epoch=3"]


class Watch(L.Callback):
    """Notes at which steps the model was validated; may do something after a step or in the last validation."""

    def __init__(self, do: Callable[[], None] | None = None, step: int | None = None) -> None:
        self.validated: list[int] = []
        self.do, self.step = do, step

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:  # pyright: ignore
        if self.do and trainer.global_step == self.step:
            self.do()

    def on_validation_batch_start(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:  # pyright: ignore
        if self.do and self.step is None and trainer.state.fn == "validate":
            self.do()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        self.validated.append(trainer.global_step)


def watched(watch: Watch, *words: str, folder: str = "run") -> Run:
    return train(compose([*WORDS, *words]), folder, [watch])


def step_of(checkpoint: str = "run/checkpoints/last.ckpt") -> int:
    return torch.load(checkpoint, weights_only=True)["global_step"]


def test_the_last_steps_count(save: Callable[..., None]) -> None:
    """An epoch is a step: the 21st comes after the last validation that is due."""
    save(200)
    words = ("trainer.check_val_every_n_epoch=10",)
    runs = [go(f"trainer.max_steps={n}", f"output={n}.pt", *words, folder=str(n)) for n in (20, 21)]
    assert [run.interrupted for run in runs] == ["", ""]  # SIGTERM from outside, as of timeout(1), ends a run gently
    assert [run.model.summary["steps"] for run in runs] == [20, 21]
    one, other = (run.model.state_dict() for run in runs)
    assert any(not torch.equal(weight, other[name]) for name, weight in one.items())
    assert runs[1].score < runs[0].score


@pytest.mark.parametrize(
    "words",
    [
        *(["trainer.max_steps=7"], ["trainer.max_epochs=7"], ["trainer.max_epochs=2"], ["trainer.max_epochs=6"]),
        ["trainer.max_minutes=1e-6"],
        ["callbacks.patience=1", "optimizer.lr=1e-9", "trainer.max_epochs=40"],
        ["optimizer.average=0", "trainer.max_steps=4"],
    ],
)
def test_whatever_ends_a_run_its_last_step_is_validated_once(save: Callable[..., None], words: list[str]) -> None:
    save(120)
    watch = Watch()
    run = watched(watch, *words)
    assert watch.validated[-1] == step_of()
    assert len(set(watch.validated)) == len(watch.validated)
    assert run.model.summary["steps"] in watch.validated


def test_the_best_is_kept_where_the_last_is_worse(save: Callable[..., None]) -> None:
    save(120)

    class Spoil(L.Callback):
        def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:  # noqa: ARG002
            with torch.no_grad():
                for weight in pl_module.played.parameters():
                    weight.add_(1)

    run = train(compose([*WORDS, "trainer.max_epochs=4"]), "run", [Spoil(), watch := Watch()])
    assert run.model.summary["steps"] == watch.validated[0] < watch.validated[-1]
    assert run.model.summary["epochs"] == 3
    state = torch.load("run/checkpoints/last.ckpt", weights_only=True)["callbacks"]["KeepBest"]
    assert state["best"] == run.model.summary["val_nll"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_too(save: Callable[..., None], number: signal.Signals) -> None:
    save(120)
    watch = Watch(lambda: os.kill(os.getpid(), number), step=4)
    run = watched(watch, "trainer.max_epochs=50")
    assert run.interrupted
    assert watch.validated[-1] == step_of() == 5
    assert run.model.summary["steps"] == 5
    assert run.model.summary["epochs"] == 5  # an epoch is a step


@pytest.mark.parametrize("steps", [1, 4])
def test_a_second_ctrl_c_leaves_at_once(save: Callable[..., None], steps: int) -> None:
    save(120)

    def twice() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    watch = Watch(twice, step=steps)
    assert watched(watch, "trainer.max_epochs=50").interrupted == "Ctrl-C"
    assert steps not in watch.validated
    assert load_model("model.pt").summary["steps"] == (1 if steps == 1 else 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_ends_the_last_validation_leaves_the_best_before(
    save: Callable[..., None], number: signal.Signals
) -> None:
    save(120)
    watch = Watch(lambda: os.kill(os.getpid(), number))
    run = watched(watch, "trainer.max_steps=4")
    # SIGTERM lets it come to its end: nothing is left to be interrupted
    assert run.interrupted == {signal.SIGINT: "Ctrl-C", signal.SIGTERM: ""}[number]
    assert watch.validated == ([3] if number == signal.SIGINT else [3, 4])
    assert run.model.summary["steps"] == watch.validated[-1]
    assert step_of() == 4


def test_one_line_of_progress_tells_of_it(save: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    save(120)
    run = go("trainer.max_epochs=7", "trainer.check_val_every_n_epoch=3", "callbacks.progress=true")
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert line.split()[1] == "7"
    assert "nan" not in line
    assert f"best {run.model.summary['val_nll']:.2f}" in line


def test_gone_on_from_there_the_patience_is_that_of_the_whole(save: Callable[..., None]) -> None:
    """The extra validation is none of those that early stopping counts."""
    save(120)
    words = ["optimizer.lr=1e-9", "callbacks.patience=2"]  # never any better
    whole, first, second = Watch(), Watch(), Watch()
    watched(whole, *words, "trainer.max_steps=30", "output=whole.pt", folder="whole")
    watched(first, *words, "trainer.max_steps=4", folder="first")
    watched(second, *words, "trainer.max_steps=30", "ckpt_path=first/checkpoints/last.ckpt", folder="second")
    assert first.validated == [3, 4]
    assert second.validated == whole.validated[1:]
    assert step_of("second/checkpoints/last.ckpt") == step_of("whole/checkpoints/last.ckpt") < 30


def test_a_logger_has_the_last_point(save: Callable[..., None]) -> None:
    save(120)
    watch = Watch()
    watched(watch, "trainer.max_epochs=4", "logger=csv")
    header, *rows = Path("run/csv/metrics.csv").read_text().splitlines()
    at = header.split(",").index("val/nll")
    assert len([row for row in rows if row.split(",")[at]]) == len(watch.validated) == 2
