"""What a model plays reaches a port as MIDI, and every note that begins there ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS
from hachimachi.live.midi.output import MidiOut
from hachimachi.live.midi.ports import OutPort


def row(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


@pytest.fixture
def out(synth: Any, notes: Any) -> MidiOut:
    return MidiOut(OutPort(synth), notes)


def test_a_note_begins_and_ends_on_its_instruments_channel(out: MidiOut, synth: Any) -> None:
    out.played(row(60, 80.4, 0.5, 45), 1.0, None)
    out.ended((60, 45), 1.5, False)
    assert synth.told() == [("program_change", 0, 45), ("note_on", 0, 60, 80), ("note_off", 0, 60)]


def test_drums_have_channel_ten_and_no_program(out: MidiOut, synth: Any) -> None:
    out.played(row(36, 100, 0.1, DRUMS), 0.0, None)
    assert synth.told() == [("note_on", DRUM_CHANNEL, 36, 100)]


def test_of_twenty_instruments_the_least_recently_used_gives_way(out: MidiOut, synth: Any) -> None:
    for program in range(20):
        out.played(row(60, 80, 0.1, program), 0.0, None)
        out.ended((60, program), 0.0, False)
        if program < 15:
            out.played(row(61, 80, 0.1, 0), 0.0, None)  # the first stays in use while others come
            out.ended((61, 0), 0.0, False)
    programs = [told[1:] for told in synth.told() if told[0] == "program_change"]
    melodic = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    assert programs[:15] == list(zip(melodic, range(15), strict=True))
    assert programs[15:] == [(melodic[1 + i], 15 + i) for i in range(5)]  # the first was not the least recent
    sounds: dict[int, int] = {}
    for kind, channel, *rest in synth.told():
        if kind == "program_change":
            sounds[channel] = rest[0]
    out.played(row(60, 80, 0.1, 19), 0.0, None)
    assert sounds[synth.told()[-1][1]] == 19


def test_a_channel_with_notes_on_it_gives_way_last(out: MidiOut, synth: Any) -> None:
    out.played(row(60, 80, 9.0, 0), 0.0, None)  # sounds on
    for program in range(1, 16):
        out.played(row(60, 80, 0.1, program), 0.0, None)
        out.ended((60, program), 0.0, False)
    assert synth.told()[-3:-1] == [("program_change", 1, 15), ("note_on", 1, 60, 80)]
    out.ended((60, 0), 0.0, False)
    assert synth.told()[-1] == ("note_off", 0, 60)


def test_a_channel_of_the_models_own(synth: Any, make_columns: Any) -> None:
    columns = make_columns({"pitch": [60, 61], "#channel": [0, 9], "#instrument": [3, 4]})
    out = MidiOut(OutPort(synth), columns, channel=5)
    for values in ((60, 9, DRUMS), (61, 2, 3), (62, 2, 3), (63, 16, 3)):
        out.played(row(*values), 0.0, None)
    out.ended((61, 2), 0.0, False)  # the ledger goes by the channel
    programs = [("program_change", 2, 3)]
    struck = [("note_on", 9, 60, 64), *programs, ("note_on", 2, 61, 64), ("note_on", 2, 62, 64)]
    assert synth.told() == [*struck, ("note_off", 2, 61)]
    assert out.dropped == 1


def test_channels_count_from_one_where_there_is_a_sixteenth(synth: Any, make_columns: Any) -> None:
    out = MidiOut(OutPort(synth), make_columns({"pitch": [60, 61], "channel": [1, 16]}))
    out.played(row(60, 16), 0.0, None)
    assert synth.told() == [("note_on", 15, 60, 64)]


@pytest.mark.parametrize(
    ("values", "struck"),
    [((60.4, 0), (60, 1)), ((127.4, 999), (127, 127)), ((-0.4, -3), (0, 1)), ((60, math.nan), (60, 64))],
)
def test_what_midi_holds_is_rounded_and_clamped(synth: Any, make_columns: Any, values: Any, struck: Any) -> None:
    out = MidiOut(OutPort(synth), make_columns({"pitch": [60, 61], "velocity": [1, 2]}), channel=3)
    out.played(row(*values), 0.0, None)
    assert synth.told() == [("note_on", 3, *struck)]


@pytest.mark.parametrize("values", [(-1, 80, 1, 0), (128, 80, 1, 0), (60, 80, 1, 129), (60, 80), (math.nan, 80, 1, 0)])
def test_what_it_does_not_hold_is_dropped_and_counted(out: MidiOut, synth: Any, values: Any) -> None:
    out.played(row(*values), 0.0, None)
    assert (synth.sent, out.dropped) == ([], 1)


def test_controllers_go_with_the_notes_and_only_when_they_move(synth: Any, make_columns: Any) -> None:
    columns = make_columns({"pitch": [60, 61], "bend": [0.0, 0.9]}, bend=(0, 1))
    out = MidiOut(OutPort(synth), columns, {"bend": 1})
    for bend in (0.5, 0.5, 7.0):
        out.played(row(60, bend), 0.0, None)
    shown = [told for told in synth.told() if told[0] == "control_change"]
    assert shown == [("control_change", 0, 1, 64), ("control_change", 0, 1, 127)]


def test_events_that_are_no_notes_are_controllers(synth: Any, make_columns: Any) -> None:
    columns = make_columns({"x": [-1.0, 0.5, 3.0], "#gesture": [2, 5, 9]})
    out = MidiOut(OutPort(synth), columns, {"x": 20, "gesture": 21}, channel=1)
    out.played(row(1.0, 5), 0.0, None)
    out.played(row(1.0, 9), 0.0, None)
    shown = [("control_change", 1, 20, 64), ("control_change", 1, 21, 64), ("control_change", 1, 21, 127)]
    assert synth.told() == shown


def test_a_model_that_midi_cannot_carry_is_refused(synth: Any, make_columns: Any) -> None:
    with pytest.raises(HachimachiError, match=r"--midi-out: .* no feature named pitch \(x, y\).*--midi-cc x=1"):
        MidiOut(OutPort(synth), make_columns({"x": [0, 1], "y": [0, 1]}), {"z": 3})


def test_another_model_takes_over(out: MidiOut, synth: Any, make_columns: Any) -> None:
    out.played(row(60, 80, 0.5, 45), 0.0, None)
    with pytest.raises(HachimachiError, match="no feature named pitch"):
        out.adapt(make_columns({"x": [0, 1]}))
    out.adapt(make_columns({"velocity": [1, 2], "pitch": [60, 61]}))
    out.played(row(70, 50), 0.0, None)
    assert synth.told()[2:] == [("note_off", 0, 60), ("note_on", 0, 50, 70)]


def test_a_port_that_vanishes_is_told_once_and_playing_goes_on(synth: Any, notes: Any) -> None:
    said: list[str] = []
    out = MidiOut(OutPort(synth, said.append), notes)
    synth.unplugged = True
    for pitch in range(60, 70):
        out.played(row(pitch, 80, 0.1, DRUMS), 0.0, None)
    assert said == ["MIDI out: 'synth' takes nothing any more: device is gone; playing goes on without it"]
    assert out.port.lost == 10
    synth.unplugged = False  # and is there again
    out.played(row(70, 80, 0.1, DRUMS), 0.0, None)
    assert synth.told() == [("note_on", DRUM_CHANNEL, 70, 80)]
    synth.unplugged = True
    out.port.close()


NUMBERS = st.floats() | st.integers(-2, 130).map(float)
EVENTS = st.lists(st.tuples(NUMBERS, NUMBERS, st.just(0.1), NUMBERS | st.sampled_from([0.0, 45.0, 128.0])), max_size=40)


@given(EVENTS, st.sets(st.integers(0, 40)))
def test_nothing_raises_and_no_note_is_left(notes: Any, events: list[tuple[float, ...]], ended: set[int]) -> None:
    from tests.live.midi.conftest import FakePort

    synth = FakePort()
    out = MidiOut(OutPort(synth), notes)
    for place, values in enumerate(events):
        out.played(row(*values), 0.0, None)
        if place in ended and all(map(math.isfinite, values)):
            out.ended((round(values[0]), round(values[3])), 0.0, False)
    out.began()
    out.port.close()
    sounding = set()
    for message in synth.sent:
        if message.type == "note_on":
            sounding.add((message.channel, message.note))
        elif message.type == "note_off":
            sounding.discard((message.channel, message.note))
    assert not sounding
    assert synth.closed
