"""The account of what happened: nothing is counted twice or lost, and a file of it holds all."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hachimachi.errors import HachimachiError
from hachimachi.events import make_sequence
from hachimachi.io import Report, read, write
from hachimachi.io import report as said
from hachimachi.io.midi import write as midi_write
from hachimachi.io.report import EMPTY, HEADER, Duplicate, write_report


def full() -> Report:
    report = Report(files=3, duplicates=[Duplicate("b", "a", 0.9712, 3), Duplicate("d", "c", 1.0)])
    report.count("notes struck again", "a.mid", 2)
    report.count("notes struck again", "ü, b.mid")
    report.count(EMPTY, "a.mid", 5)
    report.understand("decimal commas", "c.csv")
    report.drop("in sequences of fewer than 8", "c", 5)
    report.refused["x.csv"] = "row 3: found 1 values, expected 2"
    report.refused["y.csv"] = "row 17: found 12 values, expected 2"
    report.refused["z.mid"] = "the file is empty"
    report.cut["a.mid"] = 4
    report.passed[".txt"] = 7
    report.constants["instrument"] = 128.0
    report.measure([make_sequence([[1], [2]], time=[1, 4])])
    return report


def test_it_adds_up() -> None:
    whole = full()
    whole.add(full())
    assert whole.remarks == {"notes struck again": {"a.mid": 4, "ü, b.mid": 2}, EMPTY: {"a.mid": 10}}
    assert whole.understood == {"decimal commas": {"c.csv": 2}}
    assert whole.dropped == {"in sequences of fewer than 8": {"c": 10}}
    assert (whole.files, len(whole.refused), whole.cut["a.mid"], whole.passed[".txt"]) == (6, 3, 8, 14)
    assert (whole.sequences, whole.events, whole.seconds) == (1, 2, 3.0)


def test_no_times_leave_no_trace() -> None:
    report = Report()
    report.count("x", "a", 0)
    report.drop("y", "a", 0)
    assert report == Report()


def test_reasons_that_differ_in_particulars_are_one() -> None:
    assert full().reasons() == {
        "row …: found … values, expected …": ["x.csv", "y.csv"],
        "the file is empty": ["z.mid"],
    }


def test_faults_are_what_nobody_asked_for() -> None:
    assert full().faults == [
        "left out x.csv and 1 more: row …: found … values, expected …",
        "left out z.mid: the file is empty",
        "3 notes struck again (in 2 files)",
    ]
    asked = Report(cut=full().cut, passed=full().passed, constants=full().constants, dropped=full().dropped)
    assert asked.faults == []


def test_lines_say_what_was_dropped_too() -> None:
    assert "5 events left out: in sequences of fewer than 8 (c)" in full().lines()


def test_the_csv_form_has_a_row_for_everything(tmp_path: Path) -> None:
    write_report(tmp_path / "r.csv", full())
    header, *rows = csv.reader((tmp_path / "r.csv").read_text(encoding="utf-8").splitlines())
    assert tuple(header) == HEADER
    for row in (
        ["mended or odd", "ü, b.mid", "1", "notes struck again"],
        ["read as", "c.csv", "1", "decimal commas"],
        ["events left out", "c", "5", "in sequences of fewer than 8"],
        ["left out", "y.csv", "1", "row 17: found 12 values, expected 2"],
        ["cut into parts", "a.mid", "4", "gaps above --max-gap"],
        ["near duplicate", "b", "0.9712", "of a, +3 semitones"],
        ["near duplicate", "d", "1.0", "of c"],
        ["column left out", "instrument", "1", "128 throughout"],
        ["passed over", ".txt", "7", "no data"],
        ["total", "events", "2", "read, after all of this"],
    ):
        assert row in rows


def test_the_json_form_has_it_too(tmp_path: Path) -> None:
    write_report(tmp_path / "r.JSON", full())
    top = json.loads((tmp_path / "r.JSON").read_text(encoding="utf-8"))
    assert top["left_out"] == full().refused
    assert top["mended_or_odd"] == full().remarks
    assert top["events_left_out"] == full().dropped
    assert top["near_duplicates"][0] == {"name": "b", "of": "a", "score": 0.9712, "transposed": 3}
    assert (top["files"], top["sequences"], top["events"], top["seconds"]) == (3, 1, 2, 3.0)


def test_no_other_form(tmp_path: Path) -> None:
    with pytest.raises(HachimachiError, match=r"r\.txt: a report ends in \.csv or \.json"):
        write_report(tmp_path / "r.txt", full())


def test_a_strict_report_stops_reading_and_writing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,x\n0,1\n")
    (tmp_path / "b.csv").write_text("time,x\n0\n")
    assert read(tmp_path / "a.csv", Report(strict=True))
    with pytest.raises(HachimachiError, match=r"strict: left out b\.csv: row 2"):
        read(tmp_path, Report(strict=True))
    with pytest.raises(HachimachiError, match=r"strict: left out x\.csv and 1 more: .*; and for 1 more reason, see"):
        write(
            tmp_path / "c.csv",
            make_sequence([[1]], names=["x"]),
            replace(full(), strict=True, understood={}, remarks={"odd": Counter(a=1), "worse": Counter(a=1)}),
        )
    assert not (tmp_path / "c.csv").exists()
    full().check()


@pytest.mark.parametrize(
    ("number", "remark", "expected"),
    [
        (2, midi_write.CUT, "2 notes that go on when their key is struck again: they end there"),
        (1, midi_write.CUT, "1 note that goes on when its key is struck again: it ends there"),
        (1, said.ELSEWHERE, "1 tempo change outside the first track: it holds for all tracks"),
        (1, said.OVERLONG, "1 time or length of more than 4 bytes: read by its last three"),
        (1, said.MISSING, "1 track that the header announces is not there"),
    ],
)
def test_of_one_thing_the_singular(number: int, remark: str, expected: str) -> None:
    report = Report()
    report.count(remark, "a.mid", number)
    assert report.lines() == [f"{expected} (a.mid)"]
