"""Distributions hold every value once, on a scale that suits it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.description.describe import ValueHistogram, describe, sparkline
from hachimachi.events import EventSequence, Feature, make_sequence


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30)
    | st.lists(st.integers(-40, 40).map(float), min_size=1, max_size=30)
    | st.lists(st.integers(0, 127).map(lambda k: k / 127), min_size=1, max_size=30),
    st.sampled_from(["v", "duration"]),
    st.sampled_from([None, "categorical"]),
    st.integers(2, 50),
)
def test_every_value_is_in_one_bin(values: list[float], name: str, kind, bins: int) -> None:
    column = describe(EventSequence((Feature(name, kind),), np.array(values)[:, None]))[name]
    shape = ValueHistogram.of(column, bins)
    assert len(shape.counts) <= bins
    line = sparkline(shape)
    assert len(line) == len(shape.counts)
    assert [blank == " " for blank in line] == [n == 0 for n in shape.counts]
    if shape.scale == "categories":
        assert shape.counts.tolist() == sorted(shape.counts.tolist(), reverse=True)
        return
    assert shape.counts.sum() == len(values)
    assert len(shape.edges) == len(shape.counts) + 1
    assert np.all(np.diff(shape.edges) >= 0)
    assert shape.edges[0] <= min(values)
    assert max(values) <= shape.edges[-1] or np.isclose(max(values), shape.edges[-1], rtol=1e-12)


@pytest.mark.parametrize(("steps", "bins"), [(128, 48), (128, 16), (85, 16), (24, 48)])
def test_bins_hold_as_many_steps_as_each_other(steps: int, bins: int) -> None:
    for scale in (1, 1 / 127):
        column = describe(make_sequence(np.arange(steps)[:, None] * scale))["0"]
        counts = ValueHistogram.of(column, bins).counts
        assert set(counts[:-1].tolist()) == {int(counts[0])}
        assert 0 < counts[-1] <= counts[0]


def test_seconds_are_on_a_log_scale_that_begins_at_nothing() -> None:
    values = np.array([0.0, 0.0005, 0.01, 0.1, 1.0, 10.0])
    shape = ValueHistogram.of(describe(make_sequence(values[:, None], names=["duration"]))["duration"], 5)
    assert shape.scale == "log"
    np.testing.assert_allclose(shape.edges, [0, 0.001, 0.01, 0.1, 1, 10])
    assert shape.counts.tolist() == [2, 0, 1, 1, 2]
