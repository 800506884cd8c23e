"""Beginning again with the config in a model file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hachimachi.cli import main
from hachimachi.errors import HachimachiError
from hachimachi.training.config.compose import ConfigError, check_words, compose, start_from
from tests.training.test_run import QUIET, TINY, go

pytestmark = pytest.mark.usefixtures("folder")
WORDS = ["model=transformer", "head=mixture", "dataset.window=12", "trainer.max_steps=2", "feature.pitch.max=90"]


@pytest.fixture
def model(save: Callable[..., None]) -> Path:
    save(60)
    return go(*WORDS).path


def test_the_same_config_with_overrides_on_top(model: Path) -> None:
    first, again = compose([*TINY, *QUIET, *WORDS]), compose(source=model)
    assert again == first
    cfg = compose(["dataset.window=9", "seed=4", "output=new.pt"], source=model)
    assert (cfg.dataset.window, cfg.model.window, cfg.seed, cfg.output) == (9, 9, 4, "new.pt")
    assert (cfg.head.name, cfg.feature.pitch.max) == ("mixture", 90)
    words, said = start_from(model, ["head.components=4"])
    assert words == ["from=stored", "head.components=4"]
    assert said[0] == "From model.pt: its config, with what you say on top"
    assert "dataset.batch_size" in said[1]
    assert "dataset.window" not in said[1]


def test_a_group_that_is_chosen_anew_has_its_own_defaults(model: Path) -> None:
    cfg = compose(["model=lstm", "debug=fast"], source=model)
    assert (cfg.model.name, cfg.model.size, cfg.head.name) == ("lstm", 16, "mixture")
    assert compose(["model=lstm"], source=model).model.size == "auto"
    _, cfg = check_words(start_from(model, ["model=lstm,gru", "seed=1,2"])[0], multirun=True)
    assert cfg.model.name == "lstm"


def test_an_experiment_on_top_chooses_its_parts(save: Callable[..., None]) -> None:
    save(60)
    model = go("model=gru", "dataset.window=12", "augment.stretch=0.1", "trainer.max_steps=1").path
    piano = compose(["experiment=piano"], source=model)
    assert (piano.model.name, piano.model.size, piano.dataset.window) == ("mingru", "auto", 12)
    reference = compose(["experiment=reference"], source=model)
    assert (reference.model.name, reference.head.name, reference.augment.name) == ("lstm", "mixture", "none")
    assert (reference.dataset.window, reference.augment.stretch) == (200, 0.0)


def test_the_sweep_it_was_a_job_of_is_not_taken_over(save: Callable[..., None]) -> None:
    save(60)
    model = go("trainer.max_steps=1", "sweep.prune=true", "sweep.warmup=7").path
    assert compose(source=model).sweep == compose().sweep


def test_a_checkpoint_does_as_well(model: Path) -> None:
    assert compose(source="run/checkpoints/last.ckpt") == compose(source=model)


def test_where_it_wrote_is_not_taken_over(save: Callable[..., None]) -> None:
    save(60)
    go("output=first.pt", "trainer.max_steps=1")
    assert compose(source="first.pt").output == "model.pt"


def change(path: Path, **spec: Any) -> None:
    content = torch.load(path, weights_only=True)
    content["spec"] = json.dumps(json.loads(content["spec"]) | spec)
    torch.save(content, path)


def test_keys_that_are_no_more(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = json.loads(torch.load(model, weights_only=True)["spec"])["summary"]
    stored["config"]["trainer"]["turbo"] = True
    stored["config"]["gone"] = {"a": 1}
    change(model, summary=stored | {"versions": {"hachimachi": "0.0.9"}})
    with pytest.raises(SystemExit) as done:
        main(["train", "new.pt", "--from", "model.pt", "trainer.max_steps=1"])
    assert not done.value.code
    assert "does not have them (0.0.9 did): trainer.turbo, gone.a" in capsys.readouterr().out
    assert Path("new.pt").is_file()


def test_what_holds_no_config(model: Path) -> None:
    change(model, summary={})
    with pytest.raises(ConfigError, match="holds no config"):
        start_from(model, [])
    with pytest.raises(HachimachiError, match="no such file"):
        start_from(Path("absent.pt"), [])


def test_code_is_never_taken_from_a_file(model: Path) -> None:
    content = torch.load(model, weights_only=True)
    spec = json.loads(content["spec"])
    spec["summary"]["config"]["plugins"] = ["evil"]
    Path("evil.py").write_text("raise SystemExit('ran')")
    change(model, summary=spec["summary"])
    assert compose(source=model).plugins == []  # what is not needed is left out
    change(model, plugins=["evil"])
    with pytest.raises(ConfigError, match=r"plug-in evil, kept outside.*'plugins=\[evil\]'"):
        start_from(model, [])
