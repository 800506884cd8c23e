"""Notes under the sustain pedal, against a plain reference, on made-up and on real files."""

from __future__ import annotations

import io
import json
import wave
from collections import defaultdict
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, make_sequence
from hachimachi.io import Report, read, write
from hachimachi.io import report as said
from hachimachi.io.midi import MidiOptions
from hachimachi.io.midi.read import parse
from hachimachi.io.midi.write import render
from hachimachi.io.wav import RATE
from tests.io import plain_midi

WHOLE = ("pitch", "velocity", "duration", "channel", "track")
Note = tuple[int, int, int, int]
"""Start, end, channel and pitch."""


def reference(  # noqa: PLR0912  (a branch for each kind of event)
    tracks: list[list[plain_midi.Event]],
) -> list[Note]:
    """Play a file tick by tick: on each, keys are released, then pedals move, then keys are struck."""
    keys, lasts = [], []
    for track in tracks:
        found = plain_midi.pair(track, [event for other in tracks if other is not track for event in other])
        keys += found
        last = max((tick for tick, status, _, _ in track if status < 0xF0), default=0)
        lasts += [max(last, note.end) for note in found]  # what ends a note may stand in another track
    order = sorted(range(len(keys)), key=lambda i: (keys[i].start, keys[i].end, i))
    starts, ends, moves = defaultdict(list), defaultdict(list), defaultdict(list)
    for i in order:
        starts[keys[i].start].append(i)
        ends[keys[i].end].append(i)
    for tick, status, control, value in (event for track in tracks for event in track):
        if status >> 4 == 0xB and control in (64, 120, 121):
            moves[tick].append((status & 15, control, value))
    rank = {i: place for place, i in enumerate(order)}
    down = dict.fromkeys(range(16), False)
    struck: dict[tuple[int, int], set[int]] = defaultdict(set)  # notes of a key that sound
    ringing: set[int] = set()
    again: set[int] = set()  # notes whose key has been struck since
    until: dict[int, int] = {}

    def end(i: int, tick: int) -> None:
        until[i] = tick
        ringing.discard(i)
        struck[keys[i].channel, keys[i].pitch].discard(i)

    for tick in sorted({*starts, *ends, *moves, *lasts}):
        for i in ends[tick]:
            if down[keys[i].channel] and i not in again:
                ringing.add(i)
                struck[keys[i].channel, keys[i].pitch].add(i)
            else:
                end(i, tick)
        for channel, control, value in moves[tick]:
            if control != 64 or value < 64:
                for i in [i for i in ringing if keys[i].channel == channel]:
                    end(i, tick)
            if control != 120:
                down[channel] = control == 64 and value >= 64
        for i in starts[tick]:
            sounding = struck[keys[i].channel, keys[i].pitch]
            for j in [j for j in sounding if rank[j] < rank[i]]:
                again.add(j)
                if j in ringing:
                    end(j, tick)
            if i not in until:
                sounding.add(i)
        for i in [i for i in ringing if lasts[i] == tick]:
            end(i, tick)
    return sorted((note.start, until[i], note.channel, note.pitch) for i, note in enumerate(keys))


EVENT = st.one_of(
    st.tuples(st.sampled_from([0, 0, 1, 5]), st.sampled_from([0x80, 0x90, 0x90]), st.integers(60, 62), st.just(80)),
    st.tuples(st.sampled_from([0, 1, 3]), st.just(0xB0), st.just(64), st.sampled_from([0, 63, 64, 127])),
    st.tuples(st.just(1), st.just(0xB0), st.sampled_from([120, 121, 123, 7]), st.just(0)),
)
TRACK = st.lists(st.tuples(EVENT, st.integers(0, 1)), min_size=1, max_size=25)


def track_events(drawn: list[tuple[tuple[int, int, int, int], int]]) -> list[plain_midi.Event]:
    tick, events = 0, []
    for (delta, kind, first, second), channel in drawn:
        tick += delta
        events.append((tick, kind | channel, first, second))
    return events


def file_of(tracks: list[list[plain_midi.Event]]) -> bytes:
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    for events in tracks:
        track, now = mido.MidiTrack(), 0
        for tick, *message in events:
            track.append(mido.Message.from_bytes(message, time=tick - now))
            now = tick
        file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def notes_of(sequence: EventSequence, per_beat: int = 480) -> list[Note]:
    assert sequence.time is not None
    start = np.rint(sequence.time * per_beat).astype(int)
    end = np.rint((sequence.time + sequence.column("duration")) * per_beat).astype(int)
    rows = (start, end, sequence.column("channel").astype(int), sequence.column("pitch").astype(int))
    return sorted(zip(*(row.tolist() for row in rows), strict=True))


@given(st.lists(TRACK.map(track_events), min_size=1, max_size=3))
def test_notes_ring_as_long_as_those_of_the_reference(tracks: list[list[plain_midi.Event]]) -> None:
    if not any(status >> 4 == 9 for track in tracks for _, status, _, _ in track):
        return
    report = Report()
    (sequence,) = parse(file_of(tracks), "x", report, MidiOptions(WHOLE, beats=True, sustain=True))
    assert notes_of(sequence) == reference(tracks)
    pedals = sum(status >> 4 == 0xB and control == 64 for track in tracks for _, status, control, _ in track)
    assert report.remarks.get(said.PEDAL_RINGS, {}).get("x", 0) == pedals


@pytest.mark.parametrize("corpus", ["giantmidi_part", "piano_midi_de"])
def test_real_pieces_ring_as_those_of_the_reference(shared_data: Path, corpus: str) -> None:
    folder = shared_data / corpus / "midi"
    heard = 0
    for path in sorted(folder.glob("*.mid"), key=lambda path: path.stat().st_size)[:6]:
        data = path.read_bytes()
        file = mido.MidiFile(file=io.BytesIO(data))
        tracks: list[list[plain_midi.Event]] = []
        for track in file.tracks:
            tick, events = 0, []
            for message in track:
                tick += message.time
                if hasattr(message, "channel"):
                    events.append((tick, *[*message.bytes(), 0][:3]))
            tracks.append(events)
        rings = MidiOptions(WHOLE, beats=True, sustain=True)
        ours = notes_of(parse(data, path.name, Report(), rings)[0], file.ticks_per_beat)
        assert ours == reference(tracks)
        dry = notes_of(parse(data, path.name, Report(), MidiOptions(WHOLE, beats=True, sustain=False))[0])
        heard += len(ours) == len(dry) and any(status >> 4 == 0xB for track in tracks for _, status, _, _ in track)
    assert heard


def test_the_report_says_what_became_of_the_pedal(midi_bytes) -> None:
    pedal = b"\x00\xb0\x40\x7f\x60\x90\x3c\x50\x60\x80\x3c\x00\x60\xb0\x40\x00"  # down, a note, up 96 ticks later
    data = midi_bytes(pedal)

    def tell(**options) -> tuple[float, dict[str, int]]:
        report = Report()
        (sequence,) = parse(data, "x", report, MidiOptions(**options))
        duration = round(float(sequence.column("duration")[0]), 9)
        assert not report.faults  # an explanation, not a fault
        return duration, {remark: files.total() for remark, files in report.remarks.items()}

    assert tell(sustain=False) == (0.1, {said.PEDAL_UNHEEDED: 2})
    assert tell(sustain=True) == (0.2, {said.PEDAL_RINGS: 2, said.SUSTAINED: 1})
    assert tell(columns=("pitch", "duration", "pedal")) == (0.1, {said.PEDAL_COLUMN: 2})
    assert tell(columns=("pitch", "duration", "pedal"), sustain=True)[0] == 0.2


def test_controls_have_no_notes_to_ring() -> None:
    with pytest.raises(HachimachiError, match="sustain: it lengthens notes"):
        MidiOptions(controls=(64,), sustain=True)


def test_a_reset_lifts_the_pedal_in_its_column_too(midi_bytes) -> None:
    data = midi_bytes(
        b"\x00\xb0\x40\x7f\x00\x90\x3c\x50\x60\x80\x3c\x00\x00\xb0\x79\x00\x60\x90\x3e\x50\x60\x80\x3e\x00"
    )
    (sequence,) = parse(data, "x", Report(), MidiOptions(("pitch", "pedal")))
    assert sequence.data.tolist() == [[60, 127], [62, 0]]


def loudness(path: Path) -> np.ndarray:
    """Root mean square of each tenth of a second, of the whole one."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    parts = samples[: len(samples) // (RATE // 10) * (RATE // 10)].reshape(-1, RATE // 10)
    rms = np.sqrt((parts**2).mean(1))
    return rms / rms.max()


def test_sound_honours_the_pedal_as_a_midi_file_does(tmp_path: Path) -> None:
    """A short note rings to where the pedal goes up, not to where it would end; without the column it does not."""
    rows = [[60, 100, 0.1, 127], [72, 100, 0.1, 127], [76, 100, 0.1, 0]]
    names = ["pitch", "velocity", "duration", "pedal"]
    sequence = make_sequence(rows, [0.0, 1.0, 2.0], names)
    write(tmp_path / "wet.wav", sequence)
    write(tmp_path / "dry.wav", make_sequence([row[:3] for row in rows], [0.0, 1.0, 2.0], names[:3]))
    (again,) = parse(render([sequence]), "x", Report(), MidiOptions(("pitch", "velocity", "duration"), sustain=True))
    assert again.column("duration").tolist() == pytest.approx([2.0, 1.0, 0.1])
    write(tmp_path / "again.wav", again)
    wet, dry, same = (loudness(tmp_path / f"{name}.wav") for name in ("wet", "dry", "again"))
    assert dry[5] < 0.05 < wet[5]
    np.testing.assert_allclose(wet, same, atol=1e-6)


def silence_and_voices(sequence: EventSequence) -> tuple[float, float]:
    """Share of the time, from the first start to the last end, without a note; mean number of notes at once."""
    assert sequence.time is not None
    start, end = sequence.time, sequence.time + sequence.column("duration")
    whole = end.max() - start.min()
    reached = np.maximum.accumulate(end)
    gaps = np.clip(start[1:] - reached[:-1], 0, None).sum()
    return gaps / whole, (end - start).sum() / whole


def test_recorded_pieces_are_less_silent_with_their_pedal(shared_data: Path) -> None:
    folder = shared_data / "giantmidi_part"
    names = json.loads((folder / "split.json").read_text())["train"][:5]
    for name in names:
        path = folder / name if (folder / name).exists() else folder / "midi" / name
        (dry,), (wet,) = read(path, midi=MidiOptions(sustain=False)), read(path, midi=MidiOptions(sustain=True))
        assert (dry.column("pitch") == wet.column("pitch")).all()
        assert (wet.column("duration") >= dry.column("duration") - 1e-9).all()
        (silent, few), (less, more) = silence_and_voices(dry), silence_and_voices(wet)
        assert less <= silent
        assert more > few
