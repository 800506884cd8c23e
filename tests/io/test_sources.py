"""Which files are read: below folders, through links, by patterns, under odd names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from hachimachi.errors import HachimachiError
from hachimachi.io import Report, read
from hachimachi.io.many import find_files, names_of

links = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("time,x\n0,1\n")
    return folder


def find(*sources: Path, report: Report | None = None, without: Sequence[Path] = ()) -> list[str]:
    files = find_files(sources, [".csv", ".json"], report or Report(), without)
    return names_of(files, sources)


def test_below_a_folder_everything_is_found_sorted_and_the_rest_counted(tmp_path: Path) -> None:
    fill(tmp_path, "b.csv", "a/2.CSV", "a/1.csv", "a/._1.csv", ".git/x.csv", "notes.txt", "a/more.txt", "README")
    (tmp_path / "split.json").write_text("{}")
    report = Report()
    assert find(tmp_path, report=report) == ["a/1.csv", "a/2.CSV", "b.csv"]
    assert report.passed == {".txt": 2, "": 1}
    assert not report.faults


def test_each_file_once_however_it_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "a/x.csv", "b/y.csv")
    again = [tmp_path / "a" / ".." / "a" / "x.csv", tmp_path, tmp_path / "b" / "*.csv"]
    assert find(*again) == ["a/x.csv", "b/y.csv"]


@links
def test_links_are_followed_each_folder_once_and_circles_end(tmp_path: Path) -> None:
    fill(tmp_path / "far", "deep/z.csv")
    fill(tmp_path / "here", "a/x.csv")
    (tmp_path / "here" / "0_link").symlink_to(tmp_path / "far")
    (tmp_path / "here" / "a" / "circle").symlink_to(tmp_path / "here")
    (tmp_path / "here" / "a" / "same").symlink_to(tmp_path / "far" / "deep")
    assert find(tmp_path / "here") == ["0_link/deep/z.csv", "a/x.csv"]


@links
def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "a.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "gone.csv")
    report = Report()
    assert [sequence.name for sequence in read(tmp_path, report)] == ["a.csv"]
    assert report.refused == {"b.csv": "the link leads nowhere"}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may look anywhere")
def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "a.csv", "shut/b.csv")
    (tmp_path / "shut").chmod(0)
    report = Report()
    assert find(tmp_path, report=report) == ["a.csv"]
    (tmp_path / "shut").chmod(0o700)
    assert "cannot be looked into: Permission denied" in report.refused[(tmp_path / "shut").as_posix()]


def test_what_is_about_to_be_written_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "a.csv", "out.csv")
    assert find(tmp_path, without=[tmp_path / "out.csv", tmp_path / "absent.csv"]) == ["a.csv"]
    assert find(tmp_path / "*.csv", without=[tmp_path / "out.csv"]) == ["a.csv"]


NAMES = ["two words.csv", "it's.csv", 'a "quoted".csv', "naïve ♪ 音楽.csv", "[brackets].csv", "-dash.csv", "a#1.csv"]


@pytest.mark.skipif(os.name == "nt", reason="such names are not allowed there")
@pytest.mark.parametrize("name", NAMES)
def test_odd_names(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name)
    assert [sequence.name for sequence in read(tmp_path / name)] == [name]
    assert [sequence.name for sequence in read(tmp_path)] == [name]


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode there")
def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    fill(tmp_path, os.fsdecode(b"caf\xe9.csv"))
    assert [sequence.name for sequence in read(tmp_path)] == ["caf�.csv"]


@pytest.mark.parametrize(
    ("sources", "words"),
    [([], "name at least one"), (["empty"], "no files ending in .csv .json"), (["*.mid"], "no file fits")],
)
def test_nothing_to_read(tmp_path: Path, sources: list[str], words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(HachimachiError, match=words):
        find(*(tmp_path / name for name in sources))
