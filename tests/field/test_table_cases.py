"""Tables from the field: loggers, oscilloscopes, sensors; what can mean one thing only is read."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from hachimachi import load_model
from hachimachi.errors import HachimachiError
from hachimachi.io import Report, read

from .conftest import Case, Said


def lines_of(path: Path) -> list[str]:
    report = Report()
    read(path, report)
    return report.lines()


def test_22_times_since_1970_become_sound_and_midi(case: Case, hxmx_said: Said) -> None:
    folder = case("22")
    for name, output in (
        ("epoch.csv", "e.wav"),
        ("epoch.csv", "e.mid"),
        ("late.mid", "late.wav"),
        ("late.mid", "l.mid"),
    ):
        status, out, err = hxmx_said("format", name, output)
        assert (status, err) == (0, "")
        assert "seconds before the first event" in out
    with wave.open("e.wav") as sound:
        assert sound.getnframes() / 44100 == pytest.approx(99.8 + 0.1 + 2, abs=0.2)
    [again] = read("e.mid")
    assert len(again) == 400
    assert again.time is not None
    assert (again.time[0], round(float(again.time[-1]), 1)) == (0, 99.8)
    assert hxmx_said("augment", "epoch.csv", "a.wav", "--op", "add(value=1,dims=pitch)")[0] == 0
    for name in ("heater.csv", "header_added.csv"):
        with pytest.raises(HachimachiError):
            read(folder / name)


def test_22_sound_of_days_is_refused_in_one_line(
    tmp_path: Path, hxmx_said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("days.csv").write_text("time,pitch\n0,60\n1e6,61\n")
    status, _, err = hxmx_said("format", "days.csv", "days.wav")
    assert status == 1
    assert "sound, expected at most 3,600" in err
    status, _, err = hxmx_said("gen", "no.pt", "x.wav", "--seconds", 100_000)
    assert status == 2
    assert "at most 3,600" in err


def test_23_times_before_zero_are_counted_from_the_first(case: Case) -> None:
    folder = case("23")
    [acquired], [from_zero] = read(folder / "acq.csv"), read(folder / "acq_from0.csv")
    assert acquired.time is not None
    assert from_zero.time is not None
    np.testing.assert_allclose(acquired.time, from_zero.time, atol=1e-9)
    assert any("begin before 0" in line for line in lines_of(folder / "acq.csv"))
    for name in ("tek.csv", "units_row.csv"):
        with pytest.raises(HachimachiError, match="expected a finite number"):
            read(folder / name)


def test_24_headers_behind_a_hash(case: Case) -> None:
    folder = case("24")
    for name in ("openmm", "time", "hash_space", "rownumber"):
        [sequence] = read(folder / f"{name}.csv")
        assert not any("#" in feature.name for feature in sequence.features)
    with pytest.raises(HachimachiError, match="time"):
        read(folder / "no.csv")


def test_26_what_info_advises_works_for_any_name(case: Case, hxmx_said: Said) -> None:
    case("26")
    status, out, _ = hxmx_said("info", "switch.csv")
    assert status == 0
    assert "'feature.left" in out
    words = [f"feature.{name}.kind=categorical" for name in ("acc.x", "left hand", "mode (1-3)", "été")]
    quick = ("trainer.max_epochs=1", "logger=none", "callbacks=quiet")
    assert hxmx_said("train", "switch.csv", "s.pt", *words, *quick)[0] == 0
    kinds = {column.name: column.feature.kind for column in load_model("s.pt").columns}
    assert [kinds[name] for name in ("acc.x", "left hand", "mode (1-3)", "été")] == ["categorical"] * 4
    status, _, err = hxmx_said("train", "switch.csv", "s.pt", "feature.left hand.knd=categorical")
    assert (status, err) == (2, "hxmx: feature.left hand.knd: no such key; did you mean feature.left hand.kind?\n")
    status, _, err = hxmx_said("train", "switch.csv", "s.pt", "feature.acc.y.min=1", *quick)
    assert "feature.acc.y: the data has no such feature" in err


def test_28_appended_sessions_are_refused_with_their_row(case: Case) -> None:
    folder = case("28")
    for name in ("twice", "restart", "dst"):
        with pytest.raises(HachimachiError, match=r"row \d+, column"):
            read(folder / f"{name}.csv")


def test_30_folders_with_brackets_are_no_patterns(case: Case) -> None:
    folder = case("30")
    assert len(read("Bon Iver [2007]/*.mid")) == 2
    assert len(read(str(folder / "Bon Iver [2007]" / "o*.mid"))) == 1
    assert len(read("song [live]*.mid")) == 1
    assert [each.name for each in read("song [l]*.mid")] == ["song l.mid"]
    assert len(read("B*/[ot]*.mid")) == 2
    for name in ("song [live].mid", "star*.mid", "what?.mid"):
        assert len(read(name)) == 1
