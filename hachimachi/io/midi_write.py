"""Notes into a MIDI file, by pretty_midi."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pretty_midi import Instrument, Note, PrettyMIDI

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence

TICK = 1e-4
"""Seconds: every time is written to the nearest of these."""
_TEMPO = 120.0
_DRUMS = 128


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write one sequence of notes.

    Raises:
        HachimachiError: More than one sequence, or what are no notes.
    """
    file = io.BytesIO()
    to_pretty_midi(sequences).write(file)
    return file.getvalue()


def to_pretty_midi(sequences: Sequence[EventSequence]) -> PrettyMIDI:
    """Return the notes of one sequence, an instrument for each program.

    Velocity 80, duration 0.1 s and program 0 stand in for columns that are not there. Pitch and velocity are
    rounded and clipped to what MIDI can hold. A note lasts at least one `TICK`: a MIDI file cannot tell the
    end of a shorter one from that of the note before.
    """
    if len(sequences) != 1:
        raise HachimachiError(f"this format holds one sequence, there are {len(sequences):,}; write .json")
    sequence = sequences[0]
    names = [feature.name for feature in sequence.features]
    if sequence.time is None or "pitch" not in names:
        found = f"{', '.join(names)} {'with' if sequence.temporal else 'without'} time"
        raise HachimachiError(f"notes need time and a feature named pitch, found {found}; write .csv or .json")
    pitch = _legal(sequence.column("pitch"), 0, 127)
    velocity = _legal(_column(sequence, "velocity", 80), 1, 127)
    program = _legal(_column(sequence, "instrument", 0), 0, _DRUMS)
    end = sequence.time + np.maximum(_column(sequence, "duration", 0.1), TICK)
    instruments = {value: _instrument(value) for value in sorted(set(program))}
    for value, *note in zip(program, velocity, pitch, sequence.time.tolist(), end.tolist(), strict=True):
        instruments[value].notes.append(Note(*note))
    score = PrettyMIDI(resolution=round(60 / _TEMPO / TICK), initial_tempo=_TEMPO)
    score.instruments.extend(instruments.values())
    return score


def _instrument(program: int) -> Instrument:
    return Instrument(0, is_drum=True) if program == _DRUMS else Instrument(program)


def _column(sequence: EventSequence, name: str, default: float) -> NDArray[np.float64]:
    present = any(feature.name == name for feature in sequence.features)
    return sequence.column(name) if present else np.full(len(sequence), float(default))


def _legal(values: NDArray[np.float64], low: int, high: int) -> list[int]:
    return np.clip(np.rint(values), low, high).astype(int).tolist()
