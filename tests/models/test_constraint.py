"""Constraints: what they allow, the bins they leave, and scales by name."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import UniformGrid
from hachimachi.constraints import SCALES, Constraint, notes_of_scale, number_bins
from hachimachi.errors import HachimachiError
from hachimachi.player.column_samplers import PlayedGrid

GRID = UniformGrid(0.1, -20, 30)
values = st.floats(-2.5, 3.5)
intervals = st.lists(st.tuples(values, values).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=4)


@given(intervals, intervals, values)
def test_and_allows_what_both_allow(first: list, second: list, value: float) -> None:
    a, b = Constraint(tuple(first)), Constraint(tuple(second))
    assert (a & b).allows(value) == (a.allows(value) and b.allows(value))
    assert a.allows(value) == any(low <= value <= high for low, high in first)


@given(intervals, st.booleans(), st.booleans(), st.integers(0, 99))
def test_a_bin_is_left_where_one_of_its_values_is_allowed(parts: list, whole: bool, log: bool, seed: int) -> None:
    grid, constraint = UniformGrid(0.1, 0 if log else -20, 30, log=log), Constraint(tuple(parts))
    played = PlayedGrid("x", grid, (0.0, 1.0), whole)
    bins = number_bins(grid, whole, constraint)
    mask = np.zeros(grid.bins, dtype=bool)
    mask[bins.start : bins.stop] = bins.mask
    random = Random(seed)
    for index in range(grid.bins):
        tried = [played.spread(index, random) for _ in range(5)]
        assert mask[index] or not any(map(constraint.allows, tried))
        if mask[index]:
            value = played.confine(tried[0], index, constraint, random)
            assert constraint.allows(value)
            assert played.index(value) == index or abs(value - played.centre(index)) <= 0.05 + 1e-9


@given(intervals, st.integers(0, 99))
def test_draws_are_allowed(parts: list, seed: int) -> None:
    constraint = Constraint(tuple(parts))
    assert constraint.allows(constraint.draw(-math.inf, math.inf, Random(seed)))
    assert constraint.allows(constraint.nearest(0.3))


def test_a_bound_between_two_numbers_in_double_precision() -> None:
    assert number_bins(GRID, True, Constraint.between(0.25, 0.3)).only == 23  # 3 · 0.1 is above 0.3
    assert PlayedGrid("x", GRID, (0.0, 1.0), True).confine(3 * 0.1, 23, Constraint.between(0, 0.3), Random(0)) == 0.3


def test_scales_by_name() -> None:
    assert notes_of_scale("C major")[:8] == (0, 2, 4, 5, 7, 9, 11, 12)
    assert notes_of_scale("C") == notes_of_scale("c Major") == notes_of_scale("B# ionian")
    assert notes_of_scale("A minor") == notes_of_scale("C major") == notes_of_scale("a_aeolian")
    assert notes_of_scale("C# dorian") == notes_of_scale("Db dorian") == notes_of_scale("D♭-Dorian")
    assert notes_of_scale("bb blues")[0] == 1
    assert notes_of_scale("chromatic") == notes_of_scale("F chromatic") == tuple(range(128))
    assert len({notes_of_scale(f"{tonic} whole tone") for tonic in "cdefgab"}) == 2
    assert all(notes_of_scale(f"D {name}") for name in SCALES)


@pytest.mark.parametrize("wrong", ["", "minor", "H minor", "C minr", "C## major", "60", "C minor D"])
def test_no_scale(wrong: str) -> None:
    with pytest.raises(HachimachiError, match=r"expected a note and a scale, such as 'C# dorian'; scales are major, "):
        notes_of_scale(wrong)


def test_an_interval_upside_down() -> None:
    for low, high in ((3, 1), (math.nan, 1), (0, math.nan)):
        with pytest.raises(HachimachiError, match="the lower one first"):
            Constraint.between(low, high)
