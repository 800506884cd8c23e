"""Notes to sound: pretty_midi's synthesis, and synthesized drums, which it leaves silent."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pretty_midi import Instrument, Note, note_number_to_hz

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.midi import DRUMS
from hachimachi.io.midi.pairing import sustain
from hachimachi.io.midi.write import TICK, NoteTable, Remark, only, pedal_changes, report_to, settle, take_notes
from hachimachi.io.report import Report

RATE = 44100
_PEAK = 0.9 * 32767
_SHORTEST = 1e-4  # seconds
LONGEST = 3600.0  # seconds of sound: it is made in memory, and a minute is 42 MB there


def render(sequences: Sequence[EventSequence], report: Report | None = None, file: str = "") -> bytes:
    """Write one sequence of notes as 16-bit mono at 44.1 kHz, as loud as can be without clipping. They end as in a
    MIDI file: where their key is struck again, with ``pedal`` where it lets them go, at the latest with the last."""
    remark = report_to(report, file)
    samples = (_sound(take_notes(only(sequences), remark), RATE, remark) * _PEAK).astype("<i2")
    into = io.BytesIO()
    with wave.open(into, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return into.getvalue()


def synthesize(sequences: Sequence[EventSequence], rate: int) -> NDArray[np.float64]:
    """Return the sound of one sequence of notes at a rate in Hz, shape (samples,), from -1 to 1."""
    remark = report_to(None, "")
    return _sound(take_notes(only(sequences), remark), rate, remark)


def _sound(notes: NoteTable, rate: int, remark: Remark) -> NDArray[np.float64]:
    settled = settle(notes, remark)
    start, end, _, channel = settled
    if (seconds := end.max(initial=0) * TICK) > LONGEST:
        raise HachimachiError(f"{seconds:,.0f} s of sound, expected at most {LONGEST:,.0f}; write .mid, or less of it")
    changes = [(tick, on, value) for tick, _, on, value in pedal_changes(notes, settled, remark)]
    if changes:
        end = sustain(channel << 7 | notes.pitch, start, end, np.full(len(end), end.max()), changes)
    program = np.zeros(len(notes.start), np.int64) if notes.program is None else notes.program
    found = {value: Instrument(value % DRUMS, is_drum=value == DRUMS) for value in np.unique(program).tolist()}
    rows = (notes.velocity, notes.pitch, start * TICK, np.maximum(end * TICK, start * TICK + _SHORTEST))
    for value, *note in zip(program.tolist(), *(row.tolist() for row in rows), strict=True):
        found[value].notes.append(Note(*note))
    sound = np.zeros(max(round(rate * (instrument.get_end_time() + 2)) for instrument in found.values()))
    for instrument in found.values():  # one at a time: pretty_midi would hold all of them at once
        part = _percussion(instrument, rate) if instrument.is_drum else instrument.synthesize(rate)
        sound[: len(part)] += part
    return sound / max(np.abs(sound).max(), 1e-9)


def _percussion(instrument: Instrument, rate: int) -> NDArray[np.float64]:
    """Return a drum sound for each note, whatever its duration."""
    strokes = {pitch: _stroke(pitch, rate) for pitch in {note.pitch for note in instrument.notes}}
    longest = max(map(len, strokes.values()))
    sound = np.zeros(round(rate * max(note.start for note in instrument.notes)) + longest + 1)
    for note in instrument.notes:
        at, stroke = round(rate * note.start), strokes[note.pitch]
        sound[at : at + len(stroke)] += note.velocity * stroke
    return sound


def _stroke(pitch: int, rate: int) -> NDArray[np.float64]:
    """Return a decaying tone and noise: mostly tone at low pitches (kicks), noise at high ones (hats)."""
    time = np.arange(round(0.25 * rate)) / rate
    noise = np.random.default_rng(pitch).standard_normal(len(time))
    share = np.clip((pitch - 34) / 10, 0.05, 1)
    tone = np.sin(2 * np.pi * note_number_to_hz(pitch) * time)
    return ((1 - share) * tone + 0.3 * share * noise) * np.exp(-time / (0.08 - 0.05 * share))
