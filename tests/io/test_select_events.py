"""Part of a data set, by the values or the names of its columns."""

from __future__ import annotations

import numpy as np
import pytest

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import Report
from hachimachi.io.transform import drop_columns, keep_events

FEATURES = (Feature("x"), Feature("player", "categorical"))


def sequence(rows: list[list[float]], name: str = "a") -> EventSequence:
    return EventSequence(FEATURES, np.array(rows), np.arange(0, len(rows) / 2, 0.5, dtype=np.float64), name)


def test_events_of_some_values() -> None:
    report = Report()
    whole = [sequence([[1, 0], [2, 1], [3, 2], [1, 2]]), sequence([[1, 1]], "b")]
    [kept] = keep_events(whole, {"player": [0, 2], "x": [1, 7]}, report)
    assert kept.data.tolist() == [[1, 0], [1, 2]]
    assert kept.time is not None
    assert kept.time.tolist() == [0, 1.5]
    assert (kept.features, kept.name) == (FEATURES, "a")
    assert report.dropped == {"without the values that --only asks for": {"a": 2, "b": 1}}


def test_without_columns() -> None:
    [bare] = drop_columns([sequence([[1, 0], [2, 1]])], ["player"])
    assert bare.features == FEATURES[:1]
    assert bare.data.tolist() == [[1], [2]]
    assert bare.temporal
    [ordered] = drop_columns([bare], ["time"])
    assert not ordered.temporal
    assert ordered.data.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda s: keep_events(s, {"plyer": [0]}, Report()), "--only: no column 'plyer'; there are x, player"),
        (lambda s: keep_events(s, {"player": [4]}, Report()), "no event has player 4; player has 0, 1"),
        (lambda s: keep_events(s, {"time": [0]}, Report()), "no column 'time'"),
        (lambda s: drop_columns(s, ["plyer"]), "--drop: no column 'plyer'; there are time, x, player"),
        (lambda s: drop_columns(s, ["x", "player"]), "no column is left"),
        (lambda s: drop_columns(drop_columns(s, ["time"]), ["time"]), "there are x, player"),
    ],
)
def test_what_is_not_there(action, words: str) -> None:
    with pytest.raises(HachimachiError, match=words):
        action([sequence([[1, 0], [2, 1]])])
