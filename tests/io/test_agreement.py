"""What comes from many files has the features of most of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import Report
from hachimachi.io.many import FileEvents, keep_agreeing
from hachimachi.io.midi import NOTES

PITCH = Feature("pitch", "integer", min=0, max=127)


def found(name: str, *features: Feature, timed: bool = True) -> FileEvents:
    time = np.zeros(2) if timed else None
    return FileEvents(name, [EventSequence(features, np.ones((2, len(features))), time, name)])


def test_what_one_leaves_open_another_may_say() -> None:
    open_ = [replace(feature, kind=None, min=None, max=None, resolution=None) for feature in NOTES[:3]]
    files = [found("a.csv", *open_), found("b.mid", *NOTES[:3]), found("c.csv", *open_)]
    report = Report()
    kept = keep_agreeing(files, report)
    assert [each.name for each in kept] == ["a.csv", "b.mid", "c.csv"]
    assert all(each.sequences[0].features == NOTES[:3] for each in kept)
    assert not report.refused


DIFFERENT = {
    "other name": (found("z", Feature("x")), "found the columns time,x, expected time,pitch"),
    "more": (found("z", PITCH, Feature("x")), "found the columns time,pitch,x, expected time,pitch"),
    "no time": (found("z", PITCH, timed=False), "found the columns pitch, expected time,pitch"),
    "masked": (found("z", replace(PITCH, masked=True)), "found the columns time,~pitch, expected time,pitch"),
    "categorical": (found("z", Feature("pitch", "categorical")), "found the columns time,pitch#, expected time,pitch"),
    "categorical, open": (found("z", Feature("pitch", "categorical")), "time,pitch#"),
    "kind": (found("z", Feature("pitch", "continuous")), "'pitch': found kind continuous, expected integer"),
    "bound": (found("z", Feature("pitch", max=1)), "'pitch': found max 1, expected 127"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_who_disagrees_with_most_is_left_out_with_the_reason(case: str) -> None:
    odd, words = DIFFERENT[case]
    report = Report()
    kept = keep_agreeing([found("a", PITCH), odd, found("b", PITCH)], report)
    assert [each.name for each in kept] == ["a", "b"]
    assert list(report.refused) == ["z"]
    assert words in report.refused["z"]
    assert report.refused["z"].endswith("as in 2 of 3 files")


def test_bounds_that_exclude_each_other_are_told() -> None:
    report = Report()
    files = [found("a", Feature("x", max=3)), found("b", Feature("x", max=3)), found("z", Feature("x", min=5))]
    assert [each.name for each in keep_agreeing(files, report)] == ["a", "b"]
    assert report.refused == {"z": "found bounds that exclude those as in 2 of 3 files"}


def test_an_open_column_is_not_a_categorical_one() -> None:
    report = Report()
    keep_agreeing([found("a", Feature("x")), found("b", Feature("x")), found("c", Feature("x", "categorical"))], report)
    assert list(report.refused) == ["c"]


def test_no_majority_is_an_error_that_names_both() -> None:
    with pytest.raises(HachimachiError, match=r"b and a differ in features: found the columns time,y, expected time,x"):
        keep_agreeing([found("a", Feature("x")), found("b", Feature("y"))], Report())


@given(st.lists(st.sampled_from("xyz"), min_size=1, max_size=12))
def test_every_file_is_kept_or_told(columns: list[str]) -> None:
    files, report = [found(str(i), Feature(name)) for i, name in enumerate(columns)], Report()
    counts = sorted((columns.count(name) for name in set(columns)), reverse=True)
    if len(counts) > 1 and counts[0] == counts[1]:
        with pytest.raises(HachimachiError, match="as many files"):
            keep_agreeing(files, report)
        return
    kept = keep_agreeing(files, report)
    assert len(kept) == counts[0]
    assert sorted([each.name for each in kept] + list(report.refused)) == sorted(str(i) for i in range(len(columns)))
    assert [int(each.name) for each in kept] == sorted(int(each.name) for each in kept)
