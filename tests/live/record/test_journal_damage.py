"""A journal that a crash cut off, or that the disk damaged, gives all that is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.live.record.dataset import Recorded
from hachimachi.live.record.journal import Journal, finish, read_journal

QUIET = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
VALUES = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6))


def write(folder: Path, clock: Any, rows: list[list[float]]) -> bytes:
    """Return a journal of these events, with a beginning before every third and the last one amended."""
    path = folder / "take.json"
    Path(f"{path}.journal").unlink(missing_ok=True)
    journal = Journal(path, (Feature("a"), Feature("b")), clock=clock)
    for number, row in enumerate(rows):
        if number % 3 == 0:
            journal.begin()
        journal.event(1000 + number, 0, np.array(row))
    journal.amend(len(rows) - 1, 0, 0.5)
    journal.abandon()
    return journal.file.read_bytes()


def parse(folder: Path, data: bytes) -> Recorded:
    file = folder / "cut.json.journal"
    file.write_bytes(data)
    return read_journal(file)


@settings(QUIET, max_examples=20)
@given(rows=st.lists(st.tuples(VALUES, VALUES).map(list), min_size=4, max_size=6))
def test_cut_at_every_byte_all_whole_lines_are_read(tmp_path: Path, fake_clock: Any, rows: list[list[float]]) -> None:
    data = write(tmp_path, fake_clock(), rows)
    for end in range(data.index(b"\n") + 1, len(data) + 1):
        cut = parse(tmp_path, data[:end])
        # the end of a line may be missing without harm, if nothing else of it is
        lines = [line for line in data[: end + 1].split(b"\n")[:-1] if line.startswith(b"[")]
        assert len(cut) == len(lines)
        assert cut.skipped == 0
        whole = np.array([json.loads(line)[2:] for line in lines], dtype=np.float64).reshape(-1, 2)
        if end >= len(data) - 1:
            whole[-1, 0] = 0.5
        np.testing.assert_array_equal(cut.rows, whole)


@QUIET
@given(data=st.data(), rows=st.lists(st.tuples(VALUES, VALUES).map(list), min_size=4, max_size=9))
def test_a_damaged_line_costs_itself(tmp_path: Path, fake_clock: Any, data: st.DataObject, rows: list[Any]) -> None:
    lines = write(tmp_path, fake_clock(), rows).split(b"\n")
    events = [place for place, line in enumerate(lines) if line.startswith(b"[")]
    place = data.draw(st.sampled_from(events[:-1]))
    damage = data.draw(
        st.sampled_from([b"[", b"[]", b"[1,2", b"[1,0,2]", b"[1,0,true,2]", b"[1,7,1,1]", b"[1,0,1e999,1]"])
    )
    lines[place] = damage
    recorded = parse(tmp_path, b"\n".join(lines))
    assert recorded.skipped == 1
    assert len(recorded) == len(rows) - 1
    assert recorded.at.tolist() == [number for number in range(len(rows)) if number != events.index(place)]
    assert recorded.rows[-1, 0] == 0.5  # the amendment still finds its event


@QUIET
@given(damage=st.lists(st.binary(max_size=30), max_size=5))
def test_no_bytes_make_it_fail(tmp_path: Path, fake_clock: Any, damage: list[bytes]) -> None:
    whole = write(tmp_path, fake_clock(), [[1, 2], [3, 4]])
    lines = whole.split(b"\n")
    bad = parse(tmp_path, b"\n".join([*lines[:2], *damage, *lines[2:]]))
    assert len(bad) >= 2


@pytest.mark.parametrize("head", [b"", b'{"format": "hachi', b'{"format": "hachimachi.journal", "version": 1, "temp'])
def test_without_a_first_line_nothing_was_recorded(tmp_path: Path, head: bytes) -> None:
    file = tmp_path / "take.json.journal"
    file.write_bytes(head)
    assert finish(file).path is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"dear diary\n", r"row 1: expected a journal.*move this file away"),
        (bytes(100) + b"\n[1, 0, 2]\n", "row 1"),
        (b'{"format": "hachimachi.journal", "version": 2, "temporal": true, "who": [], "features": {}}\n', "version 2"),
        (b'{"format": "hachimachi.journal", "version": 1}\n', "row 1"),
        (b"no end", "row 1"),
    ],
)
def test_what_is_no_journal_is_not_touched(tmp_path: Path, head: bytes, words: str) -> None:
    file = tmp_path / "take.json.journal"
    file.write_bytes(head)
    with pytest.raises(HachimachiError, match=words):
        finish(file)
    assert file.read_bytes() == head
