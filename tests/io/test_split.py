"""Splits: which sequences a part has, and what is wrong with a split is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io import Report, read
from hachimachi.io.split import read_split, select

Make = Callable[[Any], Path]
PIECES = [
    EventSequence((Feature("x"),), np.arange(10.0)[:, None], np.arange(10.0), name)
    for name in ("midi/a.mid", "midi/b.mid", "more/b.mid", "c", "v1.2")
]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(content: Any) -> Path:
        path = tmp_path / "split.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["midi/a.mid"], ["midi/a.mid"]),
        (["a.mid", "c"], ["midi/a.mid", "c"]),
        (["c", "a"], ["c", "midi/a.mid"]),
        (["elsewhere/a.csv"], ["midi/a.mid"]),
        (["more/b.mid"], ["more/b.mid"]),
        (["v1.2", "c.json"], ["v1.2", "c"]),
    ],
)
def test_names_match_as_far_as_they_are_clear(make: Make, names: list[str], found: list[str]) -> None:
    split = read_split(make({"note": 1, "test": names, "train": []}))
    assert [piece.name for piece in select(PIECES, split, "test")] == found


def test_rows_of_a_sequence(make: Make) -> None:
    split = read_split(make({"train": {"c": [0, 7]}, "test": {"c": [7, 10]}}))
    assert [len(select(PIECES, split, part)[0]) for part in ("train", "test")] == [7, 3]
    assert select(PIECES, split, "test")[0].column("x").tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("content", "part", "said"),
    [
        ({"train": ["a"], "test": []}, "test", "has no names under 'test'; found 1 under 'train'"),
        ({"train": ["a"]}, "test", "has no part 'test'; found 1 under 'train'"),
        ({"test": ["a", "x", "y", "z", "q"]}, "test", "test names x, y, z and 1 more; not found in the data"),
        ({"test": ["b"]}, "test", "'b' may be 'midi/b.mid' or 'more/b.mid'; name it in full"),
        ({"train": ["a"], "test": ["a"]}, "test", "'a' stands under train and under test"),
        ({"train": {"a": [0, 5]}, "test": {"a": [4, 9]}}, "test", "'a' stands under train and under test"),
        ({"test": "a"}, "test", "test: expected a list of names"),
        ({"test": {"a": [5, 5]}}, "test", "test: expected a list of names, or an object of names and rows"),
        ({"tset": ["a"]}, "test", "not a split; expected lists of names under train, valid, test"),
        ([], "test", "not a split"),
        ("{", "test", "not JSON"),
        ("[" * 100_000, "test", "not JSON"),
    ],
)
def test_what_is_wrong_is_said(make: Make, content: Any, part: str, said: str) -> None:
    path = make(content)
    with pytest.raises(HachimachiError) as caught:
        select(PIECES, read_split(path), part)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no.json"):
        with pytest.raises(HachimachiError, match="cannot be read"):
            read_split(path)


def test_names_that_are_not_there_are_reported_unless_there_is_none_left(make: Make) -> None:
    split, report = read_split(make({"test": ["a", "x"], "valid": ["y"]})), Report()
    assert [piece.name for piece in select(PIECES, split, "test", report)] == ["midi/a.mid"]
    assert report.lines() == ["left out: x: under test in split.json, but not in the data"]
    with pytest.raises(HachimachiError, match="valid names y; not found"):
        select(PIECES, split, "valid", report)


@pytest.mark.parametrize("corpus", ["piano_midi_de_small", "freedoom_small", "control_impsy4d_small"])
def test_real_corpora_split_whole(shared_data: Path, corpus: str) -> None:
    told = json.loads((shared_data / corpus / "split.json").read_text())["counts"]
    split, sequences = read_split(shared_data / corpus / "split.json"), read(shared_data / corpus, Report())
    parts = {part: select(sequences, split, part) for part in ("train", "valid", "test")}
    rows = "rows" if "rows" in told["train"] else "notes"
    for part, chosen in parts.items():
        assert (len(chosen), sum(map(len, chosen))) == (told[part]["files"], told[part][rows])
    assert len({piece.name for chosen in parts.values() for piece in chosen}) == len(sequences)
