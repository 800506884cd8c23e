"""Polyphony: never more notes than allowed, and a true conditional of the time before the next one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi import plugins
from hachimachi.constraints import Constraint
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.generation import generate
from hachimachi.io import read
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import MARGIN, Voices
from hachimachi.sampling import Sampling


def most_at_once(made: EventSequence) -> int:
    assert made.time is not None
    ends = made.time + made.column("duration")
    return max(int((ends[: i + 1] > time).sum()) for i, time in enumerate(made.time))


@pytest.fixture(scope="module", params=plugins.names("head"))
def model(request: pytest.FixtureRequest) -> EventModel:
    """Dense chords of long notes."""
    chance = np.random.default_rng(0)
    values = np.column_stack([chance.integers(40, 80, 150), chance.exponential(1, 150) + 0.2])
    time = np.cumsum(chance.exponential(0.2, 150) * (chance.random(150) < 0.5))
    torch.manual_seed(0)
    features = (Feature("pitch", min=0, max=127), Feature("duration", masked=True))
    data = EventSequence(features, values.astype(float), time)
    return build_model([data], {"name": "gru", "size": 8}, {"name": request.param}).eval()


@pytest.mark.parametrize("voices", [1, 2, 4])
def test_never_more_notes_at_once(model: EventModel, voices: int) -> None:
    assert most_at_once(generate(model, 150)) > 6
    for temperature in (1.0, 1.2):
        made = generate(model, 150, sampling=Sampling(temperature, polyphony=voices))
        assert most_at_once(made) == voices


def test_a_primer_sounds_on(model: EventModel) -> None:
    features = model.features
    primer = EventSequence(features, np.array([[60, 3.0], [64, 1.0], [67, 2.0]]), np.array([0.0, 0.0, 0.5]))
    for seed in range(20):
        first = generate(model, 1, primer=primer, sampling=Sampling(polyphony=3), seed=seed).time
        assert first is not None
        assert first[0] > 1.0
    free = [generate(model, 1, primer=primer, seed=seed).time for seed in range(20)]
    assert min(float(time[0]) for time in free if time is not None) < 1.0


def test_the_wait_is_until_enough_notes_have_ended(model: EventModel) -> None:
    voices = Voices(model.columns)
    for row in ([np.nan, 60, 3.0], [0.0, 64, 1.0], [0.5, 67, 2.0]):
        voices.observe(row)
    assert [round(voices.wait(count), 3) for count in (1, 2, 3, 4)] == [2.5, 2.0, 0.5, 0]
    voices.observe([0.5, 70, np.nan])
    assert voices.wait(3) == 0
    table = model.table(torch.tensor([[0.0, 60, 3.0]], dtype=torch.float64), {}, Sampling(polyphony=1))
    low, _, p = table["time"]
    assert p[low < 2.99].sum() == 0
    assert p.sum() == pytest.approx(1)


def test_a_wait_that_is_not_allowed_is_told(model: EventModel) -> None:
    hurried = Sampling(constraints={"time": Constraint.between(0, 0.05)}, polyphony=2)
    with pytest.raises(HachimachiError, match=r"polyphony 2: the next note must wait .* allow longer times or shorter"):
        generate(model, 100, sampling=hurried)


def test_polyphony_gives_way_where_it_is_to(model: EventModel) -> None:
    """Times stay as asked, and are drawn as if no polyphony were; where a wait is allowed, it is waited for."""
    hurried = Constraint.between(0, 0.05)
    voices = Voices(model.columns)
    voices.observe([0.0, 60, 3.0])
    asked = Sampling(constraints={"time": hurried}, polyphony=1, yields=True)
    assert voices.limit(asked) is asked
    voices.left = (0.03,)
    assert voices.limit(asked).constraints["time"] == hurried & Constraint.between(0.03 + MARGIN, math.inf)
    time = generate(model, 100, sampling=asked).time
    assert time is not None
    assert np.diff(time).max() < 0.051


@pytest.mark.parametrize("task", ["piano", "multi"])
def test_real_music(shared_data: Path, task: str) -> None:
    (learned,) = read(shared_data / "single" / f"{task}_train.json")
    made = generate(build_model([learned], {"name": "gru", "size": 8}), 200, sampling=Sampling(0.9, polyphony=3))
    assert most_at_once(made) <= 3
