"""Runs that go on from a checkpoint, and checkpoints from which none can."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hachimachi import compose, io, read_curves, train
from hachimachi.checkpoint import load_model, save_model
from hachimachi.errors import HachimachiError
from tests.training.test_run import TINY, go, scalars

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
    (folder / "empty").mkdir()
    save(119, path="other.json")
    (folder / "half.ckpt").write_bytes((folder / "first/checkpoints/last.ckpt").read_bytes()[:5000])
    for words, parts in [
        (["ckpt_path=first/checkpoints/last.ckpt", "model=lstm"], ["last.ckpt", "model=gru, not lstm"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "model.size=9"], ["last.ckpt", "model.size=8, not 9"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "feature.pitch.max=80"], ["last.ckpt", "data"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "trainer.max_epochs=1"], ["had 1 epoch already", "max_epochs"]),
        (["ckpt_path=model.pt"], ["model.pt", "not a checkpoint to go on from"]),
        (["ckpt_path=text.ckpt"], ["text.ckpt", "not a checkpoint"]),
        (["ckpt_path=empty.ckpt"], ["empty.ckpt", "not a checkpoint"]),
        (["ckpt_path=half.ckpt"], ["half.ckpt", "damaged"]),
        (["ckpt_path=absent.ckpt"], ["absent.ckpt", "no such file"]),
        (["ckpt_path=empty"], ["empty", "nor a run with a checkpoint"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "seed=4"], ["it has seed=0, not 4"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "dataset.path=other.json"], ["its data was another"]),
        (["ckpt_path=first/checkpoints/last.ckpt", "dataset.valid_fraction=0.2"], ["or was held out otherwise"]),
    ]:
        with pytest.raises(HachimachiError) as error:
            go("trainer.max_epochs=2", *words)
        assert "\n" not in str(error.value)
        assert all(part in str(error.value) for part in parts), str(error.value)
    assert (folder / "model.pt").read_bytes() == before


def test_a_run_goes_on_by_its_name_in_its_own_curves(save: Callable[..., None], folder: Path) -> None:
    """A file, a folder, a name and ``last`` are the same run, whose curves and files go on."""
    save(120)
    words = [*TINY, "callbacks.progress=false", "logger=several"]
    first = train(compose([*words, "trainer.max_epochs=1"]))
    for epochs, name in enumerate(("last", first.folder.name, first.folder, first.folder / "checkpoints/last.ckpt"), 2):
        run = train(compose([*words, f"trainer.max_epochs={epochs}", f"ckpt_path={name}"]))
        assert run.folder.resolve() == first.folder.resolve()
    assert len(list((folder / "outputs" / "train").iterdir())) == 1
    curve = read_curves("outputs").query("name == 'val/nll'")
    assert curve["step"].is_monotonic_increasing
    assert curve["step"].is_unique
    assert len(curve) == 5
    assert [step for step, _ in scalars(first)["val/nll"]] == curve["step"].tolist()
    config = (first.folder / "config.yaml").read_bytes()
    with pytest.raises(HachimachiError, match="it has seed=0"):
        train(compose([*words, "ckpt_path=last", "seed=3"]))
    assert (first.folder / "config.yaml").read_bytes() == config  # what is refused leaves the run as it was
