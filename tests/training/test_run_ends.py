"""All the ways in which a run ends before its time, or never begins."""

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

from hachimachi.checkpoint import load_model
from hachimachi.cli import main
from hachimachi.errors import HachimachiError
from hachimachi.training.module import EventModule
from tests.training.test_run import TINY, files, go

pytestmark = pytest.mark.usefixtures("folder")


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


def diverge(monkeypatch: pytest.MonkeyPatch, when: Callable[[EventModule], bool]) -> None:
    """Make the loss NaN as soon as something is true of a module."""
    step = EventModule.training_step
    monkeypatch.setattr(
        EventModule, "training_step", lambda self, rows, i: step(self, rows, i) * (math.nan if when(self) else 1)
    )


def test_training_that_diverges_keeps_the_best_before(
    save: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge(monkeypatch, lambda module: module.current_epoch > 1)
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


def test_an_output_that_cannot_be_written_is_one_line(
    save: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    save(60)
    Path("model.pt").mkdir()
    Path("file").touch()
    for output in ("model.pt", "file/model.pt", "absent/model.pt"):
        with pytest.raises(SystemExit) as done:
            main(["train", "data.json", output, *TINY, "trainer.max_epochs=1"])
        errors = capsys.readouterr().err
        assert done.value.code == 1
        assert errors.count("\n") == 1
        assert output in errors
    assert not Path("outputs").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_folder_without_permission_is_one_line(
    save: Callable[..., None], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(60)
    folder.chmod(0o500)
    try:
        with pytest.raises(SystemExit) as done:
            main(["train", "data.json", *TINY, "trainer.max_epochs=1"])
    finally:
        folder.chmod(0o700)
    assert done.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


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


@pytest.mark.parametrize("step", [0, 5])
def test_interrupted_before_the_first_validation_it_leaves_a_model(
    save: Callable[..., None], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    follow = EventModule.on_train_batch_end

    def interrupt(self: EventModule, *of: Any) -> None:
        if self.global_step > step:
            raise KeyboardInterrupt
        follow(self, *of)

    monkeypatch.setattr(EventModule, "on_train_batch_end", interrupt)
    save(100)
    run = go("trainer.max_epochs=50")
    assert run.interrupted == "Ctrl-C"
    assert run.model.summary["steps"] == step + 1
    assert run.score < run.marginal + 1
