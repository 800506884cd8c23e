"""The table of `make bench-data` gathers what modules there are."""

from __future__ import annotations

import pytest

from benchmarks import data, data_midi


def test_every_module_of_its_name_is_found() -> None:
    modules = data.find_modules()
    assert modules["midi"] is data_midi.rows
    assert all(callable(rows) for rows in modules.values())


def test_what_is_asked_for_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {"a": lambda: [("first", "1", "2")], "b": lambda: [("second", "3", "4")]}
    monkeypatch.setattr(data, "find_modules", lambda: rows)
    data.main(["b"])
    shown = capsys.readouterr().out
    assert "second" in shown
    assert "first" not in shown


def test_what_is_not_measured_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        data.main(["nothing"])
    assert "'nothing' is not measured here; there are" in capsys.readouterr().err


def test_without_corpora_it_says_where_they_should_be(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(data_midi, "BESIDE", tmp_path)
    assert [row[1].startswith("not measured: there is no folder") for row in data_midi.rows()] == [True] * 3
