"""The grid on which likelihood is stated, and what is derived where nothing is declared."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import MAX_BINS, Categories, Column, UniformGrid, fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence

SPAN = st.floats(1e-3, 1e3)


def fit(values: Any, name: str = "x", **declared: Any) -> Column:
    data = np.asarray(values, dtype=np.float64)[:, None]
    return fit_columns([EventSequence((Feature(name, **declared),), data)])[0]


def lattice(column: Column) -> UniformGrid:
    assert isinstance(column.grid, UniformGrid)
    return column.grid


def test_whole_numbers_are_integers_on_a_tenfold_range() -> None:
    column = fit([60, 64, 67])
    assert (column.feature.kind, column.feature.resolution) == ("integer", 1.0)
    assert lattice(column) == UniformGrid(1.0, 60 - 70, 67 + 70)
    assert (column.occupied, column.counts) == ((70, 74, 77), (1, 1, 1))


@pytest.mark.parametrize("steps", [127, 128])
def test_a_lattice_is_recognised_within_rounding(steps: int) -> None:
    values = np.array([0, 3, 50, 51, steps]) / steps + np.array([0, 9e-6, -9e-6, 0, 0])
    column = fit(values)
    assert (column.feature.kind, column.feature.resolution) == ("continuous", 1 / steps)
    assert fit(values + np.array([0, 2e-5, 0, 0, 0])).feature.resolution == 0.005


def test_values_all_near_one_point_of_a_lattice_are_not_on_it() -> None:
    column = fit([1e-6, 2e-6, 3.5e-6])
    assert column.feature.resolution == 1e-8
    assert len(column.occupied) == 3


@given(SPAN, st.floats(-1e3, 1e3))
def test_the_resolution_of_a_continuous_feature_follows_its_range(span: float, low: float) -> None:
    values = low + span * np.array([0, 0.1234567, 0.7654321, 1])
    column = fit(values, kind="continuous")
    resolution = column.feature.resolution
    assert resolution is not None
    real = float(np.ptp(values))
    if resolution in (1, 1 / 127, 1 / 128):  # whole, or on a lattice by chance
        return
    if real > 1:
        assert resolution == 0.01 or (real > 499 and resolution > 0.01)  # wider, it could not be tabulated
        return
    mantissa = resolution / 10 ** math.floor(math.log10(resolution) + 1e-9)
    assert min(abs(mantissa - digit) for digit in (1, 2, 5)) < 1e-9
    assert abs(math.log(resolution / (real / 200))) <= math.log(2.5) / 2 + 1e-6


@given(st.floats(1, 1e14), st.floats(0, 0.3))
def test_no_continuous_resolution_is_derived_whose_table_cannot_be_held(span: float, shift: float) -> None:
    column = fit([shift, span / 3, span])
    if column.feature.kind == "continuous" and column.feature.resolution != 1:
        assert column.grid.bins <= MAX_BINS


def test_seconds_have_a_support_of_a_minute_in_hundredths() -> None:
    time, duration = fit_columns([make_sequence([[0.1], [2.0], [9.0]], [0.0, 0.5, 99.0], ["duration"])])
    assert time.name == "time"
    assert lattice(time) == UniformGrid(0.01, 0, 6000, open_low=False, log=True)
    assert lattice(duration) == UniformGrid(0.01, 0, 6000, log=True)
    assert time.occupied == (50, 6000)  # the first has none, the last bin is open
    assert time.feature.kind == duration.feature.kind == "continuous"


def test_the_first_bin_of_time_is_all_below_five_milliseconds() -> None:
    grid = UniformGrid(0.01, 0, 6000, open_low=False, log=True)
    assert grid.index(np.array([0.0, 0.00499, 0.005, 0.0149, 0.015, 59.995, 1e9])).tolist() == [
        0,
        0,
        1,
        1,
        2,
        6000,
        6000,
    ]
    assert grid.outside(np.array([0.0, -0.00499, -0.0051, 1e9])).tolist() == [False, False, True, False]


def test_declared_bounds_are_closed_and_overrides_replace_them() -> None:
    column = fit([60, 64], min=0, max=127)
    assert lattice(column) == UniformGrid(1.0, 0, 127, open_low=False, open_high=False)
    data = make_sequence([[0.25], [3.5]], names=["x"])
    (changed,) = fit_columns([data], overrides={"x": {"min": -1.0, "resolution": 0.5}})
    assert lattice(changed) == UniformGrid(0.5, -2, 72, open_low=False)
    with pytest.raises(HachimachiError, match=r"feature\.y: the data has no such feature; it has x"):
        fit_columns([data], overrides={"y": {"min": 0}})


@pytest.mark.parametrize("bounds", [{"min": 5.0}, {"max": -5.0}])
def test_bounds_beyond_all_values_are_refused(bounds: dict) -> None:
    with pytest.raises(HachimachiError, match=r"feature 'x'.* but all values lie from 0 to 1"):
        fit([0, 1], **bounds)


@pytest.mark.parametrize("constant", [0.0, 7.0, 0.3, -1e5, 64 / 127])
def test_a_feature_with_one_value(constant: float) -> None:
    column = fit([constant] * 5)
    assert column.grid.bins == 1
    assert column.constant == pytest.approx(constant, abs=0.005)
    assert fit([constant, constant + 1]).constant is None
    assert fit([constant] * 5, kind="categorical").constant == constant


def test_a_single_event_is_enough() -> None:
    time, x = fit_columns([make_sequence([[3.0]], [0.0])])
    assert (time.events, time.constant, x.constant) == (1, 0.0, 3.0)


def test_no_events_are_not() -> None:
    with pytest.raises(HachimachiError, match="no events to learn from"):
        fit_columns([make_sequence(np.zeros((0, 1)))])


@pytest.mark.parametrize("values", [[1e300, 0.5], [-1.7e308, 1.7e308], [1e17, 2.5]])
def test_numbers_too_large_to_be_told_apart_are_refused(values: list) -> None:
    with pytest.raises(HachimachiError, match="feature 'x': reaches as far as"):
        fit(values)
    with pytest.raises(HachimachiError, match="feature 'x': reaches as far as"):
        fit([0.5, 1], max=1e300)


def test_what_is_declared_is_kept(shared_data: Any) -> None:
    from hachimachi.io import read

    (sequence,) = read(shared_data / "single" / "multi_train.json")
    columns = {column.name: column for column in fit_columns([sequence])}
    assert list(columns) == ["time", "pitch", "velocity", "duration", "instrument"]
    assert columns["pitch"].describe() == {"resolution": 1, "low": 0, "high": 127, "bins": 128}
    assert columns["velocity"].describe() == {"resolution": 1, "low": 1, "high": 127, "bins": 127}
    assert columns["duration"].feature.masked
    assert isinstance(columns["instrument"].grid, Categories)
    assert columns["instrument"].grid.bins == 8  # seven, and one never seen
    assert columns["pitch"].events == columns["time"].events + 1 == len(sequence)


GRIDS = st.builds(
    UniformGrid,
    st.sampled_from([1.0, 0.01, 1 / 127, 0.5, 20.0]),
    st.integers(-1000, 0),
    st.integers(1, 1000),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(GRIDS, st.lists(st.floats(-1e5, 1e5), min_size=1))
def test_every_value_has_a_bin(grid: UniformGrid, numbers: list[float]) -> None:
    values = np.array(numbers)
    index = grid.index(values)
    assert ((index >= 0) & (index < grid.bins)).all()
    middle = grid.value(index)
    near = np.abs(values - middle) <= grid.resolution / 2 * (1 + 1e-6)
    low, high = (grid.low - 0.5) * grid.resolution, (grid.high + 0.5) * grid.resolution
    sure = np.abs(np.abs(values / grid.resolution - np.round(values / grid.resolution)) - 0.5) > 1e-6
    assert (near | (values < low) | (values > high) | ~sure).all()
    outside = ((values < low) & (not grid.open_low)) | ((values > high) & (not grid.open_high))
    assert (grid.outside(values) == outside)[sure].all()
    assert (grid.index(middle) == index).all()  # the middle lies in its own bin
    assert not grid.outside(middle).any()


@given(st.sets(st.integers(-5, 300), min_size=1), st.lists(st.integers(-10, 310), min_size=1))
def test_categories_are_found_and_others_unknown(known: set[int], asked: list[int]) -> None:
    grid = Categories(tuple(float(value) for value in sorted(known)))
    index = grid.index(np.array(asked, dtype=float))
    for value, place in zip(asked, index.tolist(), strict=True):
        assert (grid.values[place] == value) if value in known else (place == len(known))
    assert grid.outside(np.array(asked, dtype=float)).tolist() == [value not in known for value in asked]


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30),
    st.sampled_from([None, "continuous", "integer", "categorical"]),
)
def test_a_column_survives_json(values: list[float], kind: Any) -> None:
    column = fit(values, kind=kind, masked=True)
    assert Column.from_json(json.loads(json.dumps(column.to_json()))) == column
    assert sum(column.counts) == column.events == len(values)


def test_the_marginal_baseline_by_hand() -> None:
    column = fit([1, 1, 1, 4], min=0, max=127)
    # five bins from 1 to 4 and beyond: (count + 1/2) / (4 + 5/2)
    p = np.exp(-column.marginal_nats(np.array([1.0, 4, 2, 100, 300])))
    assert p * 6.5 == pytest.approx([3.5, 1.5, 0.5, 0.5, 0.5])
    category = fit([3, 3, 5], kind="categorical")
    assert np.exp(-category.marginal_nats(np.array([3.0, 5, 4]))) * 4.5 == pytest.approx([2.5, 1.5, 0.5])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=50))
def test_the_marginal_baseline_is_a_distribution(values: list[int]) -> None:
    column = fit(values)
    inside = np.arange(min(values), max(values) + 1)
    p = np.exp(-column.marginal_nats(np.append(inside, max(values) + 1).astype(float)))
    assert p.sum() == pytest.approx(1) if column.grid.bins > 1 else p[0] <= 1
