"""Models are compared on the same events and the same grid, and noise is told from more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hachimachi.columns import UniformGrid
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.compare import Comparison, Difference, compare
from hachimachi.evaluation.likelihood import Evaluation, evaluate
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.models.event_model import EventModel, build_model


def play(events: int, seed: int, step: float = 1.0) -> EventSequence:
    chance = np.random.default_rng(seed)
    pitch = 60 + step * np.cumsum(chance.integers(-2, 3, events))
    return make_sequence(pitch[:, None], np.cumsum(chance.exponential(0.2, events)), ["pitch"])


def model_of(data: list[EventSequence], seed: int = 0, resolution: float | None = None, **head: Any) -> EventModel:
    torch.manual_seed(seed)
    if resolution:
        data = [replace(one, features=(Feature("pitch", resolution=resolution),)) for one in data]
    return build_model(data, {"name": "gru", "size": 6}, {"name": "autoregressive", "width": 6, **head})


def made(*costs: np.ndarray, block: np.ndarray) -> Comparison:
    columns = model_of([play(40, 0)]).columns
    names = tuple(f"{place}" for place in range(len(costs)))
    each = tuple(Evaluation(("x",), cost[:, None], cost[:, None], len(cost), 1, 0, None, columns[:1]) for cost in costs)
    return Comparison(names, each, block, by_sequence=True)


@pytest.mark.parametrize("lengths", [[130], [20] * 6])
def test_each_model_costs_what_it_costs_alone(lengths: list[int]) -> None:
    data = [play(length, seed) for seed, length in enumerate(lengths)]
    models = {name: model_of([play(60, 9), *data], seed) for seed, name in enumerate("abc")}
    result = compare(models, data)
    alone = [evaluate(model, data).nats_per_event for model in models.values()]
    assert [each.nats_per_event for each in result.evaluations] == alone
    assert result.names == ("a", "b", "c")
    assert [alone[place] for place in result.ranking] == sorted(alone)
    assert result.difference(0, 1).nats == pytest.approx(alone[0] - alone[1])
    parts = [result.difference(0, 1, name).nats for name in ("time", "pitch")]
    assert sum(parts) == pytest.approx(alone[0] - alone[1])
    assert (result.by_sequence, result.blocks) == ((True, 6) if len(lengths) > 1 else (False, 2))
    assert result.difference(2, 1) == replace(result.difference(1, 2), nats=-result.difference(1, 2).nats)


def test_a_model_does_not_differ_from_itself() -> None:
    data, model = play(200, 1), model_of([play(60, 2)])
    result = compare([model, model], data)
    assert result.names == ("1", "2")
    assert result.difference(0, 1) == Difference(0.0, 0.0, 3)
    assert not result.difference(0, 1).sure


def test_blocks_of_one_length_give_the_error_of_their_means() -> None:
    chance = np.random.default_rng(0)
    one, other = chance.random((2, 12 * 50))
    gap = made(one, other, block=np.repeat(np.arange(12), 50)).difference(0, 1)
    means = (one - other).reshape(12, 50).mean(1)
    assert gap.nats == pytest.approx(means.mean())
    assert gap.stderr == pytest.approx(means.std(ddof=1) / 12**0.5)


@pytest.mark.parametrize("blocks", [5, 8, 30])
def test_noise_is_taken_for_more_in_one_case_of_twenty(blocks: int) -> None:
    chance = np.random.default_rng(blocks)
    sure = []
    for _ in range(150):
        lengths = chance.integers(20, 60, blocks)
        drift = np.repeat(chance.normal(0, 0.3, blocks), lengths)  # events of a piece are alike
        noise = drift + chance.normal(0, 0.5, len(drift))
        block = np.repeat(np.arange(blocks), lengths)
        sure.append(made(noise, np.zeros(len(noise)), block=block).difference(0, 1).sure)
    assert 0.02 < np.mean(sure) < 0.08


def test_a_single_block_is_never_sure() -> None:
    gap = made(np.ones(60), np.zeros(60), block=np.zeros(60, int)).difference(0, 1)
    assert (gap.nats, gap.blocks, gap.sure) == (1.0, 1, False)


def test_a_finer_grid_is_judged_on_the_coarser_one() -> None:
    data = [play(80, seed, step=0.5) for seed in range(2)]
    fine, coarse = model_of(data, resolution=0.5), model_of(data, resolution=1.0)
    result = compare({"fine": fine, "coarse": coarse}, data)
    assert result.remarks == ("pitch: judged in steps of 1, the coarsest of the models'",)
    grids = [each.columns[1].grid for each in result.evaluations]
    assert grids[0] == grids[1]
    assert isinstance(grids[0], UniformGrid)
    assert grids[0].resolution == 1.0
    ends = (grids[0].low * 1.0, grids[0].high * 1.0)
    by_hand = evaluate(fine, data, resolution={"pitch": 1.0}, support={"pitch": ends}).nats_per_event
    assert result.evaluations[0].nats_per_event == by_hand


def test_ranges_that_differ_are_judged_over_both() -> None:
    low, high = [play(60, 1)], [replace(play(60, 1), data=play(60, 1).data + 100)]
    result = compare([model_of(low), model_of(high)], low)
    assert result.evaluations[0].columns == result.evaluations[0].columns
    assert result.evaluations[0].columns[1].grid == result.evaluations[1].columns[1].grid
    assert not result.remarks
    assert result.difference(1, 0).nats > 0


def test_steps_that_do_not_fit_into_each_other_are_judged_on_the_coarsest_or_one_that_is_named() -> None:
    data = [play(80, 0, step=0.5)]
    models = {"a": model_of(data, resolution=0.5), "b": model_of(data, resolution=0.75)}
    for named, step in (({}, 0.75), ({"pitch": 1.5}, 1.5), ({"0": 1.5}, 1.5)):
        result = compare(models, data, resolution=named)
        [grid] = {each.columns[1].grid for each in result.evaluations}
        assert isinstance(grid, UniformGrid)
        assert grid.resolution == step
        assert bool(result.remarks) is not bool(named)


def test_categories_that_one_model_does_not_know() -> None:
    def voices(*values: float) -> EventSequence:
        return EventSequence((Feature("voice", kind="categorical"),), np.resize(values, 60)[:, None].astype(float))

    models = {"two": model_of([voices(1, 2)]), "three": model_of([voices(1, 2, 3)])}
    assert compare(models, voices(1, 2)).evaluations[0].nats_per_event > 0
    with pytest.raises(HachimachiError, match="two does not know voice 3, another of the models does"):
        compare(models, voices(1, 3))
    number = EventSequence((Feature("voice", kind="integer"),), voices(1, 2).data)
    with pytest.raises(HachimachiError, match="a category in some of the models and a number in n;"):
        compare({**models, "n": model_of([number])}, voices(1, 2))


def test_features_taken_in_other_orders_do_not_compare_one_by_one() -> None:
    data = [play(80, 0)]
    assert compare([model_of(data), model_of(data)], data).features_compare
    other = compare([model_of(data), model_of(data, order=["pitch"])], data)
    assert not other.features_compare
    assert np.isfinite(other.difference(0, 1).nats)


@pytest.mark.parametrize(("count", "events", "said"), [(1, 60, "1 model to compare"), (2, 1, "nothing to score")])
def test_what_cannot_be_compared_is_refused(count: int, events: int, said: str) -> None:
    with pytest.raises(HachimachiError, match=said):
        compare([model_of([play(60, 0)])] * count, play(events, 1))
