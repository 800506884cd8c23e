"""A folder of CSV files: one for each sequence, readable again, never beside what was there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import make_sequence
from hachimachi.io import read, write
from hachimachi.io.files import file_names

PIECES = [
    replace(make_sequence([[i], [0.25]], time=[0, 0.1], names=["x"]), name=name)
    for i, name in enumerate(["midi/a.mid", "midi/a.mid#2", "b", "midi/b.mid/Left hand"])
]


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_reads_as_the_collection_it_was(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "out").mkdir()
    write(f"{tmp_path}/out/", PIECES)
    found = {sequence.name: sequence for sequence in read(tmp_path / "out")}
    assert sorted(found) == ["b.csv", "midi/a.csv", "midi/a.mid#2.csv", "midi/b.mid/Left hand.csv"]
    for piece, name in zip(
        PIECES, ["midi/a.csv", "midi/a.mid#2.csv", "b.csv", "midi/b.mid/Left hand.csv"], strict=True
    ):
        assert replace(found[name], name=piece.name) == piece
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_is_mixed_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.csv").write_text("x\n1\n")
    with pytest.raises(HachimachiError, match="there is something in this folder; name a new one"):
        write(tmp_path / "out", PIECES)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.csv"]


def test_all_or_nothing(tmp_path: Path) -> None:
    wrong = replace(PIECES[0], features=(replace(PIECES[0].features[0], name="dt"),), time=None)
    with pytest.raises(HachimachiError, match="CSV header"):
        write(f"{tmp_path}/out/", [wrong, wrong])
    with pytest.raises(HachimachiError, match="no folder"):
        write(f"{tmp_path}/not/there/", PIECES)
    (tmp_path / "file").touch()
    with pytest.raises(HachimachiError, match="is a file"):
        write(f"{tmp_path}/file/", PIECES)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@given(st.lists(st.text(max_size=12) | st.sampled_from(["a.mid", "A.MID", "a.midi", "a", "../a", "/a", "a/.", "…"])))
def test_names_are_legal_relative_and_all_different(names: list[str]) -> None:
    files = file_names(names)
    assert len({name.lower() for name in files}) == len(names)
    for name in files:
        path = PurePosixPath(name)
        assert path.suffix == ".csv"
        assert not path.is_absolute()
        assert not {"..", "."} & set(path.parts)
        assert not set('<>:"\\|?*\0\n') & set(name)
        assert not any(part.startswith(".") for part in path.parts)


def test_numbers_are_written_as_ever(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", make_sequence(np.array([[60, 0.1], [-0.0, 1e300]]), names=["x", "y"]))
    assert (tmp_path / "a.csv").read_text() == "x,y\n60,0.1\n0,1e+300\n"
