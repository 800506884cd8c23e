"""Every option of every group composes, builds a model, learns a step, and leaves a model file."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hachimachi.training.config.compose import ConfigError, check_words
from hachimachi.training.config.groups import find_conf, list_options
from tests.training.test_run import go

pytestmark = pytest.mark.usefixtures("folder")
ELSEWHERE = ("hydra", "sweep")
"""Groups of sweeps, which have tests of their own, as have devices that may not be here."""
DEVICES = ("gpu", "ddp", "fsdp")
OPTIONS = [
    (group, option)
    for group, names in list_options(find_conf()).items()
    for option in names
    if not group.startswith(ELSEWHERE) and option not in DEVICES
]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_takes_a_step(save: Callable[..., None], group: str, option: str) -> None:
    save(60)
    # what an option says of size and length stands, and the least of the others
    words = [f"{group}={option}", "trainer.max_steps=1", "callbacks.pictures=false"]
    run = go(*words, "model.size=8")
    assert run.path.is_file()
    assert run.model.summary["steps"] == 1
    assert math.isfinite(run.score) or option == "overfit"


def test_experiments_say_what_they_are() -> None:
    for path in (find_conf() / "experiment").glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# @package _global_\n# "), path


def test_one_batch_is_learned_by_heart(save: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    save(40)
    words = ["debug=overfit", "callbacks.progress=true", "model.size=24", "optimizer.lr=0.02", "optimizer.warmup=1"]
    go(*words, "trainer.max_steps=60")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert float(lines[-1].split("train")[1].split()[0]) < 5.5  # the histogram alone costs some 8


def test_the_profile_lies_in_the_run_folder(save: Callable[..., None]) -> None:
    save(60)
    run = go("debug=profiler", "trainer.max_steps=2")
    assert "run_training_batch" in (run.folder / "fit-profile.txt").read_text()


def test_an_anomaly_is_found(save: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    from hachimachi.training.module import EventModule

    step = EventModule.training_step
    monkeypatch.setattr(
        EventModule, "training_step", lambda self, *words: step(self, *words) * torch.tensor(0.0).log() * 0
    )
    save(60)
    with pytest.raises(RuntimeError, match="nan"), pytest.warns(UserWarning):
        go("debug=anomaly", "trainer.max_steps=2")


def test_several_loggers_at_once(save: Callable[..., None]) -> None:
    save(60)
    run = go("logger=several", "trainer.max_steps=2")
    assert (run.folder / "csv" / "metrics.csv").is_file()
    assert list((run.folder / "tensorboard").glob("events.out.tfevents*"))
    assert Path("model.pt").is_file()


def test_a_file_that_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("defaults: [train\nseed: 1")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not YAML") as error:
        check_words([], config_name="bad", config_dir=tmp_path)
    assert "\n" not in str(error.value)
