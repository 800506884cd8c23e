"""Another grid than the model's: no mass is lost or made up, and the requested bins are what is scored."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import FLOOR, Column, UniformGrid, fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.evaluation import likelihood
from hachimachi.evaluation.grids import Regrid, regrids
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import read
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.plugins import names


def column(grid: UniformGrid, name: str = "x") -> Column:
    places = sorted({0, grid.bins // 3, grid.bins - 1})
    return Column(Feature(name, resolution=grid.resolution), grid, tuple(places), tuple(range(1, len(places) + 1)))


GRIDS = st.builds(
    lambda resolution, low, bins, *ends: UniformGrid(resolution, low, low + bins, *ends),
    st.sampled_from([0.01, 0.25, 1.0, 1 / 128]),
    st.integers(-20, 20),
    st.integers(0, 40),
    st.booleans(),
    st.booleans(),
    st.just(False),
)


def closed(grid: UniformGrid) -> UniformGrid:
    return replace(grid, open_low=False, open_high=False)


@given(GRIDS, st.floats(0.2, 9), st.none() | st.tuples(st.floats(-60, 20), st.floats(0.5, 100)), st.integers(0, 99))
def test_tables_sum_to_one_and_hold_the_probability_of_every_value(
    grid: UniformGrid, times: float, support: tuple[float, float] | None, seed: int
) -> None:
    width = grid.resolution * times
    ends = support and (support[0] * grid.resolution, sum(support) * grid.resolution)
    regrid = Regrid.of(column(grid), width, ends)
    p = np.random.default_rng(seed).dirichlet(np.full(grid.bins, 0.3))
    table = regrid.table(p)
    assert table.shape == (regrid.column.grid.bins,)
    assert table.sum() == pytest.approx(1, abs=1e-9)
    assert table.min() >= FLOOR / len(table) * (1 - 1e-9)
    asked = regrid.column.grid
    assert isinstance(asked, UniformGrid)
    values = asked.value(np.arange(asked.bins)) + 0.3 * width
    assert np.array_equal(regrid.prob(values, np.tile(p, (len(values), 1))), table)


@given(GRIDS.map(closed), st.floats(0.2, 9), st.integers(0, 99))
def test_it_is_what_happens_to_values_strewn_evenly_over_each_bin(grid: UniformGrid, times: float, seed: int) -> None:
    p = np.random.default_rng(seed).dirichlet(np.full(grid.bins, 0.3))
    regrid = Regrid.of(column(grid), grid.resolution * times, None)
    assert isinstance(regrid.column.grid, UniformGrid)
    fine = 400
    edges = grid.edges()
    strewn = edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(fine) + 0.5) / fine
    shares = np.zeros(regrid.column.grid.bins)
    np.add.at(shares, regrid.column.grid.index(strewn), p[:, None] / fine)
    np.testing.assert_allclose(regrid.table(p), shares, atol=3 / fine)


def test_whole_steps_of_a_grid_add_up_exactly() -> None:
    own = column(UniformGrid(0.01, 0, 6000, open_low=False, log=True), "time")
    p = np.random.default_rng(0).dirichlet(np.ones(6001))
    table = Regrid.of(own, 0.03, None).table(p)
    assert table[0] == pytest.approx(p[:2].sum(), rel=1e-4)  # below 15 ms
    assert table[5] == pytest.approx(p[14:17].sum(), rel=1e-4)
    finer = Regrid.of(own, 0.002, None).table(p)
    assert finer[0] == pytest.approx(p[0] / 5, rel=1e-4)  # seconds begin at 0: below 1 ms is a fifth of 5 ms
    assert finer[3:8] == pytest.approx(np.full(5, p[1] / 5), rel=1e-4)


def test_what_lies_beyond_the_support_asked_for() -> None:
    own = column(UniformGrid(1.0, 0, 127, open_low=False, open_high=False), "pitch")
    p = np.random.default_rng(0).dirichlet(np.ones(128))
    regrid = Regrid.of(own, None, (21, 108))
    table = regrid.table(p)
    expected = np.concatenate([[p[:22].sum()], p[22:108], [p[108:].sum()]])
    assert table == pytest.approx(FLOOR / 88 + (1 - FLOOR) * expected)
    assert regrid.column.grid.outside(np.array([20.0, 21.0, 108.0, 109.0])).tolist() == [True, False, False, True]
    assert regrid.prob(np.array([20.0]), p[None]) == pytest.approx(FLOOR / 88)
    wider = Regrid.of(column(UniformGrid(1.0, 0, 9)), None, (-5, 20)).table(np.full(10, 0.1))
    assert wider[:6] == pytest.approx(np.full(6, FLOOR / 26 + (1 - FLOOR) * 0.1 / 6))  # the open end reaches so far
    shut = Regrid.of(column(UniformGrid(1.0, 0, 9, False, False)), None, (-5, 20)).table(np.full(10, 0.1))
    assert shut[:5] == pytest.approx(np.full(5, FLOOR / 26))


def test_the_marginal_baseline_moves_along() -> None:
    values = np.random.default_rng(0).gamma(2, 0.2, (300, 1))
    data = make_sequence(values, names=["x"])
    (fine,), (coarse,) = (
        fit_columns([data], {"x": {"resolution": width, "min": 0, "max": 30}}) for width in (0.01, 0.03)
    )
    moved = Regrid.of(fine, 0.03, None).column
    assert moved.occupied == coarse.occupied
    assert moved.counts == pytest.approx(coarse.counts)
    assert moved.marginal_nats(values[:, 0]) == pytest.approx(coarse.marginal_nats(values[:, 0]))


def test_the_grid_of_the_model_is_left_alone() -> None:
    data = make_sequence(np.arange(40.0)[:, None] % 7, np.arange(40.0), ["x"])
    columns = fit_columns([data], {"x": {"min": 0, "max": 9}})
    assert regrids(columns, {"time": 0.01, "x": 1.0}, {"0": (0, 9)}) == {}
    assert set(regrids(columns, {"0": 0.5})) == set(regrids(columns, {"x": 0.5})) == {1}


@pytest.mark.parametrize(
    ("resolution", "support", "said"),
    [
        ({"y": 1.0}, {}, "y: the model has no such column; it has time, x, kind"),
        ({"2": 1.0}, {}, "2: the model has no such column"),
        ({"kind": 1.0}, {}, "the grid of 'kind': it holds categories"),
        ({}, {"1": (0, 1)}, "the grid of 'kind': it holds categories"),
        ({"x": 0.0}, {}, "resolution is 0, expected a number above 0"),
        ({"x": math.inf}, {}, "resolution is inf"),
        ({"x": 1e-9}, {}, "bins are too many"),
        ({}, {"x": (5, 5)}, "support is 5:5, expected two numbers, the lower one first"),
        ({}, {"x": (-1e300, 1e300)}, "bins are too many"),
        ({}, {"x": (1e18, 2e18)}, "bins are too many"),
    ],
)
def test_grids_that_cannot_be(resolution: dict, support: dict, said: str) -> None:
    features = (Feature("x"), Feature("kind", kind="categorical"))
    data = EventSequence(features, np.column_stack([np.arange(30.0), np.arange(30) % 2]), np.arange(30.0))
    with pytest.raises(HachimachiError) as caught:
        evaluate(build_model([data]), data, resolution=resolution, support=support)
    assert said in str(caught.value)


@pytest.fixture(params=names("head"))
def judged(request: pytest.FixtureRequest, shared_data: Path) -> tuple[EventModel, EventSequence]:
    (train,), (test,) = (read(shared_data / "single" / f"multi_{part}.json") for part in ("train", "test"))
    return build_model([train], {"name": "gru", "size": 8}, {"name": request.param}), test[:80]


def test_real_music_on_other_grids(judged: tuple[EventModel, EventSequence]) -> None:
    model, test = judged
    resolution, support = {"time": 0.03, "duration": 0.005, "velocity": 2.0}, {"pitch": (40.0, 60.0)}
    own = evaluate(model, test)
    other = evaluate(model, test, resolution=resolution, support=support)
    restated = regrids(model.columns, resolution, support)
    rows = test.rows()
    for event in (1, 17, 40):
        given = dict(zip(own.names, rows[event].tolist(), strict=True))
        tables = model.table(torch.from_numpy(rows[:event]), given)
        for place, regrid in restated.items():
            table = regrid.table(tables[regrid.column.name][2])
            assert table.sum() == pytest.approx(1, abs=1e-6)
            actual = regrid.column.grid.index(rows[event, place : place + 1])[0]
            if not regrid.column.grid.outside(rows[event, place : place + 1])[0]:
                assert math.exp(-other.surprise[event - 1, place]) == pytest.approx(table[actual], abs=1e-9)
    outside = (rows[1:, 1] < 40) | (rows[1:, 1] > 60)
    assert other.outside == outside.sum() > 0
    assert other.surprise[outside, 1] == pytest.approx(math.log(21 / FLOOR))
    assert (other.surprise >= 0).all()
    same = [place for place in range(len(model.columns)) if place not in restated]
    assert np.array_equal(own.surprise[:, same], other.surprise[:, same])
    assert other.by_feature()["time"]["nats"] <= own.by_feature()["time"]["nats"]  # a coarser bin holds the finer ones
    assert other.columns[0].describe()["resolution"] == 0.03


def test_the_size_of_the_pieces_does_not_matter(
    judged: tuple[EventModel, EventSequence], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, test = judged
    grid = {"resolution": {"time": 0.05, "velocity": 3.0}, "support": {"duration": (0.2, 0.5)}}
    whole = evaluate(model, test, **grid)
    monkeypatch.setattr(likelihood, "CELLS", 70_000)
    np.testing.assert_allclose(evaluate(model, test, **grid).surprise, whole.surprise, atol=1e-7)
