"""MIDI files from the field: each is read as players play it, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import Report, read
from hachimachi.io import report as said
from hachimachi.io.midi import MidiOptions

from .conftest import Case, Said


def notes_in(path: Path, *columns: str) -> tuple[EventSequence, dict[str, int]]:
    report = Report()
    [sequence] = read(path, report, midi=MidiOptions(columns or None))
    return sequence, {remark: files.total() for remark, files in report.remarks.items()}


def test_01_fine_ticks_and_long_files(case: Case) -> None:
    sequence, _ = notes_in(case("01") / "maps.mid")
    assert sequence.time is not None
    assert (len(sequence), round(float(sequence.time[-1]))) == (108, 214)


def test_02_a_division_of_no_frame_rate_is_refused(case: Case) -> None:
    with pytest.raises(HachimachiError, match="40 frames a second"):
        notes_in(case("02") / "sentimental.mid")


@pytest.mark.parametrize(("name", "notes"), [("take.mid", 13), ("padded5.mid", 8), ("padded3.mid", 8)])
def test_03_overlong_times_are_read_as_players_do(case: Case, name: str, notes: int) -> None:
    sequence, remarks = notes_in(case("03") / name)
    assert len(sequence) == notes
    assert sequence.time is not None
    assert np.diff(sequence.time).max() < 1
    assert remarks == ({} if name == "padded3.mid" else {said.OVERLONG: 1})


@pytest.mark.parametrize(
    ("name", "notes", "wrong"),
    [
        ("one_track.mid", 24, 16),
        ("one_volume_mid_song.mid", 24, 1),
        ("setup_track.mid", 24, 16),
        ("pitch_253.mid", 24, 2),
        ("velocity_200.mid", 25, 1),
    ],
)
def test_04_a_data_byte_beyond_127_costs_its_message_alone(case: Case, name: str, notes: int, wrong: int) -> None:
    sequence, remarks = notes_in(case("04") / name)
    assert (len(sequence), remarks) == (notes, {said.WRONG_DATA: wrong})
    assert sequence.column("velocity").max() == (127 if name == "velocity_200.mid" else 80)


@pytest.mark.parametrize("name", ["no_hero.mid", "info_first.mid", "beethoven.rmi"])
def test_05_riff_files_hold_the_same_notes(case: Case, name: str) -> None:
    folder = case("05")
    (found, remarks), (plain, _) = notes_in(folder / name), notes_in(folder / "plain.mid")
    assert (found.data.tolist(), remarks) == (plain.data.tolist(), {})


def test_06_a_channel_of_another_port_is_another_channel(case: Case) -> None:
    folder = case("06")
    sequence, _ = notes_in(folder / "end.mid", "pitch", "track", "pedal")
    assert {(track, pedal) for _, track, pedal in sequence.data.tolist()} == {(2, 0), (3, 127), (4, 0)}
    sequence, _ = notes_in(folder / "noprogram.mid", "pitch", "instrument", "track")
    assert {(track, instrument) for _, instrument, track in sequence.data.tolist()} == {(2, 48), (3, 0)}


def test_11_what_is_no_midi_is_named_and_the_rest_is_read(case: Case, hxmx_said: Said) -> None:
    case("11")
    status, out, _ = hxmx_said("format", "collection", "o.json", "--report", "o.csv")
    assert status == 0
    assert "from 8 files" in out
    assert len([line for line in Path("o.csv").read_text().splitlines() if line.startswith("left out")]) == 15
    assert "passed over" not in out


def test_12_overlaps_and_doubled_ends(case: Case) -> None:
    folder = case("12")
    assert set(notes_in(folder / "tux.mid")[0].column("duration").tolist()) == {0.5}
    sequence, remarks = notes_in(folder / "overlap.mid")
    assert sequence.column("duration").tolist() == [1, 0.5, 0.5]
    assert remarks == {said.RESTARTED: 1}


def test_13_all_notes_off_ends_notes(case: Case) -> None:
    folder = case("13")
    sequence, remarks = notes_in(folder / "stepper.mid")
    assert (sequence.column("duration").tolist(), remarks) == ([0.5] * 12, {})
    sequence, remarks = notes_in(folder / "chord_then_allnotesoff.mid")
    assert (sequence.column("duration").tolist()[:3], remarks) == ([1, 1, 1], {})
    sequence, remarks = notes_in(folder / "allsoundoff.mid")
    assert (sequence.column("duration").tolist()[0], remarks) == (0.5, {})


@pytest.mark.parametrize("name", ["pattern.mid", "pattern_delta.mid"])
def test_14_a_track_of_no_length(case: Case, name: str) -> None:
    sequence, remarks = notes_in(case("14") / name)
    assert len(sequence) == 24
    assert remarks


def test_16_thirty_minutes_of_tempo_changes_are_no_music(case: Case) -> None:
    sequence, remarks = notes_in(case("16") / "minute.mid")
    assert (len(sequence), round(sequence.seconds)) == (120, 30)
    assert remarks[said.SILENCE] > 1700


def test_18_karaoke_files_are_midi(case: Case, hxmx_said: Said) -> None:
    folder = case("18")
    status, out, _ = hxmx_said("format", "song.kar", "o.json")
    assert status == 0
    assert "104 events" in out
    (folder / "songs").mkdir()
    for suffix in (".kar", ".smf", ".RMI"):
        (folder / "songs" / f"song{suffix}").write_bytes((folder / "song.kar").read_bytes())
    assert len(read(folder / "songs")) == 3
