"""The score on the screen is that of the model in the file, on every road that leads to one."""

import os
import signal
from collections.abc import Callable
from typing import Any

import lightning as L
import pytest
import torch

from hachimachi.checkpoint import load_model, save_model
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.training.config.compose import compose
from hachimachi.training.data import EventDataModule
from hachimachi.training.fit import Run, train
from tests.training.test_run import TINY
from tests.training.test_run_ends import diverge

pytestmark = pytest.mark.usefixtures("folder")
WORDS = [*TINY, "logger=none", "callbacks.pictures=false", "trainer.check_val_every_n_epoch=2", "optimizer.lr=0.01"]


class After(L.Callback):
    """Does something after a step."""

    def __init__(self, step: int, do: Callable[[], None]) -> None:
        self.step, self.do = step, do

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:  # pyright: ignore
        if trainer.global_step == self.step:
            self.do()


def go(*words: str, folder: str = "run", after: After | None = None) -> Run:
    return train(compose([*WORDS, "trainer.max_epochs=5", *words]), folder, [after] if after else [])


def interrupt(times: int) -> Callable[[], None]:
    def signals() -> None:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    return signals


def nothing_better() -> None:
    """Let the model in the file, and the checkpoint beside it, claim a score that cannot be reached."""
    state, model = torch.load("first/checkpoints/last.ckpt", weights_only=True), load_model("model.pt")
    state["callbacks"]["KeepBest"]["best"] = model.summary["val_nll"] = -1e9
    torch.save(state, "first/checkpoints/last.ckpt")
    save_model(model, "model.pt")


GO_ON = ("ckpt_path=first/checkpoints/last.ckpt", "trainer.max_epochs=8")


def resumed() -> Run:
    go(folder="first")
    return go(*GO_ON)


def resumed_in_vain() -> Run:
    go(folder="first")
    nothing_better()
    return go(*GO_ON)


def resumed_elsewhere() -> Run:
    """The model that had the best score was overwritten by a run on something else."""
    go(folder="first")
    go("dataset.valid_fraction=0.3", "seed=5", "trainer.max_epochs=1", folder="other")
    return go(*GO_ON)


ROADS: dict[str, Callable[[], Run]] = {
    "to its end": go,
    "no average": lambda: go("optimizer.average=0"),
    "nothing varied": lambda: go("augment=none"),
    "another head": lambda: go("head=mixture"),
    "half precision": lambda: go("trainer.precision=bf16-mixed"),
    "interrupted": lambda: go(after=After(3, interrupt(1))),
    "interrupted at once": lambda: go(after=After(3, interrupt(2))),
    "interrupted before any validation": lambda: go(after=After(1, interrupt(2))),
    "resumed": resumed,
    "resumed, nothing better": resumed_in_vain,
    "resumed, another model in its place": resumed_elsewhere,
}


@pytest.mark.parametrize("road", ROADS)
def test_the_score_is_of_the_model_in_the_file(
    road: str, save: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    save(300)
    run = ROADS[road]()
    assert_honest(run, capsys.readouterr().out)


def assert_honest(run: Run, printed: str) -> None:
    data = EventDataModule("data.json")
    data.setup()
    model = load_model(run.path)
    found = evaluate(model, data.scored_sample)
    assert run.score == pytest.approx(found.nats_per_event, abs=1e-9)
    assert run.marginal == pytest.approx(found.marginal_nats_per_event, abs=1e-9)
    assert model.summary["held_out"]["nats_per_event"] == run.score
    assert model.summary["data"]["fingerprint"] == data.fingerprint()
    line = [line for line in printed.splitlines() if line.startswith(f"{run.path}: ")][-1]
    assert line == f"{run.path}: {found.nats_per_event:.2f} nats per event on what was held out,"


def test_diverged_after_the_best(
    save: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last validation that was due: only the one at the end can know."""
    diverge(monkeypatch, lambda module: module.global_step >= 4)
    save(300)
    run = go()
    printed = capsys.readouterr().out
    assert run.model.summary["steps"] == 4
    assert "Training diverged, the best before that is kept" in printed
    assert_honest(run, printed)
