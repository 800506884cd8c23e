"""The same seed and config give the same weights to the bit, whatever stopped a run in between."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from hachimachi import io
from hachimachi.checkpoint import load_model
from hachimachi.training.fit import Run
from hachimachi.training.interruption import StopGracefully
from tests.training.test_run import go

pytestmark = pytest.mark.usefixtures("folder")
# several batches an epoch, dropout, varied windows, an average, a falling rate; validated every other epoch
STEPS = 11
WORDS = [
    *("dataset.window=8", "dataset.batch_size=4", f"trainer.max_steps={STEPS}", "trainer.check_val_every_n_epoch=2"),
    *("callbacks.pictures=false", "optimizer=cosine", "optimizer.lr=0.01", "optimizer.average=0.9"),
]


def weights(folder: str) -> dict[str, torch.Tensor]:
    """Return every tensor that a run ended with: weights, averages, and those of the optimizer."""
    content = torch.load(f"{folder}/checkpoints/last.ckpt", weights_only=True)
    moments = content["optimizer_states"][0]["state"]
    found = {f"moment {i} {name}": value for i, state in moments.items() for name, value in state.items()}
    return content["state_dict"] | found


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(torch.as_tensor(one[name]), torch.as_tensor(other[name]))] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, make_pieces: Any) -> Run:
    """A run that nothing stopped; its data has some five batches an epoch."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as there:
        there.chdir(home)
        io.write("data.json", make_pieces([170]))
        run = go(*WORDS, "output=whole.pt", folder="whole")
    return replace(run, path=home / run.path, folder=home / run.folder)


@pytest.fixture
def whole(undisturbed: Run, folder: Path) -> Run:
    """The same run, its data and what it left in the working directory."""
    shutil.copytree(undisturbed.path.parent, folder, dirs_exist_ok=True)
    return undisturbed


class At(L.Callback):
    """Does something after a step, or in the validation that comes with it."""

    def __init__(self, step: int, do: Callable[[], None], hook: str) -> None:
        self.step, self.do, self.hook = step, do, hook

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:  # pyright: ignore
        if self.hook == "step" and trainer.global_step == self.step:
            self.do()

    def on_validation_batch_start(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:  # pyright: ignore
        if self.hook == "validation" and trainer.global_step >= self.step:
            self.do()


def disturb(monkeypatch: pytest.MonkeyPatch, at: At) -> None:
    """Let something happen in the next run, and only there."""
    started = StopGracefully.on_train_start

    def start(self: StopGracefully, trainer: L.Trainer, module: L.LightningModule) -> None:
        started(self, trainer, module)
        if isinstance(trainer.callbacks, list) and at not in trainer.callbacks:  # pyright: ignore
            trainer.callbacks.append(at)  # pyright: ignore

    monkeypatch.setattr(StopGracefully, "on_train_start", start)


def test_the_same_words_give_the_same_weights(whole: Any) -> None:
    again = go(*WORDS, "output=again.pt", folder="again")
    assert_same(weights("whole"), weights("again"))
    assert_same(whole.model.state_dict(), again.model.state_dict())
    assert again.score == whole.score
    other = go(*WORDS, "seed=1", "output=other.pt", folder="other")
    assert other.score != whole.score


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("step", "hook"), [*((step, "step") for step in (1, 3, 4, 5, 9, 10)), (1, "validation")])
def test_stopped_and_gone_on(
    whole: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, step: int, hook: str
) -> None:
    with monkeypatch.context() as once:
        disturb(once, At(step, lambda: os.kill(os.getpid(), number), hook))
        first = go(*WORDS, folder="first")
    assert first.interrupted == {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}[number]
    content = torch.load("first/checkpoints/last.ckpt", weights_only=True)
    assert step <= content["global_step"] < STEPS
    second = go(*WORDS, "ckpt_path=first/checkpoints/last.ckpt", folder="second")
    assert_same(weights("whole"), weights("second"))
    assert_same(load_model("whole.pt").state_dict(), load_model("model.pt").state_dict())
    assert second.score == whole.score


@pytest.mark.parametrize("step", range(1, 11))
@pytest.mark.usefixtures("whole")
def test_gone_on_after_a_crash(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    def crash() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("hachimachi.training.trainer.SAVE_EVERY", timedelta(0))
    with monkeypatch.context() as once:
        disturb(once, At(step, crash, "step"))
        with pytest.raises(ZeroDivisionError):
            go(*WORDS, folder="first")
    go(*WORDS, "ckpt_path=first/checkpoints/last.ckpt", folder="second")
    assert_same(weights("whole"), weights("second"))
    assert_same(load_model("whole.pt").state_dict(), load_model("model.pt").state_dict())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("step", [2, 4])
def test_gone_on_from_disk(save: Callable[..., None], monkeypatch: pytest.MonkeyPatch, workers: int, step: int) -> None:
    """In the middle of an epoch and at its end, read in several pools."""
    for module in ("io.arrow", "training.data"):
        monkeypatch.setattr(f"hachimachi.{module}.BLOCK", 32)
    monkeypatch.setattr("hachimachi.training.data.POOL", 2)
    save(170, path="data.arrow")
    words = [*WORDS, "dataset.path=data.arrow", f"dataset.num_workers={workers}"]
    go(*words, "output=whole.pt", folder="whole")
    with monkeypatch.context() as once:
        disturb(once, At(step, lambda: os.kill(os.getpid(), signal.SIGTERM), "step"))
        go(*words, folder="first")
    assert torch.load("first/checkpoints/last.ckpt", weights_only=True)["global_step"] == step + 1
    go(*words, "ckpt_path=first/checkpoints/last.ckpt", folder="second")
    assert_same(weights("whole"), weights("second"))


def test_what_is_kept_with_a_run(whole: Any) -> None:
    told = json.loads(Path("whole/origin.json").read_text())
    summary = whole.model.summary
    assert told["versions"]["torch"] == summary["versions"]["torch"] == torch.__version__
    assert told["data"]["fingerprint"] == summary["data"]["fingerprint"]
    assert told["git"] is None  # the working folder is in no repository
    assert summary["platform"] == told["platform"]
