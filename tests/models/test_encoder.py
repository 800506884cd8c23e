"""What a network sees, and the fast form of it that plays."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import FEW, Column, fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.models.encoder import EMBEDDING, Encoder
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player

Make = Callable[..., EventModel]
UNKNOWN = st.just(math.nan)
ROW = st.tuples(
    st.floats(0, 100) | UNKNOWN | st.just(0.0) | st.just(0.005),
    st.integers(-300, 300).map(float) | st.floats(-300, 300) | UNKNOWN,
    st.floats(-1e6, 1e6) | UNKNOWN,
    st.floats(-1, 100) | UNKNOWN,
    st.sampled_from([0.0, 5.0, 128.0, 7.0, -3.0, math.nan]),
)
ELSEWHERE, NOTHING = (0.0, 1.0, 1.0, 1.0, 5.0), (math.nan,) * 5


@pytest.fixture(scope="module")
def model() -> EventModel:
    torch.manual_seed(3)
    chance = np.random.default_rng(2)
    data = np.column_stack(
        [
            chance.integers(40, 80, 50),
            chance.normal(size=50),
            chance.exponential(size=50),
            chance.choice([0, 5, 128], 50),
        ]
    ).astype(float)
    features = (
        Feature("pitch", min=0, max=127),
        Feature("level"),
        Feature("duration"),
        Feature("instrument", kind="categorical"),
    )
    return build_model([EventSequence(features, data, np.cumsum(chance.exponential(size=50)))]).eval()


@given(row=ROW)
def test_the_fast_form_equals_the_encoder(model: EventModel, row: tuple[float, ...]) -> None:
    encode = Player(model).encoder
    with torch.inference_mode():
        whole = model.encoder(torch.tensor([row], dtype=torch.float64))[0].float().numpy()
    for before in (ELSEWHERE, NOTHING):
        encode(before, (0.0, 0))
        fast = encode(row, (0.0, 0))
        encode(before, (0.0, 0))
        assert fast.dtype == np.float32
        np.testing.assert_allclose(fast, whole, rtol=1e-6, atol=1e-7)  # nothing of the row before, nor of the one after


def test_what_is_not_known_is_zeros_and_what_is_masked_is_not_there(make: Make, rows: torch.Tensor) -> None:
    model = make()
    assert not model.encoder(torch.full((1, 5), torch.nan, dtype=torch.float64)).any()
    other = rows.clone()
    other[..., 3] = 17  # the masked duration
    assert torch.equal(model.encoder(rows), model.encoder(other))
    for column in (0, 1, 2, 4):
        other = rows.clone()
        other[..., column] += 1
        assert not torch.equal(model.encoder(rows), model.encoder(other)), column


def test_a_chord_has_its_own_flag_and_unknown_categories_their_embedding(make: Make) -> None:
    model = make()
    times = torch.full((3, 5), torch.nan, dtype=torch.float64)
    times[:, 0] = torch.tensor([0.0, 0.00499, 0.005], dtype=torch.float64)
    assert model.encoder(times)[:, 1].tolist() == [1, 1, 0]
    asked = torch.full((3, 5), torch.nan, dtype=torch.float64)
    asked[:, 4] = torch.tensor([7.0, -1.0, 5.0])
    seen = model.encoder(asked)[:, -EMBEDDING:]
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_some_categories_are_shown_as_unknown_in_training(make: Make) -> None:
    encoder = make().encoder.train()
    asked = torch.zeros(4000, 5, dtype=torch.float64)
    category = encoder(asked)[:, -EMBEDDING:]
    unknown = encoder.eval()(asked + 7)[0, -EMBEDDING:]
    assert 10 < int((category == unknown).all(-1).sum()) < 100  # 40 expected


def test_nothing_to_hear_is_refused() -> None:
    columns = fit_columns([EventSequence((Feature("x", masked=True),), np.ones((3, 1)))])
    with pytest.raises(HachimachiError, match="every feature is masked"):
        Encoder(columns)
    timed = EventSequence((Feature("x", masked=True),), np.ones((3, 1)), np.arange(3.0))
    assert Encoder(fit_columns([timed])).size == 3  # the time, whether it is zero, and the mark


def test_constants_are_the_features_with_one_value() -> None:
    data = make_sequence([[60, 0.25, 1], [60, 0.5, 1], [60, 0.25, 1]], [0, 1, 2], ["pitch", "level", "z"])
    assert Player(build_model([data])).constants == {0: 60.0, 2: 1.0}


def test_whole_numbers_of_a_wide_grid_are_embedded_by_the_range_of_the_data() -> None:
    values = np.random.default_rng(0).integers(30, 70, 80).astype(float)
    values[:2] = 30, 69
    data = make_sequence([[value] for value in values], [0.25 * i for i in range(80)], ["key"])
    model = build_model([data], {"name": "gru", "size": 8})
    column = model.columns[1]
    assert column.grid.bins > FEW
    assert column.embedded[1] == 40
    assert model.get_parameter("encoder.parts.1.embedding.weight").shape == (40, EMBEDDING)
    # what lies outside has the embedding of the end, and its own number
    rows = torch.tensor([[0.25, value] for value in (-900.0, 29.0, 30.0, 69.0, 70.0, 900.0)], dtype=torch.float64)
    encoded = model.encoder(rows)
    embedded = encoded[:, -EMBEDDING - 1 : -1]
    assert torch.equal(embedded[0], embedded[2])
    assert torch.equal(embedded[1], embedded[2])
    assert torch.equal(embedded[3], embedded[5])
    assert not torch.equal(embedded[2], embedded[3])
    player = Player(model)
    for row, expected in zip(rows, encoded, strict=True):
        player.observe(row.numpy())
        np.testing.assert_allclose(player.encoder.encoded, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    # an older file says nothing of it, and has none
    older = Column.from_json({key: value for key, value in column.to_json().items() if key != "embeds_range"})
    assert older.embedded == (0, 0)
    wide = make_sequence([[1000.0 * value] for value in values], [0.25 * i for i in range(80)], ["key"])
    assert build_model([wide]).columns[1].embedded == (0, 0)
