"""What holds for the likelihood of every head, on real music and real gestures."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi.evaluation import likelihood
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.io import read
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.ngrams import find_overlap, opening_hashes
from hachimachi.plugins import names

EVENTS = 150


@pytest.fixture(
    scope="module", params=[(head, task) for head in names("head") for task in ("multi", "fresh", "control")]
)
def judged(request: pytest.FixtureRequest, shared_data: Path) -> tuple[EventModel, EventSequence]:
    """A small model with random weights, far from where training starts, and music that it has not heard."""
    head, task = request.param
    (train,), (test,) = (read(shared_data / "single" / f"{task}_{part}.json") for part in ("train", "test"))
    torch.manual_seed(0)
    model = build_model([train], {"name": "gru", "size": 8}, {"name": head})
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model.eval(), test[:EVENTS]


def test_no_surprise_is_negative_and_columns_add_up(judged: tuple[EventModel, EventSequence]) -> None:
    result = evaluate(*judged)
    assert (result.surprise >= 0).all()
    assert np.isfinite(result.surprise).all()
    figure = math.fsum(result.surprise.ravel()) / (EVENTS - 1)
    assert result.nats_per_event == pytest.approx(figure, abs=1e-9)
    assert sum(nats["nats"] for nats in result.by_feature().values()) == pytest.approx(figure, abs=1e-9)


@pytest.mark.parametrize("event", [1, 30, EVENTS - 1])
def test_every_table_sums_to_one_and_holds_the_actual_value(
    judged: tuple[EventModel, EventSequence], event: int
) -> None:
    model, test = judged
    surprise, rows = evaluate(model, test).surprise[event - 1], test.rows()
    given = dict(zip((column.name for column in model.columns), rows[event].tolist(), strict=True))
    tables = model.table(torch.from_numpy(rows[:event]), given)
    for place, column in enumerate(model.columns):
        low, high, p = tables[column.name]
        assert len(low) == len(high) == len(p) == column.grid.bins
        assert p.sum() == pytest.approx(1, abs=1e-6)
        actual = column.grid.index(rows[event, place : place + 1])[0]
        assert p[actual] == pytest.approx(math.exp(-surprise[place]), abs=1e-9)


def test_a_later_event_changes_no_earlier_surprise(judged: tuple[EventModel, EventSequence]) -> None:
    model, test = judged
    before = evaluate(model, test).surprise
    for column in range(test.data.shape[1]):
        changed = test.data.copy()
        others = np.append(changed[:, column], changed[60, column] + 1)
        changed[60, column] = others[others != changed[60, column]][0]
        after = evaluate(model, EventSequence(test.features, changed, test.time)).surprise
        assert np.array_equal(before[:59], after[:59])
        assert not np.array_equal(before[59], after[59])
        masked = test.features[column].masked
        assert np.array_equal(before[60:], after[60:]) == masked  # bit-equal


def test_one_part_after_the_other_equals_the_whole(judged: tuple[EventModel, EventSequence]) -> None:
    """A and then B, through the model's own functions, the state carried from A."""
    model, test = judged
    exact, rows = copy.deepcopy(model).double(), torch.from_numpy(test.rows())[None]
    with torch.inference_mode():
        first, carry = exact(rows[:, :70])
        second, _ = exact(rows[:, 70:], carry)
        parts = torch.cat([first.log_prob(rows[:, :70]), second.log_prob(rows[:, 70:])], dim=1)
    whole = evaluate(model, test).surprise
    np.testing.assert_allclose(-parts[0, 1:].numpy(), whole, rtol=0, atol=1e-9)


def test_what_is_in_a_batch_and_in_a_pass_does_not_matter(
    judged: tuple[EventModel, EventSequence], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, test = judged
    figure = evaluate(model, test).nats_per_event
    monkeypatch.setattr(likelihood, "CHUNK", 37)
    assert evaluate(model, test).nats_per_event == pytest.approx(figure, abs=1e-9)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        batch = torch.from_numpy(np.stack([test.rows()] * 3))
        with torch.inference_mode():
            batched = -copy.deepcopy(model).double().log_prob(batch)[:, 1:].sum((1, 2)) / (EVENTS - 1)
    finally:
        torch.set_num_threads(threads)
    assert batched.tolist() == pytest.approx([figure] * 3, abs=1e-4)


def test_fresh_events_by_comparing_each(shared_data: Path) -> None:
    for task in ("piano", "drums", "multi"):
        (train,), (test,) = (read(shared_data / "single" / f"{task}_{part}.json") for part in ("train", "test"))
        result = evaluate(build_model([train], {"name": "gru", "size": 8}), test)
        learned, asked = np.diff(train.column("pitch")).tolist(), np.diff(test.column("pitch")).tolist()
        heard = {tuple(learned[end - 7 : end]) for end in range(7, len(learned) + 1)}
        # step number i leads to event i + 1, which is row i of the surprises
        fresh = [i >= 6 and tuple(asked[i - 6 : i + 1]) not in heard for i in range(len(asked))]
        assert result.fresh is not None
        assert result.fresh.tolist() == fresh
        assert result.fresh_events == sum(fresh)
        expected = result.surprise[np.array(fresh)].sum(1).mean() if any(fresh) else None
        assert result.fresh_nats_per_event == (expected if expected is None else pytest.approx(expected))


def test_what_was_trained_on_is_known_again(shared_data: Path) -> None:
    (train,), (test,) = (read(shared_data / "single" / f"piano_{part}.json") for part in ("train", "test"))
    model = build_model([train])
    assert find_overlap(model.summary, [train]) == []  # nothing was told
    model.summary = {"data": {"openings": opening_hashes([train[:1500], test[:1]])}}
    assert find_overlap(model.summary, [train, test]) == [train]
    assert train.time is not None
    assert len(find_overlap(model.summary, [EventSequence(train.features, train.data + 1e-9, train.time + 2.5)])) == 1
    assert find_overlap(model.summary, [test[:1], train[7:]]) == []
