"""The order of the columns inside an event: it can be set, and what is given comes first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hachimachi.checkpoint import load_model, save_model
from hachimachi.columns import arrange
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.models.heads.autoregressive import AutoregressiveHead, precedes
from hachimachi.player.engine import Player
from tests.models.test_step import of_autoregressive

Make = Callable[..., EventModel]
NAMES = ("time", "pitch", "level", "duration", "instrument")
FIRST = ["instrument", "pitch", "time"]


@pytest.fixture
def ordered(events: EventSequence) -> EventModel:
    torch.manual_seed(0)
    model = build_model([events], {"name": "gru", "size": 8}, {"name": "autoregressive", "order": FIRST}).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def columns_of(model: EventModel) -> list[str]:
    return [model.columns[place].name for place in model.head.order]


def test_the_columns_named_come_first_and_it_travels(ordered: EventModel, make: Make, tmp_path) -> None:
    assert columns_of(ordered) == [*FIRST, "level", "duration"]
    assert columns_of(make(head="autoregressive")) == list(NAMES)
    save_model(ordered, tmp_path / "model.pt")
    assert columns_of(load_model(tmp_path / "model.pt")) == columns_of(ordered)


@given(st.lists(st.sampled_from(NAMES), unique=True))
def test_every_column_has_a_place(first: list[str]) -> None:
    order = arrange(NAMES, first)
    assert sorted(order) == list(range(5))
    assert [NAMES[place] for place in order[: len(first)]] == first
    rest = order[len(first) :]
    assert list(rest) == sorted(rest)


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (["loudness"], "head.order: 'loudness' is no column; the columns are time, pitch, level, duration, instrument"),
        (["pitch", "time", "pitch"], "head.order: 'pitch' stands there twice; the columns are time, pitch"),
    ],
)
def test_an_order_that_cannot_be_is_refused(events: EventSequence, order: list[str], told: str) -> None:
    with pytest.raises(HachimachiError, match=told):
        build_model([events], {"name": "gru", "size": 8}, {"name": "autoregressive", "order": order})


def test_surprises_stand_in_that_order_and_equal_the_tables(ordered: EventModel, events: EventSequence) -> None:
    result, rows = evaluate(ordered, events), events.rows()
    assert list(result.names) == columns_of(ordered)
    assert list(result.by_feature()) == columns_of(ordered)
    assert result.surprise.sum(1).mean() == pytest.approx(result.nats_per_event, abs=1e-9)
    by_place = -ordered.double().log_prob(torch.from_numpy(rows)[None])[0].detach().numpy()
    for event in (1, 50):
        tables = ordered.table(torch.from_numpy(rows[:event]), dict(zip(NAMES, rows[event].tolist(), strict=True)))
        assert list(tables) == columns_of(ordered)
        for name, surprise in zip(result.names, result.surprise[event - 1], strict=True):
            place, p = NAMES.index(name), tables[name][2]
            assert p.sum() == pytest.approx(1, abs=1e-9)
            assert -np.log(p[ordered.columns[place].grid.index(rows[event, [place]])[0]]) == pytest.approx(surprise)
            assert by_place[event, place] == pytest.approx(surprise, abs=1e-6)


def test_only_what_comes_before_is_heard(ordered: EventModel, rows: Tensor) -> None:
    distribution = ordered(rows)[0]
    before = distribution.log_prob(rows)[0, 60]
    for rank, place in enumerate(ordered.head.order):
        changed = rows.clone()
        changed[0, 60, place] = 128 if place == 4 and rows[0, 60, 4] != 128 else rows[0, 60, place] % 100 + 1
        moved = distribution.log_prob(changed)[0, 60] != before
        assert not moved[list(ordered.head.order[:rank])].any()
        assert moved[list(ordered.head.order[rank + 1 :])].all()


def test_the_values_of_a_column_enumerated_sum_to_one(ordered: EventModel, rows: Tensor) -> None:
    """Each column's nats are those of a whole distribution, whatever stands before and after it."""
    exact = ordered.double()
    columns = {"pitch": torch.arange(128.0, dtype=torch.float64)}
    columns["instrument"] = torch.tensor([0.0, 5.0, 128.0, 77.0], dtype=torch.float64)  # one nobody has heard
    columns["time"] = 0.01 * torch.arange(6001, dtype=torch.float64)
    with torch.inference_mode():
        for name, values in columns.items():
            place = NAMES.index(name)
            asked = rows[:, :7].repeat(len(values), 1, 1)
            asked[:, -1, place] = values
            assert float(exact.log_prob(asked)[:, -1, place].exp().sum()) == pytest.approx(1, abs=1e-6), name


def reorder(model: EventModel, first: list[int]) -> None:
    """Set the order of a head that knows every order."""
    assert isinstance(model.head, AutoregressiveHead)
    order = (*first, *(place for place in range(5) if place not in first))
    model.head.order = order
    model.head.before.copy_(precedes(torch.tensor(order).argsort()))


@pytest.mark.parametrize("known", [(4,), (1,), (3, 4), (0, 2, 4), (1, 3), (2, 3, 4, 0)])
def test_what_is_given_comes_first(make: Make, rows: Tensor, known: tuple[int, ...]) -> None:
    """The table of a column is what the same weights predict in an order that begins with what is given."""
    model, past, row = make(head="autoregressive").double(), rows[0, :30], rows[0, 30]
    tables = model.table(past, {NAMES[place]: float(row[place]) for place in known})
    for place in range(5):
        first = sorted(known) if place in known else [*sorted(known), place]
        reorder(model, first)
        told = float(model.log_prob(rows[:, :31])[0, 30, place].detach())
        reorder(model, [])
        p = tables[NAMES[place]][2]
        assert p.sum() == pytest.approx(1, abs=1e-9)
        index = model.columns[place].grid.index(row[[place]].numpy())[0]
        assert np.log(p[index]) == pytest.approx(told, abs=1e-9)


def test_the_fast_form_keeps_the_order(ordered: EventModel, rows: Tensor) -> None:
    player, exact = Player(ordered), ordered.double()
    with torch.inference_mode():
        told = exact(rows)[0]
        for t, row in enumerate(rows[0, :20]):
            for fast, reference in of_autoregressive(player, told, rows[0], t):
                np.testing.assert_allclose(fast, reference.numpy(), rtol=1e-4, atol=3e-5)
            player.observe(row.numpy())
