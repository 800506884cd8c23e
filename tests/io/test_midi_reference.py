"""The reader against a reference, over files that are whole and files that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.midi import COLUMNS, MidiOptions
from hachimachi.io.midi.pairing import pair_notes
from hachimachi.io.midi.read import LONGEST, parse
from hachimachi.io.midi.smf import PADDING, Span, TrackEvents, read_track, split_chunks
from tests.io import plain_midi

END = b"\x00\xff\x2f\x00"
Result = list[EventSequence] | HachimachiError


def quantity(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.insert(0, value & 0x7F | 0x80)
    return bytes(groups)


KINDS = (8, 8, 8, 9, 9, 9, 0xA, 0xB, 0xC, 0xD, 0xE, 0xF0, 0xF1, 0xFF, 0x21, 0x51)
TIMES = (0, 0, 1, 96, 127, 128, 300, 16_383, 16_384, 2_097_152)


def make_track(recipe: bytes) -> bytes:
    """Bytes of a whole track, with running status here and there, of one and of two data bytes."""
    out, status, rest = b"", 0, iter(recipe)
    for byte in rest:
        kind, one, two = KINDS[byte & 15], next(rest, 0), next(rest, 0)
        out += quantity(TIMES[(byte >> 4) % len(TIMES)])
        if kind == 0x21:
            out += b"\xff\x21\x01" + bytes([one & 1])
        elif kind == 0x51:
            out += b"\xff\x51\x03" + bytes([one >> 4, one, two])
        elif kind in (0xF0, 0xFF):
            text = bytes([one]) * two
            out += (b"\xff\x01" if kind == 0xFF else b"\xf0") + quantity(len(text)) + text
        elif kind > 0xF:
            out += bytes([kind, one & 127])[: 1 + (kind == 0xF1)]
        else:
            new = kind << 4 | one & 3
            if new != status or one > 127:
                out, status = out + bytes([new]), new
            number = 117 + (one >> 2 & 15) if kind == 0xB else 60 + (one >> 2 & 3)
            wrong = 128 * (one & 0xF0 == 0xF0)  # now and then a data byte beyond 127
            out += bytes([min(number, 127), two & 127 | wrong])[: 1 if kind in (0xC, 0xD) else 2]
    return out + (b"" if len(recipe) % 4 == 1 else END)


def tracks() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=90).map(make_track)


def read(body: bytes) -> TrackEvents:
    end = 4 + len(body)
    return read_track(b"\0" * 4 + body + PADDING, Span(4, end, end))  # as a file's head comes before its tracks


def events_of(track: TrackEvents) -> list[plain_midi.Event]:
    """Messages, without the byte after those that have but one, and changes of tempo."""
    messages = [
        (tick, status, first, 0 if status & 0xE0 == 0xC0 else second) for tick, status, first, second in track.messages
    ]
    return sorted([*messages, *((tick, 0xFF, 0x51, 3) for tick, _ in track.tempos)], key=lambda event: event[0])


def in_order_of_time(events: list[plain_midi.Event]) -> list[plain_midi.Event]:
    return sorted(events, key=lambda event: (event[0], event[1] == 0xFF))


@given(st.one_of(tracks(), tracks(), st.binary(max_size=60)))
def test_events_are_those_of_the_reference(body: bytes) -> None:
    assert events_of(read(body)) == in_order_of_time(plain_midi.read_track(body))


@given(tracks())
def test_notes_are_those_of_the_reference(body: bytes) -> None:
    notes, ends, _ = pair_notes(read(body))
    ours = [(note[0], end, note[1], note[2], note[4]) for note, end in zip(notes, ends, strict=True)]
    assert ours == plain_midi.pair(plain_midi.read_track(body))


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 1)), max_size=40))
def test_notes_of_keys_struck_again_and_again_are_those_of_the_reference(steps: list[tuple[int, bool, int]]) -> None:
    body = b"".join(bytes([delta, 0x90 if on else 0x80, 60 + key, 64]) for delta, on, key in steps)
    notes, ends, _ = pair_notes(read(body))
    ours = [(note[0], end, note[1], note[2], note[4]) for note, end in zip(notes, ends, strict=True)]
    assert ours == plain_midi.pair(plain_midi.read_track(body))


def attempt(data: bytes, options: MidiOptions) -> Result:
    try:
        return parse(data, "x.mid", Report(), options)
    except HachimachiError as error:
        return error


def check(result: Result) -> None:
    if isinstance(result, HachimachiError):
        assert "\n" not in str(result)
        return
    assert result
    for sequence in result:
        assert sequence.time is not None
        assert 0 <= sequence.time.min() <= sequence.time.max() <= 2 * LONGEST
        for name, values in zip((feature.name for feature in sequence.features), sequence.data.T, strict=True):
            assert values.min() >= (1 if name in ("velocity", "track") else 0)
            assert name in ("duration", "track") or values.max() <= 128


EVERYTHING = [
    MidiOptions(),
    MidiOptions(tuple(COLUMNS)),
    MidiOptions(tuple(COLUMNS), split_tracks=True, beats=True),
    MidiOptions(("track", "channel"), controls=(1, 64)),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file that was whole until some bytes were changed, taken out or put in."""
    bodies = draw(st.lists(tracks(), min_size=1, max_size=3))
    head = b"MThd\0\0\0\6\0" + bytes([draw(st.integers(0, 2)), 0, len(bodies)]) + b"\0\x60"
    data = head + b"".join(b"MTrk" + len(body).to_bytes(4, "big") + body for body in bodies)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    return data[: draw(st.integers(0, 2 * len(data)))]


@given(damaged(), st.sampled_from(EVERYTHING))
def test_damaged_files_are_read_or_refused(data: bytes, options: MidiOptions) -> None:
    check(attempt(data, options))


def test_real_files_with_bytes_changed(shared_data: Path) -> None:
    random = np.random.default_rng(0)
    paths = sorted((shared_data / "odd_permissive" / "from_corpora").glob("*.mid"))
    for path in paths:
        data = bytearray(path.read_bytes()[:6000])
        for at in random.integers(0, len(data), 5).tolist():
            data[at] = int(random.integers(0, 256))
        check(attempt(bytes(data), MidiOptions(tuple(COLUMNS))))


@pytest.mark.parametrize("corpus", ["freedoom_small", "groove_dev", "piano_midi_de_small"])
def test_every_note_of_a_corpus_is_that_of_the_reference(shared_data: Path, corpus: str) -> None:
    """One file in ten, in beats: whole ticks come back from them."""
    wanted = MidiOptions(("track", "duration", "pitch", "velocity", "channel"), beats=True, sustain=False)
    for path in sorted((shared_data / corpus / "midi").glob("*.mid"))[::10]:
        data = path.read_bytes()
        chunks = split_chunks(data)
        (sequence,) = parse(data, path.name, Report(), wanted)
        assert sequence.time is not None
        scale = [chunks.ticks_per_quarter, 1, chunks.ticks_per_quarter, 1, 1, 1]
        ours = np.rint(np.column_stack([sequence.time, sequence.data]) * scale).astype(int)
        tracks = [plain_midi.read_track(data[span[0] : span[1]]) for span in chunks.spans]
        plain = [
            (start, number, end - start, pitch, velocity, channel)
            for number in range(1, len(tracks) + 1)
            for start, end, pitch, velocity, channel in plain_midi.pair(
                tracks[number - 1], [event for track in tracks[: number - 1] + tracks[number:] for event in track]
            )
        ]
        assert sorted(map(tuple, ours.tolist())) == sorted(plain)
