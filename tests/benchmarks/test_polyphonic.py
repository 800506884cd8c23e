"""Polyphonic sets as events: frames are counted and written as the sets at hand have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.polyphonic import SETS, count_frames, find_set, write_piano_rolls
from hachimachi import io
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.split import read_split, select

FRAMES = {
    "jsb": {"train": 13_807, "valid": 4_602, "test": 4_725},
    "piano_midi": {"train": 75_911, "valid": 8_540, "test": 19_036},
}


def roll(sequence: EventSequence) -> list[list[int]]:
    """Return the keys of each frame."""
    assert sequence.time is not None
    frames: list[list[int]] = [[] for _ in range(count_frames(sequence))]
    for time, pitch in zip(sequence.time[1:-1].astype(int), sequence.data[1:-1, 0].astype(int), strict=True):
        frames[time - 1].append(int(pitch))
    return frames


@pytest.mark.parametrize("row", FRAMES)
def test_sets_have_the_frames_that_the_literature_counts(shared_data: Path, row: str) -> None:
    data, split = find_set(shared_data / "polyphonic", row)
    sequences, parts = io.read(data), read_split(split)
    found = {part: sum(count_frames(each) for each in select(sequences, parts, part)) for part in FRAMES[row]}
    assert found == FRAMES[row]


def test_a_set_written_from_its_frames_is_the_set(shared_data: Path, tmp_path: Path) -> None:
    data, split = find_set(shared_data / "polyphonic", "jsb")
    sequences, parts = io.read(data), read_split(split)
    rolls = {part: [roll(each) for each in select(sequences, parts, part)] for part in ("train", "valid", "test")}
    again, names = write_piano_rolls(rolls, tmp_path / "jsb_chorales.json")
    assert names == find_set(tmp_path, "jsb")[1]
    written, expected = io.read(again), {each.name: each for each in sequences}
    assert len(written) == len(sequences) == 382
    for each in written:
        assert np.array_equal(each.rows(), expected[each.name].rows(), equal_nan=True)
    assert {part: sorted(each) for part, each in json.loads(names.read_text(encoding="utf-8")).items()} == {
        part: sorted(each) for part, each in json.loads(split.read_text(encoding="utf-8")).items()
    }


def test_an_empty_frame_is_a_longer_wait(tmp_path: Path) -> None:
    data, split = write_piano_rolls({"test": [[[64, 60], [], (60,), []], [[]]]}, tmp_path / "few.json")
    first, second = io.read(data)
    assert first.time is not None and second.time is not None
    assert first.time.tolist() == [0, 1, 1, 3, 5]
    assert first.column("pitch").tolist() == [20, 60, 64, 60, 20]
    assert second.time.tolist() == [0, 2]
    assert [count_frames(each) for each in (first, second)] == [4, 1]
    assert roll(first) == [[60, 64], [], [60], []]
    assert json.loads(split.read_text(encoding="utf-8")) == {"train": [], "valid": [], "test": ["test0", "test1"]}


def test_what_is_no_piano_roll_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HachimachiError, match="test0: found key 109, expected keys from 21 to 108"):
        write_piano_rolls({"test": [[[60], [109]]]}, tmp_path / "few.json")
    with pytest.raises(HachimachiError, match="tests: no such part; expected train, valid, test"):
        write_piano_rolls({"tests": []}, tmp_path / "few.json")
    data, _ = write_piano_rolls({"train": [[[60], [61]]]}, tmp_path / "few.json")
    [piece] = io.read(data)
    with pytest.raises(HachimachiError, match=r"few\.json: the markers are not there; expected pitch 20"):
        count_frames(piece[1:])
    with pytest.raises(HachimachiError, match="the markers are not there"):
        count_frames(piece[:-1])


def test_names_of_files_differ() -> None:
    assert len({find_set(Path(), row) for row in SETS}) == len(SETS) == 4
