"""What an event is: descriptions that contradict themselves and rows that cannot be are refused where they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, check_alike, join, make_sequence

NUMBERS = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "a,b"}, "feature 'a,b': a name is text without"),
        ({"name": ""}, "a name is text"),
        ({"name": " x"}, "no space at either end"),
        ({"name": "x", "kind": "colour"}, "kind is 'colour', expected one of continuous, integer, categorical"),
        ({"name": "x", "resolution": 0.0}, "resolution is 0.0, expected a number above 0"),
        ({"name": "x", "resolution": float("nan")}, "resolution is nan"),
        ({"name": "x", "min": 1.0, "max": 1.0}, "min is 1.0 and max is 1.0, expected min below max"),
        ({"name": "x", "min": float("nan")}, "a bound is nan, expected a finite number"),
        ({"name": "x", "max": float("inf")}, "a bound is inf, expected a finite number"),
    ],
)
def test_a_feature_that_contradicts_itself(wrong: dict, said: str) -> None:
    with pytest.raises(HachimachiError, match="feature") as caught:
        Feature(**wrong)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "time", "names", "said"),
    [
        ([[1.0], [float("nan")]], None, ["x"], "row 2, column 'x': found nan"),
        ([[1.0, 2.0], [3.0, float("-inf")]], None, ["x", "y"], "row 2, column 'y': found -inf"),
        ([[1.0]], [0.0, 1.0], ["x"], "time has 2 values for 1 events"),
        ([[1.0], [2.0]], [0.0, float("nan")], ["x"], "row 2: time is nan"),
        ([[1.0], [2.0]], [-0.5, 0.0], ["x"], "row 1: time is -0.5, expected seconds from 0"),
        ([[1.0], [2.0], [3.0]], [0.0, 2.0, 1.0], ["x"], "row 3: time goes back from 2.0 to 1.0"),
        ([[1.0, 2.0]], None, ["x"], r"data has shape (1, 2), expected (events, 1)"),
        ([1.0, 2.0, 3.0], None, [], r"data has shape (3,), expected (events, 3)"),
        ([[1.0, 2.0]], None, ["x", "x"], "two features are named 'x'"),
        ([[1.0]], None, ["time"], "this name is kept"),
        (np.zeros((3, 0)), None, [], "events have no features"),
    ],
)
def test_rows_that_cannot_be(data: list, time: list | None, names: list, said: str) -> None:
    with pytest.raises(HachimachiError) as caught:
        make_sequence(data, time, names)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.lists(st.tuples(st.floats(0, 1e5), NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_rows_hold_the_time_between_events_and_the_features(events: list) -> None:
    times, *columns = np.array(sorted(events)).T
    sequence = make_sequence(np.column_stack(columns), times)
    rows = sequence.rows()
    assert rows.shape == (len(events), 3)
    assert np.isnan(rows[0, 0])
    assert np.allclose(times[0] + np.nancumsum(rows[:, 0]), times, atol=1e-9)
    assert (rows[:, 1:] == sequence.data).all()
    assert (make_sequence(sequence.data).rows() == sequence.data).all()
    moved = sequence.from_zero()
    assert moved.time is not None
    assert moved.time[0] == 0
    assert moved.seconds == pytest.approx(sequence.seconds)


def test_rows_are_a_copy() -> None:
    sequence = make_sequence([[1.0], [2.0]])
    sequence.rows()[:] = 9
    assert sequence.data.tolist() == [[1.0], [2.0]]


def test_a_part_keeps_its_times_and_its_name() -> None:
    sequence = EventSequence((Feature("x"),), np.arange(4.0)[:, None], np.arange(4.0), "piece")
    part = sequence[1:3]
    assert part == EventSequence((Feature("x"),), np.array([[1.0], [2.0]]), np.array([1.0, 2.0]), "piece")
    assert part != sequence
    assert part.column("x").tolist() == [1.0, 2.0]
    with pytest.raises(HachimachiError, match="no feature 'y'; there are x"):
        part.column("y")


def test_joining_and_likeness() -> None:
    one, two = make_sequence([[1.0]], [0.0]), make_sequence([[2.0]], [3.0])
    whole = join(one, two)
    assert whole.data.tolist() == [[1.0], [2.0]]
    assert whole.time is not None
    assert whole.time.tolist() == [0.0, 3.0]
    check_alike([one, two])
    with pytest.raises(HachimachiError, match="one has time, the other has none"):
        check_alike([one, make_sequence([[1.0]])])
    with pytest.raises(HachimachiError, match="differ in features"):
        check_alike([one, make_sequence([[1.0]], [0.0], ["other"])])
    with pytest.raises(HachimachiError, match="no sequences"):
        check_alike([])
