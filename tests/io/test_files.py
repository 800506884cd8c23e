from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from hachimachi.errors import HachimachiError
from hachimachi.events import make_sequence
from hachimachi.io import Report, read, write
from hachimachi.io.atomic import replacing


def make_folder(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("time,x\n0,1\n")
    return folder


def test_a_folder_is_read_sorted_and_named_by_path(tmp_path: Path) -> None:
    make_folder(tmp_path, ["b.csv", "a/2.CSV", "a/1.csv", "a/._1.csv", "notes.txt"])
    (tmp_path / "split.json").write_text('{"train": []}')
    assert [sequence.name for sequence in read(tmp_path)] == ["a/1.csv", "a/2.CSV", "b.csv"]


def test_several_files_are_named_from_where_they_all_lie(tmp_path: Path) -> None:
    make_folder(tmp_path, ["a/x.csv", "b/x.csv"])
    assert [s.name for s in read([tmp_path / "b", tmp_path / "a" / "x.csv"])] == ["b/x.csv", "a/x.csv"]
    assert [s.name for s in read([tmp_path / "a" / "x.csv", tmp_path / "a" / "x.csv"])] == ["x.csv"]


def test_a_bad_file_among_several_is_told(tmp_path: Path) -> None:
    make_folder(tmp_path, ["a.csv"])
    (tmp_path / "bad.csv").write_text("time,x\n0\n")
    report = Report()
    assert len(read(tmp_path, report)) == 1
    assert "row 2" in report.refused["bad.csv"]
    assert any("left out" in line and "bad.csv" in line for line in report.lines())
    with pytest.warns(UserWarning, match=r"left out.*bad\.csv.*row 2"):
        read(tmp_path)


def test_report_names_the_first_and_counts_the_rest() -> None:
    report = Report(refused={str(i): "wrong" for i in range(13)})
    assert report.lines()[-2:] == ["left out: 9: wrong", "left out: 3 more files"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent.csv", "there is no such file"),
        ("absent", "there is no such file or folder"),
        ("x" * 300 + ".mid", "there is no such file"),
        ("x.txt", r"suffix '\.txt'.*\.json \.csv \.mid \.midi"),
        ("plain", r"no suffix.*\.json"),
        ("empty.json", "the file is empty"),
        ("empty", "no files ending in"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, words: str) -> None:
    make_folder(tmp_path, ["x.txt", "plain"])
    (tmp_path / "empty.json").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(HachimachiError, match=words) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)


def test_nothing_readable_and_nothing_alike(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,x\n0\n")
    (tmp_path / "b.csv").write_text("time,x\n0\n")
    with pytest.raises(HachimachiError, match=r"none of 2 files.*row 2"):
        read(tmp_path)
    (tmp_path / "a.csv").write_text("time,x\n0,1\n")
    (tmp_path / "b.csv").write_text("time,y\n0,1\n")
    with pytest.raises(HachimachiError, match=r"b\.csv and a\.csv differ in features"):
        read(tmp_path)


def test_unknown_suffix_names_what_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(HachimachiError, match=r"x\.txt.*\.json \.csv \.mid \.midi \.wav"):
        write(tmp_path / "x.txt", make_sequence([[1]]))


def test_replacing_keeps_the_old_file_until_success(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    with replacing(target) as beside:
        beside.write_text("old")
    with pytest.raises(KeyError), replacing(target) as beside:
        beside.write_text("half")
        assert (beside.parent, beside.suffix) == (tmp_path, ".json")
        raise KeyError
    assert target.read_text() == "old"
    with replacing(target) as beside:
        beside.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_replacing_without_a_place_to_write(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    wrong = {"no/x.json": "no folder", "folder.json": "is a folder", "x" * 250 + "/y.json": "no folder"}
    for name, words in wrong.items():
        with pytest.raises(HachimachiError, match=words), replacing(tmp_path / name):
            pass


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_replacing_where_nothing_may_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HachimachiError, match="cannot be written"), replacing(tmp_path / "x.json"):
        pass
    tmp_path.chmod(0o700)


def test_replacing_tells_of_a_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(HachimachiError, match=r"x\.json: cannot be written: No space left"),
        replacing(tmp_path / "x.json"),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_named_as_a_file_is_not_filled_with_others(tmp_path: Path) -> None:
    (tmp_path / "song.mid").mkdir()
    piece = make_sequence([[60, 80], [62, 80]], [0, 1])
    with pytest.raises(HachimachiError, match="is a folder; name a file to write, or end it with /"):
        write(tmp_path / "song.mid", piece)
    assert not list((tmp_path / "song.mid").iterdir())
    write(f"{tmp_path / 'song.mid'}/", piece)
    assert [path.suffix for path in (tmp_path / "song.mid").iterdir()] == [".csv"]
