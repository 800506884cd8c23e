"""Augmentations kept outside hachimachi: in `hxmx augment` and in training, once their module is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hachimachi.io import read, write
from tests.plugins_apart import plugins_apart

from .conftest import Said

FOLDING = '''
from dataclasses import dataclass

from hachimachi.augment import Augmentation, register
from hachimachi.augment.augmentation import number


@register("fold")
@dataclass(frozen=True, kw_only=True)
class Fold(Augmentation):
    """Folds values into one octave."""

    low: float = number("a number", 60.0)

    def change(self, values, random):
        return self.low + (values - self.low) % 12
'''
TRAIN = ("trainer.max_epochs=1", "model.size=8", "logger=none", "callbacks=quiet", "hydra.run.dir=out")
OPS = 'augment.ops=["fold(dims=pitch)"]'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_pieces: Callable[..., list]) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    Path("folding.py").write_text(FOLDING)
    write("data.json", make_pieces([60]))
    with plugins_apart():
        yield


@pytest.mark.parametrize("order", [("--plugin", "folding", "--op", "fold(dims=pitch)"), None])
def test_it_is_an_operation_like_others(hxmx_said: Said, order: tuple[str, ...] | None) -> None:
    words = order or ("--op", "fold(dims=pitch)", "--plugin", "folding")  # whichever is said first
    status, out, error = hxmx_said("augment", "data.json", "out.json", *words)
    assert (status, error) == (0, "")
    assert out.startswith("fold(dims=pitch)\n")
    [before], [after] = read("data.json"), read("out.json")
    assert np.array_equal(after.column("pitch"), 60 + before.column("pitch") % 12)


def test_help_lists_it(hxmx_said: Said) -> None:
    assert "Folds values into one octave. (dims, low, p)" in hxmx_said("augment", "--plugin", "folding", "--help")[1]


def test_training_takes_it(hxmx_said: Said) -> None:
    status, _, error = hxmx_said("train", "data.json", "model.pt", "plugins=[folding]", OPS, *TRAIN)
    assert (status, error) == (0, "")
    assert Path("model.pt").is_file()
    with plugins_apart():
        assert hxmx_said("train", "again.pt", "--from", "model.pt", "plugins=[folding]", *TRAIN)[0] == 0


def test_without_its_module_it_is_unknown(hxmx_said: Said) -> None:
    assert "no operation fold" in hxmx_said("augment", "data.json", "out.json", "--op", "fold(dims=pitch)")[2]
    status, _, error = hxmx_said("train", "data.json", "model.pt", OPS, *TRAIN)
    assert (status, "no operation fold" in error) == (2, True)
    assert not Path("model.pt").exists()
