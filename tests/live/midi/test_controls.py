"""Controllers reach from one end of a feature to the other, and back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.live.midi.mapping import Control, median, trained_values


@pytest.mark.parametrize(
    ("values", "bounds", "ends"),
    [
        ([-1.0, 0.25, 3.0], {}, (-1, 3)),
        ([20, 30, 110], {"x": (0, 127)}, (0, 127)),
        ([0, 1, 1], {"x": (0, None)}, (0, 1)),
    ],
)
def test_declared_ends_come_before_trained_ones(make_columns: Any, values: Any, bounds: Any, ends: Any) -> None:
    [_, column] = make_columns({"x": values}, **bounds)
    knob = Control(column)
    assert (knob.value(0), knob.value(127)) == pytest.approx(ends, abs=0.01)


@given(st.integers(0, 127))
def test_there_and_back(make_columns: Any, number: int) -> None:
    [_, fine] = make_columns({"x": [0.0, 0.31, 2.5]})
    assert Control(fine).show(Control(fine).value(number)) == number
    [_, midi] = make_columns({"x": [0, 64, 127]})
    assert Control(midi).value(number) == number


def test_whole_features_and_categories_take_no_values_between(make_columns: Any) -> None:
    [_, whole, category] = make_columns({"n": [0, 1, 4], "#g": [2, 5, 9]})
    assert {Control(whole).value(number) for number in range(128)} == {0, 1, 2, 3, 4}
    assert {Control(category).value(number) for number in range(128)} == {2, 5, 9}
    assert [Control(category).show(value) for value in (2, 5, 9, 8.9, math.nan)] == [0, 64, 127, 127, 0]


@given(st.floats())
def test_anything_shows_as_a_controller(make_columns: Any, value: float) -> None:
    for column in make_columns({"x": [0.0, 0.31, 2.5], "n": [3, 3, 3], "#g": [2, 5, 9]})[1:]:
        assert 0 <= Control(column).show(value) <= 127


def test_medians_and_values(make_columns: Any) -> None:
    [_, number, category] = make_columns({"n": [7, 3, 3, 9, 8], "#g": [2, 9, 9, 5, 1]})
    assert (median(number), median(category)) == (7, 9)
    assert trained_values(number) == [3, 7, 8, 9]
