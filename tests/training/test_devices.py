"""Learning on a GPU where there is one, and what can be seen of it without."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hachimachi.training.config.compose import compose
from hachimachi.training.fit import Run, train
from hachimachi.training.trainer import compiles

TINY = ("model.size=8", "head.components=2", "logger=none", "callbacks.pictures=false", "trainer.max_epochs=2")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
pytestmark = pytest.mark.usefixtures("folder")


def go(*words: str) -> Run:
    return train(compose([*TINY, *words]), "run")


def test_half_precision_learns_too(save: Callable[..., None]) -> None:
    save(200)
    exact, half = go(), go("trainer.precision=bf16-mixed")
    assert math.isfinite(half.score)
    assert half.score == pytest.approx(exact.score, abs=0.3)


@pytest.mark.parametrize(
    ("words", "events", "made"),
    [
        ([], 10**6, False),
        (["trainer.compile=true"], 10, True),
        (["trainer=gpu"], 10**6, True),
        (["trainer=gpu"], 2000, False),
        (["trainer=gpu", "trainer.compile=false"], 10**6, False),
        (["trainer.compile=null"], 10**6, False),
    ],
)
def test_kernels_are_made_where_that_pays(words: list[str], events: int, made: bool) -> None:
    assert compiles(compose(words), events) == made


@pytest.mark.slow
def test_kernels_learn_the_same(save: Callable[..., None]) -> None:
    save(60)
    words = ("model.dropout=0", "head.dropout=0", "head.any_order=0", "augment=none", "trainer.max_steps=2")
    plain, made = go(*words), go(*words, "trainer.compile=true")
    assert made.score == pytest.approx(plain.score, abs=1e-3)


@gpu
@pytest.mark.parametrize("more", [[], ["trainer.precision=32-true"], ["trainer.compile=true"]], ids=" ".join)
@pytest.mark.parametrize("model", ["gru", "lstm", "mingru", "transformer"])
def test_on_a_gpu_every_backbone_learns(save: Callable[..., None], model: str, more: list[str]) -> None:
    save(200)
    run = go(f"model={model}", "trainer=gpu", *more)
    assert math.isfinite(run.score)
    assert Path("model.pt").is_file()
