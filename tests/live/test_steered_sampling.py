"""What is steered is played, and played as the model predicts it: frequencies of draws against its conditional."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hachimachi import plugins
from hachimachi.constraints import Constraint
from hachimachi.live.protocols import Refused
from hachimachi.live.steering import Steering
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player, one_thread
from hachimachi.sampling import Sampling
from tests.conftest import Pieces, chi_square

ASKED = [
    ("/constrain", "pitch", "scale", "C", "minor"),
    ("/constrain", "pitch", "range", 58.0, "-"),
    ("/constrain", 1.0, "values", 81, 82, 83, 87),
    ("/temperature", "0.9"),
    ("/temperature", "pitch", 1.0, "time", 1.3),
    ("/min_p", "velocity", 0.01),
]


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module", params=plugins.names("head"))
def model(request: pytest.FixtureRequest, make_pieces: Pieces) -> EventModel:
    torch.manual_seed(2)
    options = {"components": 4} if request.param == "mixture" else {}
    model = build_model(make_pieces([120, 80]), {"name": "gru", "size": 8}, {"name": request.param, **options})
    with torch.no_grad():
        for weight in model.head.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model.eval()


def test_a_steered_player_draws_what_is_asked_as_the_model_predicts_it(model: EventModel, make_pieces: Pieces) -> None:
    player, past = Player(model, 1), torch.from_numpy(make_pieces([12])[0].rows())
    steering = Steering(model.columns, player.sampling)
    for row in past.numpy():
        player.observe(row)
    for route, *values in ASKED:
        player.sampling, _ = steering.obey(route, values)
    drawn = np.array([player.sample() for _ in range(2500)])
    scale = (Constraint.scale("C minor") & Constraint.between(58, 1e9)).allows
    assert set(drawn[:, 2]) == {81, 82, 83, 87}
    assert all(map(scale, drawn[:, 1]))
    # drawn first as well where all is allowed, what is not asked for then taken out by hand
    low, _, p = model.table(past, {}, Sampling(constraints={"pitch": Constraint.between(0, 127)}))["pitch"]
    asked = np.where([scale(value) for value in np.round(low + 0.5)], p, 0)
    assert 0.01 < asked.sum() < 0.9
    places = np.searchsorted(low, drawn[:, 1] + 0.25) - 1
    assert chi_square(np.bincount(places, minlength=len(p)).astype(float), asked / asked.sum()) < 5
    assert chi_square(np.bincount(places, minlength=len(p)).astype(float), p) > 5
    player.sampling, _ = steering.obey("/release", ())
    assert not all(map(scale, [player.sample()[1] for _ in range(100)]))


NAMES = st.sampled_from(["time", "pitch", "velocity", "duration", "instrument"])
NUMBERS = st.sampled_from([0, 1e-6, 0.01, 0.3, 1.0, 1.7, 60, 61, 81, 100, 1e9, -1e9, "-"])
MESSAGES = st.one_of(
    st.tuples(st.sampled_from(["/temperature", "/top_p", "/min_p"]), NAMES, NUMBERS),
    st.tuples(st.just("/polyphony"), st.integers(0, 3)),
    st.tuples(st.just("/constrain"), NAMES, st.just("range"), NUMBERS, NUMBERS),
    st.tuples(st.just("/constrain"), NAMES, st.just("values"), NUMBERS, NUMBERS, NUMBERS),
    st.tuples(st.just("/constrain"), NAMES, st.just("scale"), st.sampled_from(["C minor", "F# blues"])),
    st.tuples(st.just("/release"), NAMES),
)


@settings(max_examples=120, deadline=None)
@given(messages=st.lists(MESSAGES, max_size=6))
def test_whatever_is_obeyed_can_be_played(model: EventModel, messages: list) -> None:
    """Nothing that was accepted fails later, with notes sounding on and improbable asks too."""
    player = Player(model, 0)
    steering = Steering(model.columns, player.sampling)
    for route, *values in messages:
        try:
            player.sampling, _ = steering.obey(route, values)
        except Refused:
            continue
        for _ in range(3):
            row = player.sample()
            player.observe(row)
            for column, value in zip(model.columns, row.tolist(), strict=True):
                constraint = player.sampling.constraints.get(column.name)
                assert constraint is None or constraint.allows(value)
