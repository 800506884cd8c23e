"""What can be wanted of a MIDI file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.midi import COLUMNS, NOTES, MidiOptions
from hachimachi.io.midi.read import parse
from hachimachi.io.report import REPEATED

Make = Callable[..., bytes]
NOTE = b"\x60\x90\x3c\x50\x60\x80\x3c\x00"  # after 96 ticks, for 96
ON_THIRD = NOTE.replace(b"\x90", b"\x92").replace(b"\x80", b"\x82")


def read(data: bytes, **wanted: Any) -> list[EventSequence]:
    return parse(data, "x.mid", Report(), MidiOptions(**wanted))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"columns": ("pitch", "loudness")}, ["loudness", "pitch, velocity, duration, instrument"]),
        ({"columns": ("velocity",)}, ["found velocity", "need pitch"]),
        ({"columns": ()}, ["found none", "need pitch"]),
        ({"columns": ("pitch", "pitch")}, ["'pitch'", "twice"]),
        ({"controls": (128,)}, ["128", "0 to 127"]),
        ({"controls": (-1,)}, ["-1", "0 to 127"]),
        ({"controls": (True,)}, ["True", "0 to 127"]),
        ({"controls": (7, 7)}, ["7", "twice"]),
        ({"controls": (7,), "columns": ("pitch",)}, ["pitch", "channel, track"]),
    ],
)
def test_wrong_wishes_name_what_is_allowed(wanted: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(HachimachiError) as caught:
        MidiOptions(**wanted)
    assert all(word in str(caught.value) for word in words), caught.value


def test_columns_come_in_the_order_asked_for_even_if_constant(midi_bytes: Make) -> None:
    (sequence,) = read(midi_bytes(NOTE, ON_THIRD), columns=("track", "pitch", "channel", "instrument"))
    assert [feature.name for feature in sequence.features] == ["track", "pitch", "channel", "instrument"]
    assert sequence.data.tolist() == [[1, 60, 0, 0], [2, 60, 2, 0]]
    assert [COLUMNS[name].kind for name in ("track", "channel")] == ["categorical"] * 2
    assert read(midi_bytes(NOTE))[0].features is NOTES


def test_pedal_is_where_the_channel_has_it_when_the_note_begins(midi_bytes: Make) -> None:
    pedal = b"\x00\xb0\x40\x7f\x81\x20\xb0\x40\x14"  # down at once, and half up at 160 ticks
    (sequence,) = read(midi_bytes(NOTE * 2, pedal, ON_THIRD), columns=("pitch", "pedal", "channel"))
    assert sequence.data.tolist() == [[60, 127, 0], [60, 0, 2], [60, 20, 0]]


def test_pedal_of_real_pieces(shared_data: Path) -> None:
    data = (shared_data / "piano_midi_de_small" / "midi" / "Grieg__grieg_zwerge.mid").read_bytes()
    (sequence,) = read(data, columns=("pitch", "pedal"))
    pedal = sequence.column("pedal")
    assert 0.05 < (pedal > 63).mean() < 0.95


def test_tracks_become_sequences_by_name_or_number(midi_bytes: Make) -> None:
    def named(name: bytes) -> bytes:
        return b"\x00\xff\x03" + bytes([len(name)]) + name

    lead, twin = named(b" Lead/1\n") + NOTE, named(b"Bass") + NOTE
    accents, digits = named("Flöte".encode("latin-1")) + NOTE, named(b"7") + NOTE
    data = midi_bytes(named(b"empty"), lead, twin, twin, accents, digits, NOTE)
    sequences = read(data, split_tracks=True)
    assert [sequence.name for sequence in sequences] == [
        f"x.mid/{name}" for name in ("Lead-1", "3", "4", "Flöte", "6", "7")
    ]


def test_split_tracks_hold_together_what_one_sequence_holds(shared_data: Path) -> None:
    data = (shared_data / "freedoom_small" / "midi" / "d_e3m9.mid").read_bytes()
    whole, parts = read(data)[0], read(data, split_tracks=True)
    assert len(parts) > 1
    assert len({part.name for part in parts}) == len(parts)
    rows = [np.column_stack([part.time, part.data]) for part in (whole, *parts) if part.time is not None]
    assert sorted(map(tuple, rows[0].tolist())) == sorted(map(tuple, np.concatenate(rows[1:]).tolist()))


def test_beats_are_quarter_notes_whatever_the_tempo(midi_bytes: Make) -> None:
    slower = b"\x00\xff\x51\x03\x0f\x42\x40" + NOTE
    (sequence,) = read(midi_bytes(slower), beats=True)
    assert sequence.time is not None
    assert (sequence.time[0], sequence.column("duration")[0]) == (0.2, 0.2)
    with pytest.raises(HachimachiError, match="frames"):
        read(midi_bytes(NOTE, division=0xE728), beats=True)


CONTROLS = b"\x00\xb0\x01\x05\x60\xb0\x07\x64\x00\x01\x06\x00\x07\x64\x30\xb1\x07\x64"


def test_control_changes_instead_of_notes(midi_bytes: Make) -> None:
    report = Report()
    (sequence,) = parse(midi_bytes(CONTROLS + NOTE), "x.mid", report, MidiOptions(controls=(7, 1)))
    assert [feature.name for feature in sequence.features] == ["control", "value"]
    assert sequence.data.tolist() == [[1, 5], [7, 100], [1, 6], [7, 100], [7, 100]]  # those at one time as in the file
    assert sequence.time is not None
    assert sequence.time.tolist() == [0, 0.1, 0.1, 0.1, 0.15]
    assert report.remarks[REPEATED]["x.mid"] == 1  # that on another channel is new there


def test_one_controller_needs_no_column_and_others_can_be_had(midi_bytes: Make) -> None:
    (sequence,) = read(midi_bytes(CONTROLS), controls=(7,), columns=("track", "channel"))
    assert [feature.name for feature in sequence.features] == ["value", "track", "channel"]
    assert sequence.data.tolist() == [[100, 1, 0], [100, 1, 0], [100, 1, 1]]


def test_files_without_the_controllers_asked_for_are_refused(midi_bytes: Make) -> None:
    with pytest.raises(HachimachiError, match=r"no changes of control 64, 65 in it \(tracks: 1\)"):
        read(midi_bytes(CONTROLS), controls=(64, 65))
