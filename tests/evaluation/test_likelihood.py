"""Nats per event: what is scored, what it depends on, and what it adds up to."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi.columns import FLOOR, Categories
from hachimachi.errors import HachimachiError
from hachimachi.evaluation import likelihood
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import read
from hachimachi.models.event_model import EventModel, build_model

SMALL = {"name": "gru", "size": 8}
FEATURES = (
    Feature("pitch", kind="integer", min=0, max=127),
    Feature("duration", masked=True),
    Feature("instrument", kind="categorical"),
)


def play(events: int, seed: int) -> EventSequence:
    chance = np.random.default_rng(seed)
    columns = [chance.integers(40, 80, events), chance.exponential(0.3, events), chance.choice([0, 5], events)]
    return EventSequence(
        FEATURES, np.column_stack(columns).astype(float), np.cumsum(chance.exponential(0.2, events)), f"play {seed}"
    )


@pytest.fixture(scope="module")
def data() -> EventSequence:
    return play(160, seed=0)


@pytest.fixture(scope="module")
def model(data: EventSequence) -> EventModel:
    torch.manual_seed(0)
    model = build_model([data], SMALL, {"name": "mixture", "components": 3})
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return model.eval()


def test_every_event_but_each_first_is_scored(model: EventModel) -> None:
    pieces = [play(length, seed=length) for length in (30, 1, 2, 17)]
    result = evaluate(model, pieces)
    assert (result.events, result.sequences) == (50, 4)
    assert result.surprise.shape == result.marginal.shape == (46, 4)
    assert result.names == ("time", "pitch", "duration", "instrument")


def test_figures_add_up(model: EventModel, data: EventSequence) -> None:
    result = evaluate(model, data)
    assert (result.surprise > 0).all()
    assert result.nats_per_event == pytest.approx(result.surprise.sum() / 159)
    features = result.by_feature()
    assert sum(nats["nats"] for nats in features.values()) == pytest.approx(result.nats_per_event)
    assert sum(nats["marginal"] for nats in features.values()) == pytest.approx(result.marginal_nats_per_event)


def test_the_standard_error_is_of_blocks_of_fifty(model: EventModel, data: EventSequence) -> None:
    result = evaluate(model, data)
    total = result.surprise.sum(1)
    means = [total[start : start + 50].mean() for start in (0, 50, 100)]
    assert result.stderr == pytest.approx(np.std(means, ddof=1) / 3**0.5)
    gains = (result.marginal - result.nll).sum(1)
    assert result.gain == pytest.approx(gains.mean())
    blocks = [gains[start : start + 50].mean() for start in (0, 50, 100)]
    assert result.gain_stderr == pytest.approx(np.std(blocks, ddof=1) / 3**0.5)
    assert math.isnan(evaluate(model, data[:60]).stderr)


def test_several_sequences_equal_one_by_one(model: EventModel) -> None:
    pieces = [play(length, seed=length) for length in (30, 2, 17)]
    together = evaluate(model, pieces)
    alone = [evaluate(model, piece) for piece in pieces]
    assert np.array_equal(together.surprise, np.concatenate([each.surprise for each in alone]))
    assert together.outside == sum(each.outside for each in alone)


@pytest.mark.parametrize("chunk", [1, 7, 53, 160])
def test_the_state_is_carried_from_chunk_to_chunk(
    model: EventModel, data: EventSequence, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate(model, data).surprise
    monkeypatch.setattr(likelihood, "CHUNK", chunk)
    np.testing.assert_allclose(evaluate(model, data).surprise, whole, rtol=1e-9, atol=1e-10)
    alone = evaluate(model, data[80:]).surprise  # without the state it is another matter
    assert np.abs(alone - whole[80:]).max() > 1e-3


def test_threads_do_not_matter(model: EventModel, data: EventSequence) -> None:
    before, figures = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            figures.append(evaluate(model, data).nats_per_event)
    finally:
        torch.set_num_threads(before)
    assert figures[0] == pytest.approx(figures[1], abs=1e-9)


def test_what_an_event_may_change(model: EventModel, data: EventSequence) -> None:
    before = evaluate(model, data).surprise
    for column, masked in ((0, False), (1, True), (2, False)):
        changed = data.data.copy()
        changed[60, column] = 5 if column == 2 and changed[60, 2] == 0 else 0
        after = evaluate(model, EventSequence(data.features, changed, data.time)).surprise
        assert np.array_equal(before[:59], after[:59])  # the first event is not scored
        assert not np.array_equal(before[59], after[59])
        assert np.array_equal(before[60:], after[60:]) == masked


def test_the_model_stays_as_it_is(model: EventModel, data: EventSequence) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.train()
    first, second = evaluate(model, data), evaluate(model, data)
    assert np.array_equal(first.surprise, second.surprise)  # nothing drops out
    assert model.training
    model.eval()
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert next(model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("task", ["fresh", "multi", "control"])
def test_the_marginal_baseline_by_its_formula(shared_data: Path, task: str) -> None:
    (train,), (test,) = (read(shared_data / "single" / f"{task}_{part}.json") for part in ("train", "test"))
    model = build_model([train], SMALL, {"name": "mixture", "components": 2})
    result = evaluate(model, test[:300])
    learned, scored = train.rows(), test[:300].rows()[1:]
    for place, column in enumerate(model.columns):
        values = learned[~np.isnan(learned[:, place]), place]
        if isinstance(column.grid, Categories):
            known, asked, bins = values.tolist(), scored[:, place].tolist(), len(set(values)) + 1
        else:
            width = column.grid.resolution
            # the support: closed where declared, the last bin of seconds open at 60
            top = 6000 if column.name in ("time", "duration") else math.inf
            known = [min(math.floor(value / width + 0.5), top) for value in values]
            asked = [min(math.floor(value / width + 0.5), top) for value in scored[:, place]]
            bins = max(known) - min(known) + 2
        cost = [-math.log((known.count(value) + 0.5) / (len(known) + 0.5 * bins)) for value in asked]
        assert result.marginal[:, place] == pytest.approx(cost)


def test_the_marginal_baseline_of_five_performances(shared_data: Path) -> None:
    figures = {"fresh": 12.88, "piano": 10.88, "drums": 8.96, "multi": 6.86, "control": 15.92}
    for task, expected in figures.items():
        (train,), (test,) = (read(shared_data / "single" / f"{task}_{part}.json") for part in ("train", "test"))
        model = build_model([train], SMALL, {"name": "mixture", "components": 2})
        assert evaluate(model, test).marginal_nats_per_event == pytest.approx(expected, abs=0.03)


def test_what_lies_outside_is_counted(model: EventModel) -> None:
    wrong = play(30, seed=1)
    wrong.data[3, 0], wrong.data[9, 0], wrong.data[5, 2] = 128, -1, 77
    result = evaluate(model, wrong)
    assert result.outside == 3
    assert result.surprise[[2, 8], 1] == pytest.approx(math.log(128 / FLOOR))
    assert np.isfinite(result.surprise).all()


def test_no_table_of_many_events_is_ever_made(model: EventModel) -> None:
    """Several thousand events go in pieces whose tables would not fit; only their own bins are looked at."""
    result = evaluate(model, play(5000, seed=2))
    assert np.isfinite(result.nats_per_event)


def test_one_event_leaves_nothing_to_score(model: EventModel) -> None:
    for length in (0, 1):
        result = evaluate(model, play(1, seed=0)[:length])
        assert math.isnan(result.nats_per_event)
        assert math.isnan(result.marginal_nats_per_event)
        assert all(math.isnan(value) for nats in result.by_feature().values() for value in nats.values())


def test_data_of_other_features_is_refused(model: EventModel, data: EventSequence) -> None:
    with pytest.raises(HachimachiError, match="features are x; the model expects pitch, duration, instrument"):
        evaluate(model, make_sequence([[1.0]], [0.0], ["x"]))
    with pytest.raises(HachimachiError, match=r"play 0: has no time, but the model was trained on data that has time"):
        evaluate(model, EventSequence(data.features, data.data, name="play 0"))
    for first, second in itertools.permutations([data, EventSequence(data.features, data.data)]):
        with pytest.raises(HachimachiError, match="one has time, the other has none"):
            evaluate(model, [first, second])
