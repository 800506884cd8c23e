"""Runs that go on from a checkpoint, and checkpoints from which none can."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hachimachi import io
from hachimachi.checkpoint import load_model, save_model
from hachimachi.errors import HachimachiError
from tests.training.test_run import go, scalars

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize("seconds", [None, 40])
def test_resumes(save: Callable[..., None], monkeypatch: pytest.MonkeyPatch, seconds: int | None) -> None:
    save(120)
    if seconds:  # the first run used up its time; the second one has its own
        monkeypatch.setattr("hachimachi.training.limits.MINUTES", (1e-4, 1e-4))
    first = go(*([] if seconds else ["trainer.max_epochs=2"]), folder="first")
    done = torch.load("first/checkpoints/last.ckpt", weights_only=True)
    words = ["ckpt_path=first/checkpoints/last.ckpt", f"trainer.max_epochs={done['epoch'] + 2}", "logger=tensorboard"]
    words += [f"trainer.max_minutes={seconds / 60}"] if seconds else []
    second = go(*words, folder="second")
    again = torch.load("second/checkpoints/last.ckpt", weights_only=True)
    assert again["epoch"] == done["epoch"] + 2
    assert again["global_step"] > done["global_step"]
    assert next(step for step, _ in scalars(second)["val/nll"]) >= done["global_step"]
    assert second.score <= first.score


def test_a_resumed_run_that_gets_no_better_leaves_the_best_model(save: Callable[..., None], folder: Path) -> None:
    save(120)
    go("trainer.max_epochs=2", folder="first")
    weights = load_model("model.pt").state_dict()
    words = ["trainer.max_epochs=3", "optimizer.lr=1e3", "ckpt_path=first/checkpoints/last.ckpt"]
    state = torch.load("first/checkpoints/last.ckpt", weights_only=True)
    model = load_model("model.pt")
    state["callbacks"]["KeepBest"]["best"] = model.summary["val_nll"] = -1.0  # nothing can be better
    torch.save(state, "first/checkpoints/last.ckpt")
    save_model(model, "model.pt")
    go(*words)
    assert all(torch.equal(weight, weights[name]) for name, weight in load_model("model.pt").state_dict().items())
    go(*words, "output=other.pt")  # where there is none yet, one is written
    assert (folder / "other.pt").is_file()


def test_a_checkpoint_that_does_not_fit_is_one_line(save: Callable[..., None], folder: Path) -> None:
    save(60)
    go("trainer.max_epochs=1", folder="first")
    before = (folder / "model.pt").read_bytes()
    io.write("other.json", io.read("data.json")[0][:30])
    (folder / "text.ckpt").write_text("no checkpoint")
    (folder / "empty.ckpt").touch()
    (folder / "half.ckpt").write_bytes((folder / "first/checkpoints/last.ckpt").read_bytes()[:5000])
    for words, parts in [
        (["ckpt_path=first/checkpoints/last.ckpt", "model=lstm"], ["last.ckpt", "gru", "lstm"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "model.size=9"], ["last.ckpt", "'size': 8", "'size': 9"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "feature.pitch.max=80"], ["last.ckpt", "data"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "trainer.max_epochs=1"], ["had 1 epoch already", "max_epochs"]),
        (["ckpt_path=model.pt"], ["model.pt", "not a checkpoint to go on from"]),
        (["ckpt_path=text.ckpt"], ["text.ckpt", "not a checkpoint"]),
        (["ckpt_path=empty.ckpt"], ["empty.ckpt", "not a checkpoint"]),
        (["ckpt_path=half.ckpt"], ["half.ckpt", "damaged"]),
        (["ckpt_path=absent.ckpt"], ["absent.ckpt", "no such file"]),
    ]:
        with pytest.raises(HachimachiError) as error:
            go("trainer.max_epochs=2", *words)
        assert "\n" not in str(error.value)
        assert all(part in str(error.value) for part in parts), str(error.value)
    assert (folder / "model.pt").read_bytes() == before
