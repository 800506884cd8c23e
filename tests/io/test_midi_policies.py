"""What is done about MIDI files that are not as they should be, on real files and made ones."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io import report as said
from hachimachi.io.midi import MidiOptions
from hachimachi.io.midi.read import parse

Make = Callable[..., bytes]
NOTE = b"\x60\x90\x3c\x50\x60\x80\x3c\x00"  # after 96 ticks, for 96
NOT_READ = {"MIDIBadHeaderChunk.mid", "MIDIBadHeaderSMTPE.mid", "test-empty-file.mid", "test-not-a-midi-file.mid"}
MENDED = {"MIDIBadHeaderLength.mid"}  # has four notes behind a header that claims to be longer


def tell(data: bytes) -> tuple[list[EventSequence], dict[str, int]]:
    report = Report()
    sequences = parse(data, "x.mid", report)
    return sequences, {remark: files.total() for remark, files in report.remarks.items()}


def last_end(sequence: EventSequence) -> float:
    assert sequence.time is not None
    return float((sequence.time + sequence.column("duration")).max())


def test_every_odd_file_is_read_as_its_manifest_says_or_refused(shared_data: Path) -> None:
    folder = shared_data / "odd_permissive"
    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 112
    for row in rows:
        path = folder / row["file"]
        notes = int(row["notes"] or 0)
        try:
            sequences = parse(path.read_bytes(), path.name, Report())
        except HachimachiError:
            assert not notes or path.name in NOT_READ, path.name
            continue
        assert sum(map(len, sequences)) == notes or path.name in MENDED
        if row["seconds"] and path.name not in MENDED:
            assert all(0 < last_end(sequence) <= float(row["seconds"]) + 0.01 for sequence in sequences), path.name


REAL = {
    "odd_permissive/from_corpora/133_hiphop_140_fill_4-4.mid": said.EMPTY,
    "odd_permissive/from_corpora/d_dm10.mid": said.RESTARTED,
    "odd_permissive/from_corpora/Whipped.mid": said.UNENDED,
    "odd_permissive/from_corpora/81_dance-breakbeat_170_beat_4-4.mid": said.SILENCE,
    "freedoom_small/midi/d_e3m9.mid": said.ELSEWHERE,
    "odd_permissive/mit_nfroidure/MIDIBadHeaderTracksNum.mid": said.MISSING,
    "odd_permissive/mit_nfroidure/MIDIBadTrackLength.mid": said.WRONG_LENGTH,
    "odd_permissive/mit_nfroidure/MIDIOkFormat2.mid": said.SEQUENTIAL,
    "odd_permissive/mit_jazzsoft/test-corrupt-file-extra-byte.mid": said.STRAY,
}


@pytest.mark.parametrize("name", REAL)
def test_what_is_said_of_a_real_file(shared_data: Path, name: str) -> None:
    _, remarks = tell((shared_data / name).read_bytes())
    assert REAL[name] in remarks


def test_silence_after_the_last_note_is_no_length(shared_data: Path) -> None:
    path = shared_data / "odd_permissive" / "from_corpora" / "81_dance-breakbeat_170_beat_4-4.mid"
    (sequence,), remarks = tell(path.read_bytes())
    assert sequence.time is not None
    assert last_end(sequence) == pytest.approx(float(sequence.time[-1]), abs=1)
    assert remarks[said.SILENCE] == 63


def test_silence_is_told_in_the_unit_asked_for_and_of_notes_only(midi_bytes: Make) -> None:
    data = midi_bytes(b"\x00\xb0\x07\x10" + NOTE + b"\x81\xf0\x00\xb0\x01\x00")  # 64 quarter notes after the note
    for wanted, unit in ((MidiOptions(), "seconds"), (MidiOptions(beats=True), "beats")):
        report = Report()
        parse(data, "x.mid", report, wanted)
        [(remark, files)] = report.remarks.items()
        assert remark.startswith(f"{unit} of silence")
        assert files.total() == 64 / (1 if unit == "beats" else 2)
    report = Report()
    parse(data, "x.mid", report, MidiOptions(controls=(7,)))
    assert not report.remarks


def test_each_track_of_format_2_is_a_sequence_on_its_own_time_line(midi_bytes: Make) -> None:
    slow = b"\x00\xff\x51\x03\x0f\x42\x40"  # 60 per minute, in this track alone
    sequences, remarks = tell(midi_bytes(slow + NOTE, b"", NOTE, kind=2))
    assert [sequence.name for sequence in sequences] == ["x.mid/1", "x.mid/3"]
    assert [sequence.time.tolist() for sequence in sequences if sequence.time is not None] == [[0.2], [0.1]]
    assert remarks == {said.SEQUENTIAL: 3}


def test_format_2_of_one_track_and_unknown_formats_of_one_are_plain_files(midi_bytes: Make) -> None:
    for kind in (2, 3, 9):
        (sequence,), remarks = tell(midi_bytes(NOTE, kind=kind))
        assert (sequence.name, len(sequence), remarks) == ("x.mid", 1, {})


def test_frames_are_told(midi_bytes: Make) -> None:
    (sequence,), remarks = tell(midi_bytes(NOTE, division=0xE728))  # 25 frames of 40 ticks
    assert (last_end(sequence), remarks) == (0.192, {said.FRAMES: 1})


def test_tempos_of_zero_are_not_heeded(midi_bytes: Make) -> None:
    (sequence,), remarks = tell(midi_bytes(b"\x00\xff\x51\x03\0\0\0" + NOTE))
    assert (last_end(sequence), remarks) == (0.2, {said.ZERO_TEMPO: 1})


def test_a_damaged_track_is_read_up_to_where_it_breaks(midi_bytes: Make) -> None:
    for rest in (b"\x00\x90\xbc\x50\x00\x00", b"\xff\xff\xff\xff\x00\x00", b"\x00\xff\x01\x60\x00\x00"):
        data = midi_bytes(NOTE + rest, NOTE)
        (sequence,), remarks = tell(data)
        assert len(sequence) == 2
        assert remarks == {said.BROKEN: len(rest) + 4}  # and the end of the track


@pytest.mark.parametrize(
    ("wrong", "velocities"),
    [
        (b"\x00\xb0\x07\xff", [80] * 4),  # a volume of 255
        (b"\x00\xb0\x87\x10", [80] * 4),
        (b"\x00\xc0\xa0", [80] * 4),
        (b"\x00\xd0\xff", [80] * 4),
        (b"\x00\xe0\x00\x80", [80] * 4),
        (b"\x00\x90\xbc\x50\x60\x80\xbc\x40", [80] * 4),
        (b"\x00\x90\x3e\xc8\x60\x3e\x00", [80, 80, 127, 80, 80]),
        (b"".join(bytes([0, 0xB0 | channel, 7, 255]) for channel in range(16)), [80] * 4),
        (b"\x00\x90\x40\xff\x60\x40\x00" * 9, [80, 80, *[127] * 9, 80, 80]),
    ],
)
def test_a_data_byte_beyond_127_costs_its_message_alone(midi_bytes: Make, wrong: bytes, velocities: list[int]) -> None:
    (sequence,), remarks = tell(midi_bytes(NOTE * 2 + wrong + NOTE * 2))
    assert sequence.column("velocity").tolist() == velocities
    assert list(remarks) == [said.WRONG_DATA]


def test_a_data_byte_beyond_127_is_damage_where_the_track_breaks_behind_it(midi_bytes: Make) -> None:
    broken = b"\x00\x90\xbc\x50\xff\xff\xff\xff\x00\x00"
    (sequence,), remarks = tell(midi_bytes(NOTE + broken))
    assert (len(sequence), remarks) == (1, {said.BROKEN: len(broken) + 4})
    far = NOTE * 5 + broken[4:]  # ten messages later: those can be believed
    (sequence,), remarks = tell(midi_bytes(NOTE + broken[:4] + far))
    assert (len(sequence), remarks) == (6, {said.WRONG_DATA: 1, said.BROKEN: len(broken)})


def test_times_of_more_than_four_bytes(midi_bytes: Make) -> None:
    for padding in (b"\x80\x80\x80\x80", b"\x82" + b"\x80" * 7):  # the second as Ardour writes it
        (sequence,), remarks = tell(midi_bytes(NOTE + padding + NOTE, division=96))
        assert sequence.time is not None
        assert (sequence.time.tolist(), remarks) == ([0.5, 1.5], {said.OVERLONG: 1})
    (sequence,), remarks = tell(midi_bytes(b"\x00\xff\x01\x80\x80\x80\x80\x02hi" + NOTE))
    assert (len(sequence), remarks) == (1, {said.OVERLONG: 1})


@pytest.mark.parametrize(
    "chunks",
    [
        b"data\x22\0\0\0MIDI",
        b"LIST\x05\0\0\0INFOx\0data\x22\0\0\0MIDI\0\0",
        b"data\x22\0\0\0MIDILIST\x04\0\0\0INFO",
        b"data\0\0\0\0MIDI",
        b"data\xff\xff\xff\xffMIDI",
    ],
)
def test_riff_files_of_midi(midi_bytes: Make, chunks: bytes) -> None:
    data = midi_bytes(NOTE)
    assert len(data) == 0x22
    wrapped = b"RMID" + chunks.replace(b"MIDI", data)
    (sequence,), remarks = tell(b"RIFF" + len(wrapped).to_bytes(4, "little") + wrapped)
    assert (len(sequence), remarks) == (1, {})
    with pytest.raises(HachimachiError, match="not a MIDI file"):
        tell(b"RIFF\x20\0\0\0WAVE" + wrapped)
    with pytest.raises(HachimachiError):
        tell(b"RIFF\x04\0\0\0RMID")


PORT = b"\x00\xff\x21\x01"  # and its number


def test_the_same_channel_of_another_port_is_another_channel(midi_bytes: Make) -> None:
    loud, note = b"\x00\xc0\x05\x00\xb0\x40\x7f", NOTE
    wanted = MidiOptions(("pitch", "instrument", "track", "pedal", "duration"), sustain=True)
    one, other = PORT + b"\1" + loud + note, PORT + b"\0" + note
    for tracks in ((one, other), (one + other,)):
        [sequence] = parse(midi_bytes(*tracks), "x.mid", Report(), wanted)
        found = zip(*(sequence.column(name).tolist() for name in ("instrument", "pedal")), strict=True)
        assert sorted(found) == [(0, 0), (5, 127)]
    held = b"\x00\x90\x3c\x50"
    short = PORT + b"\0\x60\x90\x3c\x50\x60\xb0\x7b\x00"  # ended by all notes off, on its port alone
    data = midi_bytes(PORT + b"\1" + held + short + PORT + b"\1\x60\x80\x3c\0")
    [sequence] = parse(data, "x.mid", Report(), MidiOptions(beats=True))
    assert (sequence.column("duration") * 480).tolist() == [288, 96]


@pytest.mark.parametrize("control", [120, 123, 124, 127])
def test_all_notes_off_ends_the_notes_of_its_channel(midi_bytes: Make, control: int) -> None:
    chord = b"\x00\x90\x3c\x50\x00\x40\x50\x00\x91\x3c\x50"  # two notes on channel 1, one on 2
    off = b"\x60\xb0" + bytes([control, 0])
    late = b"\x60\x80\x3c\x00\x00\x81\x3c\x00"  # a note-off after it has no note any more
    for tracks in ((chord + off + late,), (chord + b"\x81\x40" + late[1:], off)):
        report = Report()
        [sequence] = parse(midi_bytes(*tracks), "x.mid", report, MidiOptions(beats=True))
        assert (sequence.column("duration") * 480).tolist() == [96, 192, 96]
        assert not report.remarks


def test_all_notes_off_on_the_tick_of_a_note_came_before_it(midi_bytes: Make) -> None:
    data = midi_bytes(b"\x00\x90\x3c\x50\x00\xb0\x7b\x00\x60\x80\x3c\x00")
    [sequence] = parse(data, "x.mid", Report(), MidiOptions(beats=True))
    assert sequence.column("duration").tolist() == [0.2]


def test_a_late_note_off_is_that_of_the_note_before(midi_bytes: Make) -> None:
    on, off = b"\x90\x3c\x50", b"\x80\x3c\x00"
    again = b"\x00" + on + b"\x60" + on  # struck at 0 and at 96
    cases = {
        b"\x05" + off + b"\x30" + off: [96, 53],
        b"\x17" + off + b"\x30" + off: [96, 71],  # 23 ticks are less than a quarter of 96,
        b"\x18" + off + b"\x30" + off: [96, 24],  # 24 are not
        b"\x05" + off + b"\x30" + on + b"\x30" + off: [96, 5, 48],  # no other note-off before the next note
        b"\x05" + off: [96, 5],
        b"\x05" + off + b"\x30\xb0\x7b\x00" + b"\x30" + off: [96, 5],
    }
    for rest, durations in cases.items():
        report = Report()
        [sequence] = parse(midi_bytes(again + rest), "x.mid", report, MidiOptions(beats=True))
        assert np.rint(sequence.column("duration") * 480).tolist() == durations
        assert report.remarks.keys() == {said.RESTARTED}


def test_running_status_before_any_status_ends_its_track_alone(midi_bytes: Make) -> None:
    (sequence,), remarks = tell(midi_bytes(b"\x00\x3c\x50" + NOTE, NOTE))
    assert len(sequence) == 1
    assert remarks == {said.BROKEN: 15}


def test_a_truncated_file_is_read_as_far_as_it_goes(midi_bytes: Make) -> None:
    data = midi_bytes(NOTE, NOTE * 3)
    (sequence,), remarks = tell(data[:-8])
    assert len(sequence) == 4
    assert remarks == {said.CUT_SHORT: 8, said.UNENDED: 1, said.EMPTY: 1}


def test_wrong_lengths_of_chunks(midi_bytes: Make) -> None:
    data = midi_bytes(NOTE * 5, NOTE)
    for length in (3, 17, 60, 70_000):
        (sequence,), remarks = tell(data[:18] + length.to_bytes(4, "big") + data[22:])
        assert len(sequence) == 6, length
        assert remarks == {said.WRONG_LENGTH: 1}
    longer = data[:4] + (22).to_bytes(4, "big") + data[8:]
    (sequence,), remarks = tell(longer)
    assert (len(sequence), remarks) == (6, {said.WRONG_LENGTH: 1})


def test_headers_that_announce_other_numbers_of_tracks(midi_bytes: Make) -> None:
    data = midi_bytes(NOTE, NOTE)
    for announced, expected in ((1, {said.SURPLUS: 1}), (4, {said.MISSING: 2})):
        (sequence,), remarks = tell(data[:11] + bytes([announced]) + data[12:])
        assert (len(sequence), remarks) == (2, expected)


def test_what_follows_the_end_of_a_track_is_not_read(midi_bytes: Make) -> None:
    (sequence,), remarks = tell(midi_bytes(NOTE + b"\x00\xff\x2f\x00" + NOTE))
    assert (len(sequence), remarks) == (1, {said.AFTER_END: 12})


def test_alien_chunks_are_skipped_and_stray_bytes_told(midi_bytes: Make) -> None:
    data = midi_bytes(NOTE)
    (sequence,), remarks = tell(data[:14] + b"XFIH\0\0\0\2hi" + data[14:] + b"tail")
    assert (len(sequence), remarks) == (1, {said.STRAY: 4})


def test_a_track_without_an_end_is_read_to_its_last_byte(midi_bytes: Make) -> None:
    data = midi_bytes(NOTE)[:-4]
    (sequence,), remarks = tell(data[:21] + bytes([len(NOTE)]) + data[22:])
    assert (len(sequence), remarks) == (1, {})


def test_files_of_a_corpus_account_for_every_note_on(shared_data: Path) -> None:
    """Notes written are the note-ons of the file, whatever was mended: counted from its bytes by the plain reader."""
    from tests.io.plain_midi import read_track

    path = shared_data / "odd_permissive" / "from_corpora" / "LoversChronicle.mid"
    data = path.read_bytes()
    ons = [event for event in read_track(data[22:]) if event[1] >> 4 == 9 and event[3]]
    (sequence,), _ = tell(data)
    assert len(sequence) == len(ons)
    assert sorted(sequence.column("pitch")) == sorted(np.array(ons)[:, 2])
