"""Polyphony: never more notes than allowed, and a piece that goes on in its own time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi import plugins
from hachimachi.constraints import Constraint
from hachimachi.events import EventSequence, Feature
from hachimachi.generation import generate
from hachimachi.io import read
from hachimachi.models.event_model import EventModel, build_model
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


@pytest.mark.parametrize("voices", [1, 2, 4])
def test_onsets_and_pitches_are_those_of_the_piece_without_it(model: EventModel, voices: int) -> None:
    """The note that began first ends where one too many begins; of a chord of more notes the last are silent."""
    free = generate(model, 150)
    made = generate(model, 150 - 40, sampling=Sampling(polyphony=voices))
    assert free.time is not None and made.time is not None
    kept: dict[float, list[float]] = {}
    for time, (pitch, _) in zip(free.time.round(6).tolist(), free.data.tolist(), strict=True):
        chord = kept.setdefault(time, [])
        if len(chord) < voices:
            chord.append(pitch)
    expected = [(time, pitch) for time, chord in kept.items() for pitch in chord]
    found = list(zip(made.time.round(6).tolist(), made.column("pitch").tolist(), strict=True))
    assert found[: len(expected)] == expected[: len(found)]
    lengths = dict(
        zip(zip(free.time.round(6), free.column("pitch"), strict=True), free.column("duration"), strict=True)
    )
    assert all(length <= lengths.get(each, np.inf) for each, length in zip(found, made.column("duration"), strict=True))


def test_a_time_that_is_asked_for_is_kept(model: EventModel) -> None:
    hurried = Sampling(constraints={"time": Constraint.between(0, 0.05)}, polyphony=2)
    made = generate(model, 100, sampling=hurried)
    assert made.time is not None
    assert made.time[-1] <= generate(model, 200, sampling=Sampling(constraints=hurried.constraints)).time[-1]  # type: ignore[index]
    assert most_at_once(made) <= 2


@pytest.mark.parametrize("task", ["piano", "multi"])
def test_real_music(shared_data: Path, task: str) -> None:
    (learned,) = read(shared_data / "single" / f"{task}_train.json")
    made = generate(build_model([learned], {"name": "gru", "size": 8}), 200, sampling=Sampling(0.9, polyphony=3))
    assert most_at_once(made) <= 3
