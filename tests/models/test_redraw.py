"""What is drawn again: a key struck twice at one instant, and a controller that leaps further than it ever did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hachimachi import plugins
from hachimachi.columns import Column, fit_columns
from hachimachi.constraints import Constraint
from hachimachi.events import EventSequence, Feature
from hachimachi.generation import generate
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player
from hachimachi.sampling import Sampling


def unisons(made: EventSequence) -> int:
    """Return how many events strike what was struck at the same instant."""
    assert made.time is not None
    keys = list(zip(made.time.tolist(), *(made.column(name) for name in ("pitch", "instrument")), strict=True))
    return len(keys) - len(set(keys))


@pytest.fixture(scope="module", params=plugins.names("head"))
def chords(request: pytest.FixtureRequest) -> EventModel:
    """Chords of few keys on two instruments; untrained, so that they are struck again at once as often as can be."""
    chance = np.random.default_rng(0)
    values = np.column_stack([chance.integers(60, 63, 200), chance.choice([0, 128], 200)]).astype(float)
    time = np.cumsum(0.25 * (chance.random(200) < 0.4)).astype(np.float64)
    features = Feature("pitch", min=0, max=127), Feature("instrument", kind="categorical")
    torch.manual_seed(0)
    return build_model([EventSequence(features, values, time)], {"name": "gru", "size": 8}, {"name": request.param})


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.3), Sampling(0.0), Sampling(polyphony=None, min_p=0.1)])
def test_no_key_is_struck_twice_at_one_instant(chords: EventModel, sampling: Sampling) -> None:
    made = generate(chords, 100, sampling=sampling)
    assert made.time is not None
    assert unisons(made) == 0
    if sampling.temperature:
        assert (np.diff(made.time) == 0).mean() > 0.2  # there are chords still


def test_a_key_alone_is_struck_later_and_where_it_may_not_at_once(chords: EventModel) -> None:
    one = {"pitch": Constraint.among([60]), "instrument": Constraint.among([0])}
    assert unisons(generate(chords, 50, sampling=Sampling(constraints=one))) == 0
    still = Sampling(constraints={**one, "time": Constraint.between(0, 0)})
    assert unisons(generate(chords, 50, sampling=still)) == 49


def test_a_memory_and_a_fork_know_what_is_struck(chords: EventModel) -> None:
    player = Player(chords, 1)
    for row in ([np.nan, 60, 0], [0.0, 61, 0], [0.0, 62, 128]):
        player.observe(np.array(row))
    memory, fork = player.remember(), player.fork(2)
    struck = {(60.0, 0.0), (61.0, 0.0), (62.0, 128.0)}
    player.observe(np.array([0.5, 62, 0]))
    assert player.state.struck == {(62.0, 0.0)}
    player.recall(memory)
    for each in (player, fork):
        assert each.state.struck == struck
        drawn = [each.sample() for _ in range(100)]
        at_once = {(row[1], row[2]) for row in drawn if row[0] == 0}
        assert at_once
        assert not at_once & struck
    player.reset()
    assert not player.state.struck


def gesture(values: Sequence[float], between: float = 0.02) -> EventSequence:
    return EventSequence((Feature("x"),), np.array(values)[:, None], between * np.arange(len(values), dtype=np.float64))


def test_the_farthest_steps_are_those_of_the_training_data() -> None:
    time, x = fit_columns([gesture([0.0, 0.1, 0.05, 0.35]), gesture([9.0, 8.9])])
    assert time.steps is None
    assert x.steps == pytest.approx((-0.1, 0.3))
    assert Column.from_json(x.to_json()) == x
    assert fit_columns([gesture([1.0])])[1].steps is None
    names = Feature("control", kind="categorical"), Feature("value")
    values = np.array([[1, 0.0], [2, 50], [1, 1.0], [2, 40], [1, 3.0]])
    _, control, value = fit_columns([EventSequence(names, values, np.arange(5.0))])
    assert control.steps is None
    assert value.steps == (-10, 2)  # of each controller by itself
    notes = fit_columns([EventSequence((Feature("pitch"), Feature("velocity")), values + 1, np.arange(5.0))])
    assert [column.steps for column in notes] == [None, None, None]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(plugins.names("head")), st.sampled_from([1.0, 2.0]))
def test_a_controller_moves_no_further_than_it_did(seed: int, head: str, temperature: float) -> None:
    random = np.random.default_rng(seed)
    data = gesture(np.cumsum(random.uniform(-0.02, 0.03, 100)).tolist())
    model = build_model([data], {"name": "gru", "size": 8}, {"name": head})  # untrained: it leaps about
    low, high = model.columns[1].played_steps or (0, 0)
    made = generate(model, 60, sampling=Sampling(temperature), seed=seed)
    steps = np.diff(made.column("x"))
    assert low - 1e-9 <= steps.min() < 0 < steps.max() <= high + 1e-9
    assert high - low < 0.08


def test_a_constraint_may_ask_for_a_leap() -> None:
    model = build_model([gesture((np.arange(100) / 100).tolist())], {"name": "gru", "size": 8})
    player = Player(model, 0, sampling=Sampling(constraints={"x": Constraint.between(0.9, 1.0)}))
    player.observe(np.array([np.nan, 0.0]))
    assert player.sample()[1] >= 0.89
    player.sampling = Sampling()
    assert player.sample()[1] < 0.1
