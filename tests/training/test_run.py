"""A run from a config to a model file, and what it leaves."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hachimachi import io
from hachimachi.checkpoint import load_model
from hachimachi.errors import count
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.ngrams import find_overlap
from hachimachi.training.config.compose import compose
from hachimachi.training.data import EventDataModule
from hachimachi.training.fit import Run, train

TINY = ["model.size=8", "head.components=2"]
pytestmark = pytest.mark.usefixtures("folder")
QUIET = ["callbacks.progress=false", "logger=none"]


def go(*words: str, folder: str = "run") -> Run:
    return train(compose([*TINY, *QUIET, *words]), folder)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def scalars(run: Run) -> dict[str, list[tuple[int, float]]]:
    """Read what a run logged: tag → (step, value) of each."""
    log = EventAccumulator(str(run.folder / "tensorboard"))
    log.Reload()
    return {tag: [(event.step, event.value) for event in log.Scalars(tag)] for tag in log.Tags()["scalars"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, make_pieces: Any) -> Run:
    """A run of four epochs that nothing disturbed."""
    home = tmp_path_factory.mktemp("finished")
    io.write(home / "data.json", make_pieces([200]))
    paths = [f"dataset.path='{home}/data.json'", f"output='{home}/model.pt'"]
    words = ["trainer.max_epochs=4", "trainer.check_val_every_n_epoch=1", "optimizer.lr=0.01"]
    return train(compose([*TINY, *paths, *words]), home / "run")


def test_what_a_run_leaves(finished: Run) -> None:
    left = files(finished.folder.parent)
    events = {name for name in left if "events.out.tfevents" in name}
    assert events
    others = {"config.yaml", "origin.json", "score.json", "checkpoints/last.ckpt", "tensorboard/hparams.yaml"}
    assert left == {"data.json", "model.pt", *events, *(f"run/{name}" for name in others)}
    assert not finished.interrupted
    kept = (finished.folder / "config.yaml").read_text()
    assert "max_epochs: 4" in kept
    assert "${" not in kept


@pytest.mark.parametrize(
    ("words", "shape", "said"),
    [
        ([], (128, 1), "gru 1 × 128 (auto: s, for 45 events),"),
        (["model=mingru", "model.size=xs"], (64, 2), "mingru 2 × 64 (size xs),"),
        (["model=transformer", "model.size=24", "model.layers=1"], (24, 1), "transformer 1 × 24,"),
    ],
)
def test_a_size_becomes_numbers_before_anything_is_built(
    save: Any, capsys: pytest.CaptureFixture[str], words: list[str], shape: tuple[int, int], said: str
) -> None:
    save(50)
    run = train(compose(["head.components=2", "logger=none", "trainer.max_epochs=1", *words]), "run")
    backbone = run.model.parts["backbone"]
    assert (backbone["size"], backbone["layers"]) == shape
    assert said in capsys.readouterr().out.splitlines()


def test_the_score_is_that_of_the_model_in_the_file(finished: Run) -> None:
    data = EventDataModule(finished.folder.parent / "data.json")
    data.setup()
    told = evaluate(load_model(finished.path), data.valid)
    assert finished.score == pytest.approx(told.nats_per_event, abs=1e-9)
    assert finished.marginal == pytest.approx(told.marginal_nats_per_event, abs=1e-9)
    assert math.isfinite(finished.score)


def test_the_model_file_tells_of_its_training(finished: Run) -> None:
    summary = finished.model.summary
    assert summary["data"] == {
        "name": "data.json",
        "fingerprint": summary["data"]["fingerprint"],
        "sequences": 1,
        "events": 180,
        "openings": summary["data"]["openings"],
    }
    assert len(summary["data"]["fingerprint"]) == 16
    assert find_overlap(finished.model.summary, io.read(finished.folder.parent / "data.json"))
    told = {"name": "gru", "size": 8, "layers": None, "dropout": None, "window": None}
    assert summary["config"]["model"] == told
    assert summary["decided"] == {
        "dataset.window": 64,
        "model.dropout": 0.4,
        "head.dropout": 0.2,
        "augment.transpose": 0,  # it repeats itself
        "head.intervals": 24,
        "dataset.clock": False,
        "augment.share": 0.75,
        "augment.as_data": False,
        "dataset.batch_size": 16,
        "model.layers": 1,
    }
    assert finished.model.parts["backbone"] == {"name": "gru", "size": 8, "layers": 1, "dropout": 0.4}
    assert {"hachimachi", "torch", "lightning", "python"} < set(summary["versions"])
    assert 1 <= summary["epochs"] <= 4
    held = summary["held_out"]
    assert (held["nats_per_event"], held["marginal"]) == (finished.score, finished.marginal)
    assert held["events"] == 19  # the first is not scored
    assert sum(nats["nats"] for nats in held["by_feature"].values()) == pytest.approx(finished.score)
    assert (held["fresh"] is None) == (held["fresh_events"] == 0)


def test_curves_in_tensorboard(finished: Run) -> None:
    curves = scalars(finished)
    curves.pop("epoch")
    curves = {tag: curve for tag, curve in curves.items() if not tag.startswith(("score/", "likeness/", "playing/"))}
    names = ("time", "pitch", "velocity", "duration", "instrument")
    assert {"train/nll", "val/nll", "marginal/nll"} < set(curves)
    assert {f"{part}/{name}" for part in ("val", "marginal") for name in names} < set(curves)
    assert {tag: len(curve) for tag, curve in curves.items()} == dict.fromkeys(curves, 4)
    for epoch in range(4):
        total = sum(curves[f"val/{name}"][epoch][1] for name in names)
        assert curves["val/nll"][epoch][1] == pytest.approx(total, abs=1e-3)
        assert curves["marginal/nll"][epoch][1] == pytest.approx(finished.marginal, abs=1e-3)
    nats = [value for _, value in curves["val/nll"]]
    best, kept = nats.index(min(nats)), finished.model.summary["held_out"]["by_feature"]
    for name in names:  # each column as it was at its best, or taken back from there to where it is better
        shown, told = curves[f"val/{name}"][best][1], kept[name]["nats"]
        assert told < shown if finished.kept[name] < 1 else told == pytest.approx(shown, abs=1e-3)
    first, *later = (value for _, value in curves["train/nll"])
    assert min(later) < first


def test_the_checkpoint_is_a_model_too(finished: Run) -> None:
    model = load_model(finished.folder / "checkpoints" / "last.ckpt")
    assert [column.name for column in model.columns] == [column.name for column in finished.model.columns]


def test_the_same_seed_gives_the_same_model(save: Callable[..., None]) -> None:
    save(120)
    words = ["trainer.max_epochs=2"]
    runs = [go(*words, f"output={place}.pt", *other) for place, other in enumerate([[], [], ["seed=1"]])]
    assert runs[0].score == runs[1].score != runs[2].score
    weights = [run.model.state_dict() for run in runs]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    prints = {run.model.summary["data"]["fingerprint"] for run in runs}
    save(121, path="other.json")
    other = go("dataset.path=other.json", *words)
    assert len(prints) == 1
    assert other.model.summary["data"]["fingerprint"] not in prints


@pytest.mark.parametrize("events", [1, 2, 19])
def test_under_20_events_nothing_is_held_out_and_it_stops(
    save: Callable[..., None], events: int, capsys: pytest.CaptureFixture[str]
) -> None:
    save(events)
    run = go("callbacks.progress=true")
    assert math.isnan(run.score)
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 60
    assert "held_out" not in run.model.summary
    assert run.model.summary["data"]["events"] == events
    printed = capsys.readouterr().out
    assert f"Only {count(events, 'event')}: " in printed
    assert "60 steps" in printed
    assert "nothing was held out" in printed


@pytest.mark.parametrize(("events", "warned"), [(20, True), (49, True), (50, False)])
def test_under_50_events_it_warns(
    save: Callable[..., None], capsys: pytest.CaptureFixture[str], events: int, warned: bool
) -> None:
    save(events)
    run = go("callbacks.progress=true", "trainer.max_epochs=1")
    assert math.isfinite(run.score)
    assert ("expect little" in capsys.readouterr().out) == warned


@pytest.mark.parametrize("words", [["dataset.valid_fraction=0"], ["dataset.valid_fraction=0", "trainer.max_steps=3"]])
def test_nothing_held_out_on_demand(save: Callable[..., None], words: list[str]) -> None:
    save(100)
    run = go(*words)
    assert math.isnan(run.score)
    steps = torch.load("run/checkpoints/last.ckpt", weights_only=True)["global_step"]
    assert steps == (3 if len(words) > 1 else 60)


def test_steps_that_end_before_the_first_validation(save: Callable[..., None]) -> None:
    save(400)
    run = go("trainer.max_steps=1", "dataset.batch_size=1")
    assert math.isfinite(run.score)
    assert run.model.summary["held_out"]["nats_per_event"] == run.score


@pytest.mark.parametrize("name", ["csv", "none"])
def test_other_loggers(save: Callable[..., None], capsys: pytest.CaptureFixture[str], name: str) -> None:
    save(60)
    run = go("trainer.max_epochs=2", f"logger={name}", "callbacks.progress=true")
    left = files(run.folder)
    assert left == {"config.yaml", "origin.json", "score.json", "checkpoints/last.ckpt"} | (
        {"csv/metrics.csv"} if name == "csv" else set()
    )
    if name == "csv":
        header = (run.folder / "csv" / "metrics.csv").read_text().splitlines()[0].split(",")
        assert {"train/nll", "val/nll", "val/pitch", "marginal/nll"} < set(header)
    assert "tensorboard" not in capsys.readouterr().out


def test_several_sequences(save: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    save(40, 30, 50, 20, 60, 45, 1)
    run = go("trainer.max_epochs=1", "callbacks.progress=true")
    assert math.isfinite(run.score)
    assert "20 of them held out in 1 sequence\n" in capsys.readouterr().out


def test_what_is_on_the_screen_and_on_the_disk(save: Callable[..., None], folder: Path, hxmx_process: Any) -> None:
    save(600)
    words = ("trainer.max_epochs=2", "output=my_model.pt")
    done = hxmx_process("train", "data.json", *TINY, *words, cwd=folder)
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for part in (
        "data.json: 600 events, 60 of them held out at the end",
        "Learns for 2 epochs at most; Ctrl-C keeps the best",
        "epoch    2 ",
        "nats per event on what was held out,",
        "Next: hxmx gen my_model.pt output.csv, or live: hxmx run my_model.pt",
        "Curves, pictures and sound: hxmx board outputs/train/",
    ):
        assert part in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["data.json", "my_model.pt", "outputs"]
    assert len(list(folder.glob("outputs/*/*"))) == 1
