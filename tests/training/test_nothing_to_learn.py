"""Data that little or nothing can be learned from: a sensible model or one line, and never a number that is none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from hachimachi import compose, generate, load_model, train, write
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.training.fit import Run

RANDOM = np.random.default_rng(0)
N = 120
TIMES = np.arange(N) / 4
NUMBERS = RANDOM.normal(size=(N, 2))
PITCHES = RANDOM.integers(50, 60, (N, 2))
SENSIBLE: dict[str, EventSequence | list[EventSequence]] = {
    "constant": make_sequence(np.full((N, 2), 60.0), TIMES),
    "one event": make_sequence([[60.0, 80.0]], [0.0]),
    "one event without time": make_sequence([[60.0, 80.0]]),
    "two events": make_sequence([[60.0, 80.0], [61.0, 80.0]], [0.0, 1.0]),
    "two events at one time": make_sequence([[60.0, 80.0], [61.0, 80.0]], [0.0, 0.0]),
    "sequences of one event": [make_sequence([[60.0 + i, 80.0]], [0.0]) for i in range(20)],
    "all at one time": make_sequence(PITCHES, np.zeros(N)),
    "all at one late time": make_sequence(PITCHES, np.full(N, 1e9)),
    "numbers of 1e-30": make_sequence(NUMBERS * 1e-30, TIMES),
    "one number of 1e12": make_sequence(np.r_[NUMBERS[:-1], [[1e12, -1e12]]], TIMES),
    "times of 1e-12": make_sequence(PITCHES, np.cumsum(RANDOM.exponential(1e-12, N))),
    "milliseconds since 1970": make_sequence(PITCHES, 1.7e12 + np.cumsum(RANDOM.exponential(20, N))),
    "times to 1e12": make_sequence(PITCHES, np.cumsum(RANDOM.exponential(1e10, N))),
    "each event its own category": EventSequence(
        (Feature("id", "categorical"), Feature("x")), np.column_stack([np.arange(float(N)), NUMBERS[:, 0]]), TIMES
    ),
}
CATEGORIES = np.arange(1_000_000.0)
REFUSED: dict[str, tuple[EventSequence, str]] = {
    "columns of 1e30": (make_sequence(NUMBERS * 1e30, TIMES), "reaches as far as .*scale the data"),
    "columns of 1e300": (make_sequence(NUMBERS * 1e300, TIMES), "reaches as far as .*scale the data"),
    "a million categories": (
        EventSequence((Feature("id", "categorical"),), CATEGORIES[:, None], CATEGORIES / 4),
        "'id': 900,000 categories, expected at most",
    ),
}


def learn(folder: Path, data: EventSequence | list[EventSequence], *words: str) -> Run:
    write(folder / "data.arrow", data)
    paths = [f"dataset.path={folder}/data.arrow", f"output={folder}/model.pt"]
    quick = ["callbacks=quiet", "logger=none", "trainer.max_epochs=2", "model.size=8", "init=none"]
    return train(compose([*paths, *quick, *words]), folder / "run")


@pytest.mark.parametrize("head", ["autoregressive", pytest.param("mixture", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SENSIBLE)
def test_a_sensible_model_comes_of_it(tmp_path: Path, name: str, head: str) -> None:
    run = learn(tmp_path, SENSIBLE[name], f"head={head}")
    few = "event" in name and "each" not in name
    assert math.isnan(run.score) if few else math.isfinite(run.score) and math.isfinite(run.marginal)
    model = load_model(tmp_path / "model.pt")
    assert all(bool(weight.isfinite().all()) for weight in model.parameters())
    made = generate(model, 40)
    assert np.isfinite(made.data).all()
    assert made.time is None or np.isfinite(made.time).all()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_is_one_line(tmp_path: Path, name: str) -> None:
    data, said = REFUSED[name]
    with pytest.raises(HachimachiError, match=said) as found:
        learn(tmp_path, data)
    assert len(str(found.value).splitlines()) == 1
    assert not (tmp_path / "model.pt").exists()
