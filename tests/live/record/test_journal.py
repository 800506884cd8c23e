"""What happens in a performance is on disk as it happens, and a data set at its end."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.io import read
from hachimachi.live.record.journal import Journal, find_unfinished, finish, read_journal, settle

FEATURES = (Feature("x"), Feature("kind", kind="categorical"))
NUMBERS = st.floats(-1e9, 1e9, width=32)


@pytest.fixture
def make_journal(tmp_path: Path, fake_clock: Any) -> Callable[..., Journal]:
    """Journals whose clock starts at 1000 s."""

    def make(name: str = "take.json", **options: Any) -> Journal:
        return Journal(tmp_path / name, options.pop("features", FEATURES), clock=fake_clock(), **options)

    return make


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(events=st.lists(st.tuples(st.floats(-60, 1e5), st.sampled_from([0, 1, 2]), NUMBERS, NUMBERS), min_size=1))
def test_finish_equals_what_was_fed(
    make_journal: Callable[..., Journal], tmp_path: Path, events: list[tuple[float, int, float, float]]
) -> None:
    journal = make_journal(who=("you", "a", "b"))
    for number, (at, who, *values) in enumerate(events):
        assert journal.event(1000 + at, who, np.array(values)) == number
        if number % 3 == 0:
            journal.flush()
    finished = journal.close()
    [sequence] = read(tmp_path / "take.json")
    order = sorted(range(len(events)), key=lambda i: round(events[i][0], 6))
    assert sequence.time is not None
    assert [feature.name for feature in sequence.features] == ["x", "kind", "player"]
    assert sequence.features[2].kind == "categorical"
    assert sequence.data.tolist() == [[*events[i][2:], events[i][1]] for i in order]
    expected = np.array([events[i][0] for i in order])
    np.testing.assert_allclose(sequence.time, expected - expected[0], atol=3e-6)
    assert (finished.events, finished.path) == (len(events), tmp_path / "take.json")
    assert [path.name for path in tmp_path.iterdir()] == ["take.json"]
    (tmp_path / "take.json").unlink()


def test_a_new_sequence_for_every_beginning_and_none_empty(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    for at in (1, 2, None, None, 7, 5, None):
        if at is None:
            journal.begin()
        else:
            journal.event(1000 + at, 0, np.array([at, 0.0]))
    assert journal.close().sequences == 2
    first, second = read(tmp_path / "take.json")
    assert [first.name, second.name] == ["1", "2"]
    assert (first.column("x").tolist(), second.column("x").tolist()) == ([1, 2], [5, 7])
    assert second.time is not None
    assert second.time.tolist() == [0, 2]
    assert first.features == FEATURES  # who played is no column where one plays alone


def test_csv_holds_one_sequence(make_journal: Callable[..., Journal], tmp_path: Path) -> None:
    journal = make_journal("take.csv")
    for at in (3.0, 9.5):
        journal.event(1000 + at, 0, np.array([at, 1.0]))
        journal.begin()
    journal.close()
    assert (tmp_path / "take.csv").read_text() == "time,x,kind#\n0,3,1\n6.5,9.5,1\n"


def test_without_time_events_keep_their_order(make_journal: Callable[..., Journal], tmp_path: Path) -> None:
    journal = make_journal(temporal=False)
    for at in (5.0, 2.0):
        journal.event(1000 + at, 0, np.array([at, 0.0]))
    journal.close()
    [sequence] = read(tmp_path / "take.json")
    assert not sequence.temporal
    assert sequence.column("x").tolist() == [5, 2]


def test_what_becomes_known_later_and_what_is_cleared(make_journal: Callable[..., Journal], tmp_path: Path) -> None:
    journal = make_journal(features=(Feature("x"), Feature("late")))
    dropped = journal.event(1001, 0, np.array([1, np.nan]))
    journal.clear()
    kept = journal.event(1002, 0, np.array([2, np.nan]))
    journal.amend(kept, 1, 0.75)
    journal.amend(dropped, 1, 3.0)
    finished = journal.close()
    assert read(tmp_path / "take.json")[0].data.tolist() == [[2, 0.75]]
    assert finished.remarks == ("1 event dropped by /reset",)


def test_nothing_recorded_leaves_nothing(make_journal: Callable[..., Journal], tmp_path: Path) -> None:
    assert make_journal().close().path is None
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_kept_or_added_to(make_journal: Callable[..., Journal], tmp_path: Path) -> None:
    expected = [("take.json", ["take.json"]), ("take-2.json", ["take-2.json"]), ("take.json", ["1", "2"])]
    for number, (name, names) in enumerate(expected):
        journal = make_journal()
        journal.event(1001, 0, np.array([number, 0.0]))
        finished = journal.close(append=number == 2)
        assert finished.path == tmp_path / name
        assert [sequence.name for sequence in read(tmp_path / name)] == names


def test_a_journal_is_of_one_recording(make_journal: Callable[..., Journal], tmp_path: Path) -> None:
    journal = make_journal()
    with pytest.raises(HachimachiError, match=r"take\.json\.journal: an earlier recording"):
        make_journal()
    if sys.platform != "win32":
        assert find_unfinished(tmp_path) == []
        with pytest.raises(HachimachiError, match="another hxmx records"):
            finish(journal.file)
        with pytest.raises(HachimachiError, match="another hxmx records"):
            make_journal(resume=True)
    journal.abandon()
    (tmp_path / "other.journal").write_text("dear diary\n")
    assert find_unfinished(tmp_path) == find_unfinished(journal.path) == [journal.file]
    assert find_unfinished(tmp_path / "other.json") == []


def test_it_goes_on_where_a_crash_left_it(make_journal: Callable[..., Journal], tmp_path: Path) -> None:
    for number in range(3):
        journal = make_journal(resume=number > 0)
        journal.amend(journal.event(1001, 0, np.array([np.nan, 0.0])), 0, number)
        journal.abandon()
        with journal.file.open("ab") as file:
            file.write(b"[3.0, 0, 9")  # cut off
    last = make_journal(resume=True)
    last.clear()  # drops nothing of the former
    assert last.close().sequences == 3
    assert [sequence.data[0, 0] for sequence in read(tmp_path / "take.json")] == [0, 1, 2]


def test_one_of_other_features_is_not_gone_on_with(make_journal: Callable[..., Journal]) -> None:
    make_journal().abandon()
    with pytest.raises(HachimachiError, match="other features"):
        make_journal(features=(Feature("y"),), resume=True)


@pytest.mark.parametrize("written", [0, 7, 24])
def test_a_full_disk_is_told_once_and_never_raises(
    make_journal: Callable[..., Journal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    told: list[str] = []
    journal = make_journal(warn=told.append)
    journal.event(1001, 0, np.array([1.0, 0.0]))
    journal.flush()
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if written and len(data) > written and data.startswith(b"[2"):
            return real(fd, data[:written])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for at in (2.0, 3.0):
            journal.event(1000 + at, 0, np.array([at, 0.0]))
        journal.flush()
        journal.flush()
    late = journal.event(1009, 0, np.array([4.0, np.nan]))
    journal.amend(late, 1, 5.0)
    whole = written == 24  # the first of the two lines fitted
    assert journal.lost == 2 - whole
    assert len(told) == 1
    assert "No space left" in told[0]
    assert journal.close().events == 2 + whole
    sequences = read(tmp_path / "take.json")
    assert [row for sequence in sequences for row in sequence.data.tolist()] == [[1, 0], *[[2, 0]] * whole, [4, 5]]
    assert len(sequences) == 2  # a gap is no pause


def test_the_data_set_cannot_be_written_and_the_journal_stays(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal("take.json")
    journal.event(1001, 0, np.array([1.0, 0.0]))
    (tmp_path / "take.json").write_text("no data")
    with pytest.raises(HachimachiError, match=r"take\.json: .*stays in .*take\.json\.journal"):
        journal.close(append=True)
    assert len(read_journal(journal.file)) == 1


@pytest.mark.parametrize("name", ["take.mid", "take", "nowhere/take.json"])
def test_no_place_to_write(make_journal: Callable[..., Journal], tmp_path: Path, name: str) -> None:
    with pytest.raises(HachimachiError, match="take"):
        make_journal(name)
    assert not list(tmp_path.iterdir())


def test_the_first_line_says_what_follows(make_journal: Callable[..., Journal]) -> None:
    journal = make_journal(who=("you", "model.pt"), temporal=False)
    journal.abandon()
    top = json.loads(journal.file.read_text())
    described = {"0": {"name": "x"}, "1": {"name": "kind", "categorical": True}}
    who = ["you", "model.pt"]
    assert top == {
        "format": "hachimachi.journal",
        "version": 1,
        "temporal": False,
        "who": who,
        "features": described,
    }


@pytest.mark.parametrize("name", ["night.json", "night.csv"])
def test_what_is_saved_is_not_rescued_again(tmp_path: Path, name: str) -> None:
    """A crash after the data set was written, and before its journal was removed."""
    journal = Journal(tmp_path / name, (Feature("x", "integer"), Feature("y", masked=True)), clock=lambda: 0.0)
    for number in range(5):
        journal.event(number / 3, 0, np.array([number, number / 7]))
    journal.abandon()
    kept = journal.file.read_bytes()
    assert finish(journal.file).path == journal.path
    written = journal.path.read_bytes()
    journal.file.write_bytes(kept)
    assert finish(journal.file).path == journal.path
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert journal.path.read_bytes() == written
    journal.file.write_bytes(kept)
    settle(journal.path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    longer = kept + b"[9.0, 0, 1.0, 2.0]\n"  # it is another
    journal.file.write_bytes(longer)
    settle(journal.path)
    assert finish(journal.file).path == tmp_path / f"night-2{journal.path.suffix}"
