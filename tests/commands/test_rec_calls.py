"""What `hxmx rec` refuses before it listens, and what it asks in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hachimachi.commands import rec
from hachimachi.commands.rec import _Screen, make_features
from hachimachi.events import Feature
from hachimachi.io import read
from hachimachi.live.record.journal import Journal


def test_columns_by_name_and_number() -> None:
    features = make_features(4, "a,b,3,d", ["b,d", "0"], ["3"])  # a name comes before a number
    assert [feature.masked for feature in features] == [True, True, False, True]
    assert [feature.kind for feature in features] == [None, None, "categorical", None]
    assert make_features(2, None, [], ["1"]) == (Feature("0"), Feature("1", "categorical"))


PRESENT = {
    "timed.json": '{"features": {"0": {"name": "a"}}, "time": [0, 1], "data": [[1, 2], [3, 4]]}',
    "there.csv": "a,b\n1,2\n",
}
REFUSED = [
    (["2", "a.mid"], 1, ["a.mid", "record into .json .csv"]),
    (["2", "a"], 1, ["no suffix"]),
    (["0", "a.csv"], 2, ["1<=x"]),
    (["2", "a.csv", "--names", "a"], 2, ["1 names", "expected 2"]),
    (["2", "a.csv", "--names", "a,a"], 1, ["two features are named 'a'"]),
    (["2", "a.csv", "--names", "a,time"], 1, ["'time'"]),
    (["2", "a.csv", "--names", "dt,b"], 1, ["do not fit in a CSV header"]),
    (["2", "a.csv", "--masked", "2"], 2, ["--masked", "'2'", "0 (x0), 1 (x1)"]),
    (["2", "a.csv", "--names", "x,y", "--categorical", "z"], 2, ["--categorical", "0 (x), 1 (y)"]),
    (["2", "there.csv"], 1, ["there.csv: is there already", "another name"]),
    (["2", "there.csv", "--append"], 1, ["--append", ".json"]),
    (["2", "timed.json", "--temporal"], 1, ["timed.json: is there already", "--append"]),
    (["2", "timed.json", "--append"], 1, ["has time", "say --temporal"]),
    (["3", "timed.json", "--append", "--temporal"], 1, ["2 columns (a, 1)", "SIZE is 3"]),
    (["2", "timed.json", "--append", "--temporal", "--names", "a,b"], 1, ["other columns"]),
    (["2", "no/a.csv"], 1, ["no/a.csv: there is no folder no to write into; create it first"]),
    (["2", "folder.csv"], 1, ["folder.csv: is a folder; name a file"]),
    (["2", "folder.csv", "--append"], 1, ["folder.csv: is a folder; name a file"]),
    (["2", "a.csv", "--in-port", "9000"], 2, ["both 9000"]),
]


@pytest.mark.parametrize(("words", "status", "parts"), REFUSED)
def test_a_wrong_call_is_one_message_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hxmx_said: Any, words: list[str], status: int, parts: list[str]
) -> None:
    for name, content in PRESENT.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    port = [] if "--in-port" in words else ["--in-port", "0"]
    found, _, said = hxmx_said("rec", *words, *port)
    assert found == status, said
    assert all(part in said for part in parts), said
    assert {path.name for path in tmp_path.iterdir()} == {*PRESENT, "folder.csv"}


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    journal = Journal(tmp_path / "a.csv", (Feature("x"),))
    journal.event(0, 0, np.array([7.0]))
    journal.abandon()
    return journal.path


@pytest.mark.parametrize(("answer", "kept", "left"), [
    ("", True, ["a.csv.journal"]),
    ("keep", True, ["a.csv.journal"]),
    ("save", False, ["a-rescued.csv"]),
    ("discard", False, []),
])  # fmt: skip
def test_in_a_terminal_it_asks(
    crashed: Path, monkeypatch: pytest.MonkeyPatch, answer: str, kept: bool, left: list[str]
) -> None:
    asked: list[str] = []

    def prompt(text: str, *, type: Any, default: str) -> str:
        asked.append(text)
        return type.convert(answer or default, None, None)

    monkeypatch.setattr(rec.click, "prompt", prompt)
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    said: list[str] = []
    assert rec.offer_rescue(crashed, (Feature("x"),), True, said.append) is kept
    assert "1 event in 0.0 s" in said[0]
    assert len(asked) == 1
    assert sorted(path.name for path in crashed.parent.iterdir()) == left
    if answer == "save":
        assert read(crashed.parent / "a-rescued.csv")[0].data.tolist() == [[7]]


def test_an_existing_file_names_what_a_crash_left(crashed: Path, hxmx_said: Any) -> None:
    crashed.write_text("x\n1\n")
    status, _, said = hxmx_said("rec", "1", crashed, "--in-port", "0")
    assert status == 1
    assert "unfinished" in said


def test_the_counter_stays_on_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Screen(quiet=False)
    monkeypatch.setattr("time.monotonic", lambda: screen._began + 61.5)  # not to the second: sums of floats fall short
    screen.show(1200, 20.0)
    screen.show(1, 0.0)
    screen.warn("refused")
    said = capsys.readouterr()
    first, second = said.out.removesuffix("\n").split("\r")[1:]
    assert first == "01:01  1,200 events  20.0 a second"
    assert second.rstrip() == "01:01  1 event  0.0 a second"
    assert len(first) == len(second)
    assert said.err == "hxmx: refused\n"
