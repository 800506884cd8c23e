"""What stands at an output path: what hachimachi wrote is replaced, anything else is kept under another name."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from hachimachi.events import make_sequence
from hachimachi.io import atomic, write
from hachimachi.io.atomic import is_ours, replacing

NOTES = make_sequence([[60 + i % 5] for i in range(20)], [i / 4 for i in range(20)], ["pitch"])
OTHERS = make_sequence([[72]], [0], ["pitch"])


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(atomic, "_written", set())
    return tmp_path / "state" / "hachimachi" / "written"


@pytest.mark.parametrize("suffix", [".json", ".csv", ".mid", ".wav", ".arrow"])
def test_what_others_wrote_is_kept_and_said(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(b"precious")
    with pytest.warns(
        UserWarning, match=rf"mine\{suffix}: was there and not written by hxmx; it is kept as mine.*\.bak"
    ):
        write(path, NOTES)
    assert (tmp_path / f"mine{suffix}.bak").read_bytes() == b"precious"
    assert path.read_bytes() != b"precious"
    write(path, OTHERS)  # now it is ours
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, f"{path.name}.bak"]


def test_each_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    for number, content in enumerate(("one", "two", "three"), 1):
        path.write_text(content)
        with pytest.warns(UserWarning, match=f"kept as mine.csv.bak{number if number > 1 else ''}$"):
            write(path, NOTES)
    assert [(tmp_path / f"mine.csv.bak{number}").read_text() for number in ("", 2, 3)] == ["one", "two", "three"]


@pytest.mark.usefixtures("state")
def test_ours_is_known_in_the_next_process_but_not_once_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "take.csv"
    write(path, NOTES)
    monkeypatch.setattr(atomic, "_written", set())
    assert is_ours(path)
    write(path, OTHERS)
    assert not (tmp_path / "take.csv.bak").exists()
    monkeypatch.setattr(atomic, "_written", set())
    path.write_text(path.read_text().replace("72", "73"))  # by hand
    with pytest.warns(UserWarning, match=r"take\.csv\.bak"):
        write(path, NOTES)


def test_the_same_content_is_no_loss(tmp_path: Path, state: Path) -> None:
    path, copy = tmp_path / "take.csv", tmp_path / "copy.csv"
    write(path, NOTES)
    copy.write_bytes(path.read_bytes())
    state.unlink()
    atomic._written.clear()
    write(copy, NOTES)
    assert not list(tmp_path.glob("*.bak"))


def test_a_link_stays_a_link_and_what_it_leads_to_is_kept(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("precious")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with pytest.warns(UserWarning, match=r"link\.csv: .* kept as real\.csv\.bak"):
        write(tmp_path / "link.csv", NOTES)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv.bak").read_text() == "precious"


def test_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "mine.csv.bak").write_text("older")
    (tmp_path / "mine.csv").write_text("precious")
    with pytest.warns(UserWarning, match=r"bak2"):
        write(tmp_path / "mine.csv", NOTES)
    assert [(tmp_path / f"mine.csv.bak{n}").read_text() for n in ("", "2")] == ["older", "precious"]


def test_where_nothing_can_be_remembered_this_process_still_knows_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))  # no folder can be made there
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(tmp_path / "take.csv", NOTES)
        write(tmp_path / "take.csv", OTHERS)
    assert not list(tmp_path.glob("*.bak"))


def test_what_fails_moves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("precious")
    with pytest.raises(KeyError), replacing(path):
        raise KeyError
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("mine.csv", "precious")]


def test_the_list_of_digests_stays_short(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "MOST", 33 * 20)
    for number in range(60):
        with replacing(tmp_path / f"{number}.csv") as beside:
            beside.write_text(str(number))
    atomic._written.clear()
    assert len(state.read_text().splitlines()) <= 20
    assert is_ours(tmp_path / "59.csv")
    assert not is_ours(tmp_path / "0.csv")
    assert [each.name for each in state.parent.iterdir()] == ["written"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_pipes_and_devices_are_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(Exception, match="is no plain file"):
        write(tmp_path / "pipe.csv", NOTES)
    with pytest.raises(Exception, match="is no plain file"), replacing("/dev/null"):
        pass
