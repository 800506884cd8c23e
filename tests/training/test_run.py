"""A run from a config to a model file, and all the ways in which it ends."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hachimachi import io
from hachimachi.checkpoint import load_model
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.evaluation.seen import seen
from hachimachi.text import count
from hachimachi.training.config import compose
from hachimachi.training.data import EventDataModule
from hachimachi.training.run import Run, train

TINY = ["model.size=8", "head.components=2"]
QUIET = ["callbacks.progress=false", "logger=none"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def save(make_pieces: Any) -> Callable[..., None]:
    def write(*lengths: int, path: str = "data.json") -> None:
        io.write(path, make_pieces(lengths))

    return write


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
    others = {"config.yaml", "checkpoints/last.ckpt", "tensorboard/hparams.yaml"}
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
    assert seen(finished.model, io.read(finished.folder.parent / "data.json"))
    told = {"name": "gru", "size": 8, "layers": None, "dropout": 0.4, "window": None}
    assert summary["config"]["model"] == told
    assert finished.model.parts["backbone"] == {"name": "gru", "size": 8, "layers": 1, "dropout": 0.4}
    assert set(summary["versions"]) == {"hachimachi", "torch", "lightning"}
    assert 1 <= summary["epochs"] <= 4
    held = summary["held_out"]
    assert (held["nats_per_event"], held["marginal"]) == (finished.score, finished.marginal)
    assert held["events"] == 19  # the first is not scored
    assert sum(nats["nats"] for nats in held["by_feature"].values()) == pytest.approx(finished.score)
    assert (held["fresh"] is None) == (held["fresh_events"] == 0)


def test_curves_in_tensorboard(finished: Run) -> None:
    curves = scalars(finished)
    curves.pop("epoch")
    curves = {tag: curve for tag, curve in curves.items() if not tag.startswith(("score/", "likeness/"))}
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
        shown = curves[f"val/{name}"][best][1]
        assert (
            kept[name]["nats"] < shown
            if name in finished.kept
            else kept[name]["nats"] == pytest.approx(shown, abs=1e-3)
        )
    assert curves["train/nll"][-1][1] < curves["train/nll"][0][1]


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
    state["callbacks"]["KeepBest"]["best"] = -1.0  # nothing can be better
    torch.save(state, "first/checkpoints/last.ckpt")
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
    assert left == {"config.yaml", "checkpoints/last.ckpt"} | ({"csv/metrics.csv"} if name == "csv" else set())
    if name == "csv":
        header = (run.folder / "csv" / "metrics.csv").read_text().splitlines()[0].split(",")
        assert {"train/nll", "val/nll", "val/pitch", "marginal/nll"} < set(header)
    assert "tensorboard" not in capsys.readouterr().out


def test_several_sequences(save: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    save(40, 30, 50, 20, 60, 45, 1)
    run = go("trainer.max_epochs=1", "callbacks.progress=true")
    assert math.isfinite(run.score)
    assert "20 of them held out in 1 sequence\n" in capsys.readouterr().out


@pytest.mark.parametrize("rate", ["1e3", "1e30"])
def test_training_that_diverges(save: Callable[..., None], folder: Path, rate: str) -> None:
    save(100)
    words = ["trainer.max_epochs=30", "trainer.gradient_clip_val=0"]
    try:
        run = go(*words, f"optimizer.lr={rate}")
    except HachimachiError as error:
        assert "diverged" in str(error)
        assert "optimizer.lr" in str(error)
        assert not (folder / "model.pt").exists()
    else:
        assert math.isfinite(run.score)
        assert all(weight.isfinite().all() for weight in run.model.parameters())


def test_training_that_diverges_keeps_the_best_before(
    save: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hachimachi.training.module import EventModule

    step = EventModule.training_step
    monkeypatch.setattr(
        EventModule,
        "training_step",
        lambda self, rows, place: step(self, rows, place) * (math.nan if self.current_epoch > 1 else 1),
    )
    save(100)
    run = go("trainer.max_epochs=30", "trainer.check_val_every_n_epoch=1", "callbacks.progress=true")
    assert math.isfinite(run.score)
    assert run.model.summary["epochs"] <= 2
    assert all(weight.isfinite().all() for weight in run.model.parameters())
    printed = capsys.readouterr().out
    assert "epoch    3 " in printed  # it ends there
    assert "Training diverged" in printed


def test_a_device_that_is_not_there(save: Callable[..., None]) -> None:
    save(60)
    with pytest.raises(HachimachiError, match=r"trainer.accelerator=cuda.*hxmx devices"):
        go("trainer.accelerator=cuda", "trainer.devices=[99]", "trainer.max_epochs=1")


def test_data_that_cannot_be_read_leaves_nothing(folder: Path) -> None:
    (folder / "data.json").write_text('{"data": [[1, 2], [3]]}')
    with pytest.raises(HachimachiError, match=r"data.json.*row 2"):
        go()
    assert files(folder) == {"data.json"}


def test_an_output_that_cannot_be_written_is_one_line(save: Callable[..., None], hxmx_process: Any) -> None:
    save(60)
    Path("model.pt").mkdir()
    Path("file").touch()
    for output in ("model.pt", "file/model.pt", "absent/model.pt"):
        done = hxmx_process("train", "data.json", output, *TINY, "trainer.max_epochs=1", cwd=Path.cwd())
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert output in done.stderr
    assert not Path("outputs").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_folder_without_permission_is_one_line(save: Callable[..., None], folder: Path, hxmx_process: Any) -> None:
    save(60)
    folder.chmod(0o500)
    try:
        done = hxmx_process("train", "data.json", *TINY, "trainer.max_epochs=1", cwd=folder)
    finally:
        folder.chmod(0o700)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


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
        "Curves: tensorboard --logdir outputs/train/",
    ):
        assert part in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["data.json", "my_model.pt", "outputs"]
    assert len(list(folder.glob("outputs/*/*"))) == 1


def test_ctrl_c_keeps_the_best_model(save: Callable[..., None], folder: Path) -> None:
    save(600)
    command = [sys.executable, "-m", "hachimachi.cli", "train", "data.json", "model.pt", *TINY]
    words = ["callbacks.patience=100000", "trainer.max_minutes=5"]
    running = subprocess.Popen(
        [*command, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
        # a shell's background jobs ignore Ctrl-C, and so would what they start
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (no threads yet)
    )
    try:
        deadline = time.monotonic() + 60
        while not (folder / "model.pt").exists() and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        printed, errors = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130
    assert errors == ""
    assert "Stopped by Ctrl-C" in printed
    assert max(len(line) for line in printed.splitlines() if "ckpt_path" not in line) <= 80
    assert "held_out" in load_model("model.pt").summary
    [last] = folder.glob("outputs/train/*/checkpoints/last.ckpt")
    assert f"ckpt_path={last.relative_to(folder)}" in printed
    epoch = torch.load(last, weights_only=True)["epoch"]
    again = go(f"ckpt_path={last}", f"trainer.max_epochs={epoch + 2}")
    assert math.isfinite(again.score)
    assert sorted(path.name for path in folder.iterdir()) == ["data.json", "model.pt", "outputs", "run"]
