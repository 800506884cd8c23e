from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pretty_midi import PrettyMIDI

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, make_sequence
from hachimachi.io import Report, read, write
from hachimachi.io.midi import DRUMS, MidiOptions
from hachimachi.io.midi import write as midi_write
from hachimachi.io.midi.read import parse
from hachimachi.io.midi.write import LATE, TICK, render


@pytest.mark.parametrize("name", ["piano_midi_de_small/midi/Grieg__grieg_zwerge.mid", "freedoom_small/midi/d_e3m9.mid"])
def test_real_pieces_come_back_within_half_a_tick(shared_data: Path, tmp_path: Path, name: str) -> None:
    (piece,) = read(shared_data / name)
    write(tmp_path / "again.mid", piece)
    (again,) = read(tmp_path / "again.mid")
    assert piece.time is not None
    assert again.time is not None
    np.testing.assert_allclose(again.time, piece.time, atol=TICK / 2 + 1e-9)
    assert sorted(again.column("pitch")) == sorted(piece.column("pitch"))
    assert sorted(again.column("velocity")) == sorted(piece.column("velocity"))


NAMES = ("pitch", "velocity", "duration", "instrument", "channel", "track", "pedal")
SOME = [NAMES[:4], NAMES[:3], (*NAMES[:3], "channel"), (*NAMES[:3], "channel", "track", "pedal"), NAMES]


@st.composite
def notes(draw: st.DrawFn, names: tuple[str, ...]) -> EventSequence:
    """Notes that MIDI can hold but for times between ticks: no two of one pitch, one place of the pedal at a time."""
    count = draw(st.integers(1, 40))
    whole = st.integers
    columns = {
        "pitch": draw(st.permutations(range(128)))[:count],
        "velocity": draw(st.lists(whole(1, 127), min_size=count, max_size=count)),
        "duration": [n * TICK for n in draw(st.lists(whole(1, 30_000), min_size=count, max_size=count))],
        "instrument": draw(st.lists(whole(0, 127), min_size=count, max_size=count)),
        "channel": draw(st.lists(st.sampled_from([0, 1, 2, 15]), min_size=count, max_size=count)),
        "track": draw(st.lists(whole(1, 3), min_size=count, max_size=count)),
    }
    if "channel" in names:  # a channel has one program at a time
        columns["instrument"] = [5 + channel for channel in columns["channel"]]
    ticks = np.cumsum(draw(st.lists(st.sampled_from([0, 0, 1, 50, 70_000]), min_size=count, max_size=count)))
    places = draw(st.lists(whole(0, 127), min_size=int((np.diff(ticks) > 0).sum()) + 1, max_size=count))
    columns["pedal"] = [places[i] for i in np.append(0, np.cumsum(np.diff(ticks) > 0))]
    shift = draw(st.floats(0, 0.49)) * TICK
    data = np.column_stack([columns[name] for name in names]).astype(float)
    return make_sequence(data, ticks * TICK + shift, names)


def rows(sequence: EventSequence) -> list[list[int]]:
    """Times in ticks, ends instead of durations, in an order of their own."""
    assert sequence.time is not None
    start = np.rint(sequence.time / TICK)
    end = np.rint((sequence.time + sequence.column("duration")) / TICK)
    rest = [feature.name != "duration" for feature in sequence.features]
    return sorted(np.column_stack([start, end, sequence.data[:, rest]]).astype(int).tolist())


@pytest.mark.parametrize("names", SOME)
@given(st.data())
def test_what_midi_can_hold_comes_back(names: tuple[str, ...], data: st.DataObject) -> None:
    sequence, report = data.draw(notes(names)), Report()
    (again,) = parse(render([sequence], report, "x"), "x", Report(), MidiOptions(names))
    assert rows(again) == rows(sequence)
    assert not report.remarks.keys() - {midi_write.SHARED}


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), min_size=1, max_size=12))
def test_a_key_struck_again_ends_its_note_and_nothing_else_changes(spans: list[tuple[int, int]]) -> None:
    spans.sort()
    starts = np.array([start for start, _ in spans])
    sequence = make_sequence([[60, 80, length * TICK] for _, length in spans], starts * TICK, NAMES[:3])
    report = Report()
    (again,) = parse(render([sequence], report, "x"), "x", Report(), MidiOptions(NAMES[:3]))
    following = [min((other for other in starts.tolist() if other > start), default=10**6) for start, _ in spans]
    longest = [max(length for other, length in spans if other == start) for start, _ in spans]
    ends = [
        min(start + most, after) if length == most else start  # shorter than another begun together: at once
        for (start, length), most, after in zip(spans, longest, following, strict=True)
    ]
    assert rows(again) == sorted([start, end, 60, 80] for start, end in zip(starts.tolist(), ends, strict=True))
    said = {remark: files.total() for remark, files in report.remarks.items()}
    cut = {s for (s, _), most, after in zip(spans, longest, following, strict=True) if s + most > after}
    assert said.get(midi_write.CUT, 0) == len(cut)


def most_at_once(sequence: EventSequence) -> int:
    """Most notes at one moment; a note ends just before what begins at its end, and one of no length counts as none."""
    assert sequence.time is not None
    end = sequence.time + sequence.column("duration")
    moments = np.concatenate([sequence.time, end])
    steps = np.repeat([1, -1], len(sequence))
    order = np.lexsort((steps, moments))
    return int(np.cumsum(steps[order]).max(initial=0))


@st.composite
def ensembles(draw: st.DrawFn) -> EventSequence:
    """Notes that end and begin within a tick of each other, some of no length, some with one key at one time."""
    count = draw(st.integers(1, 25))
    moments = st.sampled_from([0, 0, 0.2, 0.4, 0.6, 1, 1.3, 4])
    times = np.cumsum(draw(st.lists(moments, min_size=count, max_size=count))) * TICK
    ends = draw(st.lists(st.sampled_from([*times.tolist(), 0.0, 7.7 * TICK, 1e-3]), min_size=count, max_size=count))
    keys = draw(st.lists(st.integers(60, 62), min_size=count, max_size=count))
    programs = draw(st.lists(st.integers(0, 20), min_size=count, max_size=count))
    data = np.column_stack([keys, np.maximum(np.array(ends) - times, 0), programs])
    return make_sequence(data, times, ["pitch", "duration", "instrument"])


@given(ensembles())
def test_no_more_notes_sound_at_once_than_the_events_had(sequence: EventSequence) -> None:
    report = Report()
    (again,) = parse(render([sequence], report, "x"), "x", Report(), MidiOptions(("pitch", "duration", "instrument")))
    assert len(again) == len(sequence)
    assert again.time is not None
    assert sequence.time is not None
    np.testing.assert_allclose(again.time, sequence.time, atol=TICK / 2 + 1e-9)
    # notes of no length are written as long as a tick, unless they came on top of the most at once
    no_length = sequence.time[(sequence.column("duration") < TICK)]
    chord = max(np.unique(no_length, return_counts=True)[1], default=0)
    assert most_at_once(again) <= max(most_at_once(sequence), chord)


def test_notes_of_no_length_last_a_tick_where_that_makes_no_more_of_them() -> None:
    names = ["pitch", "duration"]
    (drums,) = parse(render([make_sequence([[36, 0], [42, 0]], [0, 0], names)]), "x", Report())
    assert drums.column("duration").tolist() == pytest.approx([TICK, TICK])
    report = Report()
    busy = make_sequence([[60, 1], [62, 0]], [0, 0.5], names)
    (again,) = parse(render([busy], report, "x"), "x", Report())
    assert again.column("duration").tolist() == [1, 0]
    assert report.remarks == {midi_write.NO_LENGTH: {"x": 1}}


def test_a_duration_never_reaches_beyond_what_begins_at_its_end(shared_data: Path) -> None:
    for name in ("freedoom_small/midi/d_e3m9.mid", "piano_midi_de_small/midi/Grieg__grieg_zwerge.mid"):
        (piece,) = parse((shared_data / name).read_bytes(), name, Report())
        assert piece.time is not None
        ends = piece.time + piece.column("duration")
        nearest = piece.time[np.searchsorted(piece.time, ends - 1e-9).clip(max=len(piece) - 1)]
        assert not ((ends > nearest) & (ends < nearest + 1e-9)).any()


def heard(data: bytes) -> list[tuple[int, int, int]]:
    """Tick, pitch and program of each note as a synthesizer sounds it: programs are those of the channel."""
    file, now, programs, found = mido.MidiFile(file=io.BytesIO(data)), 0, dict.fromkeys(range(16), 0), []
    for message in mido.merge_tracks(file.tracks):
        now += message.time
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "note_on":
            found.append((now, message.note, DRUMS if message.channel == 9 else programs[message.channel]))
    return sorted(found)


def test_forty_instruments_sound_as_themselves() -> None:
    program = np.append(np.arange(40), [DRUMS, 3, 17, 39, 0])
    data = np.column_stack([np.arange(45), np.full(45, 0.25), program])
    sequence, report = make_sequence(data, np.arange(45) * 0.1, ["pitch", "duration", "instrument"]), Report()
    expected = [(1000 * i, i, value) for i, value in enumerate(program.tolist())]
    assert heard(render([sequence], report, "x")) == expected
    assert not report.remarks
    held = make_sequence(data * [1, 99, 1], np.arange(45) * 0.1, ["pitch", "duration", "instrument"])
    render([held], report, "x")
    assert report.remarks[midi_write.SHARED]["x"] == 28


def test_a_new_instrument_on_a_channel_is_told_before_its_note() -> None:
    data = [[60, 0, 5], [62, 0, 6], [64, 0, 5]]
    sequence = make_sequence(data, [0, 1, 2], ["pitch", "channel", "instrument"])
    assert [program for _, _, program in heard(render([sequence]))] == [5, 6, 5]


def test_channels_from_one_are_those_that_people_count() -> None:
    sequence = make_sequence([[60, 1], [62, 16]], [0, 1], ["pitch", "channel"])
    file = mido.MidiFile(file=io.BytesIO(render([sequence])))
    assert [message.channel for message in file.tracks[0] if message.type == "note_on"] == [0, 15]


CHANGE = st.tuples(
    st.sampled_from([0, 0, 1, 900]), st.sampled_from([1, 7, 64]), st.integers(0, 127), st.integers(0, 15)
)


@given(st.lists(CHANGE, min_size=1, max_size=20))
def test_control_changes_come_back_in_their_order(changes: list[tuple[int, int, int, int]]) -> None:
    time = np.cumsum([change[0] for change in changes]) * TICK
    sequence = make_sequence([change[1:] for change in changes], time, ["control", "value", "channel"])
    wanted = MidiOptions(("channel",), controls=(1, 7, 64))
    (again,) = parse(render([sequence]), "x", Report(), wanted)
    assert again.time is not None
    np.testing.assert_allclose(again.time, time, atol=1e-9)
    assert again.data.tolist() == sequence.data.tolist()


def test_values_without_a_controller_are_written_as_the_first() -> None:
    report = Report()
    sequence = make_sequence([[5], [100]], [0, 1], ["value"])
    (again,) = parse(render([sequence], report, "x"), "x", Report(), MidiOptions(controls=(1,)))
    assert again.data.tolist() == [[5], [100]]
    assert report.remarks == {midi_write.STAND_IN: {"x": 2}}


def test_pitch_alone_is_enough() -> None:
    score = PrettyMIDI(io.BytesIO(render([make_sequence([[60.4]], [0], ["pitch"])])))
    (note,) = score.instruments[0].notes
    assert (note.pitch, note.velocity, note.end - note.start) == (60, 80, pytest.approx(0.1))


def test_programs_and_drums() -> None:
    data = [[60, 200, 0.5, 5], [36, -1, 0.0, 128]]
    sequence = make_sequence(data, [0, 1], ["pitch", "velocity", "duration", "instrument"])
    score = PrettyMIDI(io.BytesIO(render([sequence])))
    assert [(part.program, part.is_drum) for part in score.instruments] == [(5, False), (0, True)]
    assert [part.notes[0].velocity for part in score.instruments] == [127, 1]


@pytest.mark.parametrize("suffix", [".mid", ".wav"])
def test_what_midi_cannot_hold_is_counted(tmp_path: Path, suffix: str) -> None:
    data = [[60.4, 80, 0], [300, 80, 0], [-5, 80, 0], [61, 0, 0], [62, 200.5, 128], [63, 90, 129]]
    report = Report()
    write(tmp_path / f"x{suffix}", make_sequence(data, range(6), ["pitch", "velocity", "instrument"]), report)
    name = f"x{suffix}"
    assert report.remarks == {
        midi_write.NO_NOTE: {name: 3},
        midi_write.ROUNDED: {name: 2},
        midi_write.CLIPPED: {name: 2},
    }


TOGETHER: list[tuple[list[str], list[list[float]], str]] = [
    (["pitch", "instrument", "channel"], [[60, 128, 0], [62, 3, 9]], midi_write.MISPLACED),
    (["pitch", "pedal"], [[60, 5], [62, 100]], midi_write.PEDALS),
    (["pitch", "duration"], [[60, 1], [60, 2]], midi_write.TOGETHER),
]


@pytest.mark.parametrize(("names", "data", "remark"), TOGETHER)
def test_what_cannot_be_held_together_is_counted(names: list[str], data: list[list[float]], remark: str) -> None:
    report = Report()
    render([make_sequence(data, [0, 0], names)], report, "x")
    assert report.remarks.keys() == {remark}


REFUSED: list[tuple[Any, str]] = [
    (make_sequence([[60]], names=["pitch"]), "notes need time and a feature named pitch"),
    (make_sequence([[0.5]], [0], ["x"]), "notes need time and a feature named pitch"),
    (make_sequence([[0.5]], [0], ["value"]), "notes need time and a feature named pitch"),
    (make_sequence([[200]], [0], ["pitch"]), "MIDI holds none of the 1 events; it has pitch 0 to 127"),
    ([make_sequence([[60]], [0], ["pitch"])] * 2, "one sequence, there are 2"),
]


@pytest.mark.parametrize("suffix", [".mid", ".wav"])
@pytest.mark.parametrize(("sequence", "message"), REFUSED)
def test_what_are_no_notes(tmp_path: Path, suffix: str, sequence: Any, message: str) -> None:
    with pytest.raises(HachimachiError, match=rf"x\{suffix}: .*{message}"):
        write(tmp_path / f"x{suffix}", sequence)
    assert list(tmp_path.iterdir()) == []


def test_a_pause_longer_than_a_file_can_hold() -> None:
    with pytest.raises(HachimachiError, match=r"a pause of 300,000 s; a MIDI file holds at most 268,435"):
        render([make_sequence([[60], [60]], [0, 300_000.1], ["pitch"])])


@pytest.mark.parametrize(("seconds", "tick"), [(999, 1e-4), (1300, 2e-4), (3999, 4e-4), (30_000, 1e-3)])
@pytest.mark.parametrize("column", ["pitch", "value"])
def test_long_pieces_have_no_more_ticks_than_other_programs_take(seconds: float, tick: float, column: str) -> None:
    times = np.linspace(0, seconds - 0.1, 500)
    file = mido.MidiFile(file=io.BytesIO(render([make_sequence(np.full((500, 1), 60.0), times, [column])])))
    assert file.ticks_per_beat == round(0.5 / tick)
    ticks = np.cumsum([message.time for message in file.tracks[0]])
    assert ticks[-1] < 1e7 or seconds == 30_000
    onsets = [
        at for at, message in zip(ticks, file.tracks[0], strict=True) if message.type in ("note_on", "control_change")
    ]
    np.testing.assert_allclose(np.array(onsets) * tick, times, atol=tick / 2 + 1e-9)


@pytest.mark.parametrize("column", ["pitch", "value"])
def test_a_file_begins_with_its_first_event_where_times_are_those_of_day(column: str) -> None:
    report = Report()
    times = 1_553_424_480.25 + np.arange(3)
    data = render([make_sequence([[60], [61], [62]], times, [column])], report, "x.mid")
    onsets = [message.time for message in mido.MidiFile(file=io.BytesIO(data)).tracks[0] if not message.is_meta]
    assert onsets[0] == 0
    assert sum(onsets) < 40_000
    assert report.remarks[LATE] == {"x.mid": 1_553_424_480}
