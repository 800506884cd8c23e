"""Generating offline: the same seed gives the same events, and events are of the kind they were learned as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi.constraints import Constraint
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.generation import generate, generate_many
from hachimachi.io import read
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player
from hachimachi.sampling import Sampling

SMALL = {"name": "gru", "size": 8}
TASKS = ["fresh", "piano", "drums", "multi", "control"]


def wild(sequence: EventSequence) -> EventModel:
    """Return a model with random weights: it tries everything."""
    torch.manual_seed(0)
    model = build_model([sequence], SMALL, {"name": "mixture", "components": 3})
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model.eval()


@pytest.fixture(scope="module")
def notes() -> EventSequence:
    chance = np.random.default_rng(0)
    features = (Feature("pitch", min=0, max=127), Feature("duration", masked=True))
    values = np.column_stack([chance.integers(40, 80, 100), chance.exponential(0.3, 100)]).astype(float)
    return EventSequence(features, values, np.cumsum(chance.exponential(0.2, 100)))


@pytest.fixture(scope="module")
def model(notes: EventSequence) -> EventModel:
    return wild(notes)


@pytest.fixture(scope="module")
def timeless(notes: EventSequence) -> EventModel:
    return wild(EventSequence(notes.features, notes.data))


def test_the_seed_decides(model: EventModel) -> None:
    assert generate(model, 50, seed=5) == generate(model, 50, seed=5)
    assert generate(model, 50, seed=5) != generate(model, 50, seed=6)
    assert generate(model, 50) == generate(model, 80)[:50]  # more is only longer


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.4])
@pytest.mark.parametrize("task", TASKS)
def test_events_are_of_the_kind_that_was_learned(shared_data: Path, task: str, temperature: float) -> None:
    (learned,) = read(shared_data / "single" / f"{task}_train.json")
    made = generate(wild(learned), 150 if temperature == 1 else 40, temperature=temperature)
    assert [feature.name for feature in made.features] == [feature.name for feature in learned.features]
    assert made.time is not None
    assert made.time[0] == 0
    assert (np.diff(made.time) >= 0).all()
    for feature in made.features:
        values = made.column(feature.name)
        if feature.kind == "integer":
            assert (values == np.round(values)).all()
        if feature.kind == "categorical":
            assert set(values) <= set(learned.column(feature.name))
        assert feature.min is None or values.min() >= feature.min
        assert feature.max is None or values.max() <= feature.max


def test_numbers_of_events_and_seconds(model: EventModel) -> None:
    assert len(generate(model, 7)) == 7
    assert len(generate(model)) == 1000
    long = generate(model, 500)
    assert long.time is not None
    middle = float(long.time[100]) + 1e-6
    until = generate(model, seconds=middle)
    assert until == long[: int((long.time <= middle).sum())]
    assert generate(model, 10, seconds=middle) == long[:10]  # the first of both limits


def test_a_model_that_never_moves_on_ends_all_the_same(model: EventModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Player, "sample", lambda _: np.array([0.0, 60, 0.1]))
    assert len(generate(model, seconds=0.2)) == 201
    monkeypatch.setattr("hachimachi.generation.LONGEST", 5)
    assert len(generate(model, seconds=1e300)) == 6


def test_a_primer_is_heard_and_time_goes_on_from_its_end(model: EventModel, notes: EventSequence) -> None:
    primer = notes[:20]
    assert primer.time is not None
    made = generate(model, 30, primer=primer)
    assert made.time is not None
    assert made.time[0] >= primer.time[-1]
    assert generate(model, 30).data.tolist() != made.data.tolist()
    player = Player(model)
    for row in primer.rows():
        player.observe(row)
    first = player.sample()
    assert made.time[0] == primer.time[-1] + first[0]
    assert made.data[0].tolist() == first[1:].tolist()
    assert generate(model, 30, primer=notes[:0]) == generate(model, 30)
    with pytest.raises(HachimachiError, match=r"seconds is 1e-09: the first event comes later"):
        generate(model, seconds=1e-9, primer=notes[:20], seed=1)


def test_several_at_once_are_those_of_the_seeds_that_follow(model: EventModel, notes: EventSequence) -> None:
    calm = Sampling(0.8, polyphony=2, constraints={"pitch": Constraint.scale("D dorian")})
    takes = generate_many(model, 3, 20, primer=notes[:9], sampling=calm, seed=4)
    assert takes == [generate(model, 20, primer=notes[:9], sampling=calm, seed=4 + i) for i in range(3)]
    assert takes[0] != takes[1]
    with pytest.raises(HachimachiError, match="number of sequences is 0"):
        generate_many(model, 0)
    with pytest.raises(HachimachiError, match="temperature and sampling are both given"):
        generate(model, 3, temperature=0.5, sampling=calm)


def test_without_time(timeless: EventModel, notes: EventSequence) -> None:
    made = generate(timeless, 20)
    assert made.time is None
    assert made.data.shape == (20, 2)
    primer = EventSequence(notes.features, notes.data[:5])
    assert generate(timeless, 20, primer=primer).data.tolist() != made.data.tolist()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n_events": 0}, "number of events is 0; expected 1 or more"),
        ({"n_events": -3}, "number of events is -3"),
        ({"seconds": 0.0}, "seconds is 0.0; expected a number above 0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"temperature": float("nan")}, "temperature is nan; expected a number from 0 to 100"),
        ({"temperature": {"velocity": 1.0}}, "temperature for 'velocity': no such column; there are time, pitch"),
        ({"primer": make_sequence([[1.0]], [0.0], ["x"])}, "features are x; the model expects pitch, duration"),
        ({"primer": make_sequence([[1.0, 2.0]], None, ["pitch", "duration"])}, "has no time, but the model"),
    ],
)
def test_wrong_calls(model: EventModel, wrong: dict, said: str) -> None:
    with pytest.raises(HachimachiError) as caught:
        generate(model, **wrong)
    assert said in str(caught.value)


def test_seconds_mean_nothing_without_time(timeless: EventModel) -> None:
    with pytest.raises(HachimachiError, match="this model knows no time; give a number of events"):
        generate(timeless, seconds=3)


def test_the_threads_are_given_back(model: EventModel) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        generate(model, 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
