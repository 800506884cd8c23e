"""The model as a whole: what may and what may not depend on what."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hachimachi import plugins
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, make_sequence
from hachimachi.models.event_model import EventModel, build_model

Make = Callable[..., EventModel]
PAIRS = [(backbone, head) for backbone in plugins.names("backbone") for head in plugins.names("head")]


@pytest.fixture(params=PAIRS, ids="-".join)
def model(request: pytest.FixtureRequest, make: Make) -> EventModel:
    return make(*request.param).double()


def test_an_event_changes_no_surprise_before_it(model: EventModel, rows: torch.Tensor) -> None:
    before, changed = model.log_prob(rows), rows.clone()
    changed[0, 60] = torch.tensor([1.7, 99, 2.0, 0.9, 128], dtype=torch.float64)
    after = model.log_prob(changed)
    assert torch.equal(before[:, :60], after[:, :60])
    assert not torch.equal(before[:, 61:], after[:, 61:])


def test_a_masked_column_changes_nothing_after_its_own_event(model: EventModel, rows: torch.Tensor) -> None:
    before, changed = model.log_prob(rows), rows.clone()
    changed[0, 60, 3] = 7
    after = model.log_prob(changed)
    assert torch.equal(before[:, 61:], after[:, 61:])
    assert torch.equal(before[:, :60], after[:, :60])
    assert torch.equal(before[0, 60, :3], after[0, 60, :3])  # nor the columns to its left
    assert before[0, 60, 3] != after[0, 60, 3]


def test_columns_to_the_left_are_given(model: EventModel, rows: torch.Tensor) -> None:
    distribution, changed = model(rows)[0], rows.clone()
    changed[0, 60, 1] += 1
    before, after = distribution.log_prob(rows), distribution.log_prob(changed)
    assert before[0, 60, 0] == after[0, 60, 0]
    assert (before[0, 60, 2:] != after[0, 60, 2:]).all()


def test_step_by_step_equals_the_whole(model: EventModel, rows: torch.Tensor) -> None:
    whole = model.log_prob(rows)
    distribution, state = model.start()
    for t in range(20):
        torch.testing.assert_close(distribution.log_prob(rows[:, t]), whole[:, t])
        distribution, state = model.step(rows[:, t], state)


def test_carried_over_a_split_it_is_the_same(model: EventModel, rows: torch.Tensor) -> None:
    first, carry = model(rows[:, :50])
    second, _ = model(rows[:, 50:], carry)
    parted = torch.cat([first.log_prob(rows[:, :50]), second.log_prob(rows[:, 50:])], dim=1)
    torch.testing.assert_close(parted, model.log_prob(rows))


def test_rows_of_a_batch_know_nothing_of_each_other(model: EventModel, rows: torch.Tensor) -> None:
    batch = rows.view(4, 30, 5)
    alone = torch.cat([model.log_prob(row[None]) for row in batch])
    torch.testing.assert_close(model.log_prob(batch), alone)


def test_the_table_of_an_event(model: EventModel, rows: torch.Tensor) -> None:
    names = [column.name for column in model.columns]
    for t in (0, 1, 40):
        for place, column in enumerate(model.columns):
            before = dict(zip(names[:place], rows[0, t].tolist(), strict=False))
            tables = model.table(rows[0, :t], before)
            assert list(tables) == names
            low, high, p = tables[column.name]
            assert p.sum() == pytest.approx(1, abs=1e-6)
            if t == 0 and place == 0:
                continue  # the first event has no time
            index = column.grid.index(rows[0, t, [place]].numpy())[0]
            assert np.log(p[index]) == pytest.approx(model.log_prob(rows)[0, t, place].item())
            assert low[index] - 1e-9 <= rows[0, t, place] <= high[index] + 1e-9 or index in (0, len(p) - 1)


def test_a_table_without_what_is_given_is_the_marginal_one(model: EventModel, rows: torch.Tensor) -> None:
    past = rows[0, :9]
    alone = model.table(past)["instrument"][2]
    assert alone.sum() == pytest.approx(1, abs=1e-6)
    given = model.table(past, {"pitch": 60.0})["instrument"][2]
    assert not np.array_equal(alone, given)


def test_without_time(events: EventSequence) -> None:
    model = build_model([EventSequence(events.features, events.data)], {"name": "gru", "size": 8})
    assert not model.temporal
    assert [column.name for column in model.columns] == ["pitch", "level", "duration", "instrument"]
    assert model.log_prob(torch.from_numpy(events.data)[None]).shape == (1, 120, 4)


def test_features_know_what_was_decided(make: Make) -> None:
    model = make()
    assert model.temporal
    assert [(f.name, f.kind) for f in model.features] == [
        ("pitch", "integer"),
        ("level", "continuous"),
        ("duration", "continuous"),
        ("instrument", "categorical"),
    ]


def test_one_event_builds_a_model() -> None:
    model = build_model([make_sequence([[60.0]], [0.0])])
    assert torch.isfinite(model.log_prob(torch.tensor([[[torch.nan, 60], [1, 61]]], dtype=torch.float64))).all()


def test_a_table_of_what_is_not_there_is_refused(make: Make) -> None:
    with pytest.raises(HachimachiError, match="given 'loudness': the model has no such column; it has time, pitch"):
        make().table(torch.zeros(0, 5, dtype=torch.float64), {"loudness": 1.0})


def test_a_table_is_given_what_stands_before(make: Make, rows: torch.Tensor) -> None:
    model, past, row = make(head="autoregressive"), rows[0, :30], rows[0, 30]
    given = dict(zip((column.name for column in model.columns), row.tolist(), strict=True))
    whole, partly = model.table(past, given), model.table(past, {"time": given["time"]})
    assert np.array_equal(whole["pitch"][2], partly["pitch"][2])
    assert not np.array_equal(whole["level"][2], partly["level"][2])
    for _, _, p in (*whole.values(), *partly.values()):
        assert p.sum() == pytest.approx(1, abs=1e-9)
    assert next(model.parameters()).dtype == torch.float32
