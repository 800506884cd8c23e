from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import symusic
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import Report, read
from hachimachi.io.midi import DRUMS, NOTES

Reader = Callable[..., tuple[EventSequence, Report]]
CORPORA = ["freedoom_small/midi", "groove_dev/midi", "piano_midi_de_small/midi"]
NOTE = b"\x60\x90\x3c\x50\x60\x80\x3c\x00"  # after 96 ticks, for 96


@pytest.mark.parametrize("corpus", CORPORA)
def test_no_note_of_a_corpus_is_lost(shared_data: Path, corpus: str) -> None:
    """The corpora carry a count of note-ons, made by others, for each file."""
    folder = shared_data / corpus
    with (folder.parent / "stats.csv").open() as file:
        counts = {row["file"]: int(row["notes"]) for row in csv.DictReader(file)}
    sequences = read(folder)
    assert {sequence.name: len(sequence) for sequence in sequences} == counts


def test_tempo_changes_outside_the_first_track(shared_data: Path) -> None:
    (sequence,) = read(shared_data / "freedoom_small" / "midi" / "d_e3m9.mid")
    assert sequence.time is not None
    assert (sequence.time + sequence.column("duration")).max() == pytest.approx(170.1, abs=0.05)


def other_notes(path: Path) -> NDArray[np.float64]:
    """Time, pitch and velocity of each note as symusic sees them."""
    score: Any = symusic.Score(path, ttype="second")
    return np.array([(note.time, note.pitch, note.velocity) for track in score.tracks for note in track.notes])


@pytest.mark.parametrize("corpus", CORPORA)
def test_agrees_with_another_parser(shared_data: Path, corpus: str) -> None:
    """symusic gives float32 seconds and loses a note here and there: compare where its count is the same."""
    compared = 0
    for path in sorted((shared_data / corpus).glob("*.mid"))[::10]:
        (sequence,) = read(path)
        found = other_notes(path)
        if len(found) == len(sequence) and sequence.time is not None:
            ours = np.column_stack([sequence.time, sequence.data[:, :2]])
            for column, tolerance in enumerate([2e-3, 0, 0]):
                np.testing.assert_allclose(np.sort(found[:, column]), np.sort(ours[:, column]), atol=tolerance)
            compared += 1
    assert compared > 5


def test_columns_and_order(notes_of: Reader) -> None:
    high_then_low = b"\x00\x90\x48\x50\x00\x90\x30\x51\x60\x80\x48\x00\x00\x80\x30\x00"
    sequence, _ = notes_of(high_then_low)
    assert sequence.features == NOTES
    assert sequence.data.tolist() == [[48, 81, 0.1, 0], [72, 80, 0.1, 0]]


def test_tempo_map_over_all_tracks(notes_of: Reader) -> None:
    slower = b"\x60\xff\x51\x03\x0f\x42\x40"  # 60 per minute from tick 96
    sequence, _ = notes_of(b"\x00\xff\x51\x03\x07\xa1\x20", NOTE, slower)
    assert sequence.time is not None
    assert (sequence.time[0], sequence.column("duration")[0]) == (0.1, pytest.approx(0.2, abs=1e-15))


def test_many_tempos_add_up_without_drift(notes_of: Reader) -> None:
    odd = b"\x01\xff\x51\x03\x07\xa1\x23" * 100_000  # 500,003 µs a quarter, set anew at every tick
    sequence, _ = notes_of(odd + b"\x00\x90\x3c\x50\x60\x80\x3c\x00")
    assert sequence.time is not None
    expected = (500_000 + 99_999 * 500_003) / 480e6
    assert sequence.time[0] == expected


def test_frames_instead_of_quarters(notes_of: Reader) -> None:
    sequence, _ = notes_of(b"\x00\xff\x51\x03\x0f\x42\x40" + NOTE, division=0xE728)  # 25 frames of 40 ticks
    assert sequence.time is not None
    assert (sequence.time[0], sequence.column("duration")[0]) == (0.096, 0.096)


def test_instrument_is_what_the_track_set_else_any_track_for_the_channel_else_piano(notes_of: Reader) -> None:
    conductor = b"\x00\xc0\x05\x00\xc1\x06"
    own = b"\x00\xc0\x07" + NOTE
    second = NOTE.replace(b"\x90", b"\x91").replace(b"\x80", b"\x81")
    drums = NOTE.replace(b"\x90", b"\x99").replace(b"\x80", b"\x89")
    third = NOTE.replace(b"\x90", b"\x92").replace(b"\x80", b"\x82")
    sequence, _ = notes_of(conductor, own, second, drums, third, NOTE)
    assert sequence.column("instrument").tolist() == [0, 6, 7, 7, DRUMS]


def test_constant_instrument_is_decided_over_all_files(tmp_path: Path, midi_bytes: Callable[..., bytes]) -> None:
    (tmp_path / "a.mid").write_bytes(midi_bytes(b"\x00\xc0\x05" + NOTE))
    (tmp_path / "b.mid").write_bytes(midi_bytes(b"\x00\xc0\x05" + NOTE))
    report = Report()
    assert all(sequence.features == NOTES[:3] for sequence in read(tmp_path, report))
    assert report.constants == {"instrument": 5.0}
    assert read(tmp_path / "a.mid", all_columns=True)[0].features == NOTES
    (tmp_path / "c.mid").write_bytes(midi_bytes(NOTE))
    assert [sequence.column("instrument").tolist() for sequence in read(tmp_path)] == [[5], [5], [0]]


def test_running_status_survives_meta_and_exclusive_events(notes_of: Reader) -> None:
    events = b"\x00\x90\x3c\x50\x00\xff\x01\x02hi\x60\x3c\x00\x00\xf0\x02\x01\xf7\x60\x3e\x40\x60\x3e\x00"
    sequence, _ = notes_of(events)
    assert sequence.column("pitch").tolist() == [60, 62]


WRONG: dict[str, tuple[Callable[[bytes], bytes], list[str]]] = {
    "empty": (lambda _: b"", ["empty"]),
    "not midi": (lambda _: b"RIFF....", ["not a MIDI file", "RIFF", "MThd"]),
    "header only": (lambda data: data[:10], ["truncated", "10 bytes"]),
    "cut": (lambda data: data[:-10], ["track 1 of 1", "an event that breaks off", "no notes before"]),
    "no tracks": (lambda data: data[:14], ["no notes"]),
    "format 7": (lambda data: data[:9] + b"\x07" + data[10:] + data[14:], ["format 7", "format 1"]),
    "no division": (lambda data: data[:12] + b"\0\0" + data[14:], ["0 ticks"]),
    "frames": (lambda data: data[:12] + b"\xf0\x04" + data[14:], ["16 frames"]),
    "too long a time": (lambda data: data.replace(NOTE, b"\xff" * 5 + NOTE), ["track 1 of 1", "more than 4 bytes"]),
    "two days": (lambda data: data.replace(NOTE, b"\xff\xff\xff\x7f\x90" + NOTE[2:]), ["lasts", "86,400"]),
    "no status": (lambda data: data.replace(NOTE, b"\x00" + NOTE[2:] + b"\x00"), ["track 1 of 1", "byte 60"]),
    "pitch 188": (lambda data: data.replace(b"\x90\x3c", b"\x90\xbc"), ["damaged", "188", "127"]),
    "no notes": (lambda data: data.replace(b"\x90\x3c\x50", b"\x90\x3c\x00"), ["no notes"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_damage_has_its_own_message(tmp_path: Path, midi_bytes: Callable[..., bytes], case: str) -> None:
    damage, words = WRONG[case]
    path = tmp_path / "bad.mid"
    path.write_bytes(damage(midi_bytes(NOTE)))
    with pytest.raises(HachimachiError) as caught:
        read(path)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "bad.mid" in message
    assert "\n" not in message
