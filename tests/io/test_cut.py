"""Cutting at gaps and leaving out short sequences: no event goes without being counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import Report
from hachimachi.io.transform import cut_at_gaps, keep_long


def sequence(time: list[float], name: str = "a.mid") -> EventSequence:
    return EventSequence((Feature("x"),), np.arange(float(len(time)))[:, None], np.array(time), name)


def test_parts_are_numbered_and_begin_at_zero() -> None:
    report = Report()
    first, second, whole = cut_at_gaps([sequence([1, 2, 9, 10]), sequence([3, 4], "b")], 5, report)
    assert [first.name, second.name, whole.name] == ["a.mid#1", "a.mid#2", "b"]
    assert [first.time.tolist(), second.time.tolist(), whole.time.tolist()] == [[0, 1], [0, 1], [3, 4]]  # type: ignore[union-attr]
    assert second.data.tolist() == [[2], [3]]
    assert report.cut == {"a.mid": 2}
    assert not report.faults


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(0.1, 50))
def test_no_event_is_lost_and_no_gap_is_left(gaps: list[float], longest: float) -> None:
    whole = sequence(np.cumsum(gaps).tolist())
    parts = cut_at_gaps([whole], longest, Report())
    assert np.concatenate([part.data for part in parts]).tolist() == whole.data.tolist()
    for part in parts:
        assert part.time is not None
        assert (np.diff(part.time) <= longest * (1 + 1e-12)).all()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 9))
def test_short_sequences_are_counted(lengths: list[int], least: int) -> None:
    sequences, report = [sequence(list(range(n)), str(i)) for i, n in enumerate(lengths)], Report()
    if max(lengths) < least:
        with pytest.raises(HachimachiError, match=f"--min-length: no sequence has {least} events"):
            keep_long(sequences, least, report)
        return
    kept = keep_long(sequences, least, report)
    dropped = sum(files.total() for files in report.dropped.values())
    assert sum(map(len, kept)) + dropped == sum(lengths)
    assert min(map(len, kept)) >= least


def test_without_time_there_are_no_gaps() -> None:
    with pytest.raises(HachimachiError, match="--max-gap: these events carry no time"):
        cut_at_gaps([make_sequence([[1]])], 1, Report())
