"""A sequence of notes as MIDI can hold it, with an account of what it cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.midi_options import DRUMS
from hachimachi.io.report import Report

ROUNDED = "values between those that MIDI has: rounded"
CLIPPED = "values beyond 0 to 127, or velocities of 0: brought to the nearest that MIDI has"
NO_NOTE = "events of a pitch, instrument, channel, track or control that MIDI does not have: left out"
MOST_TRACKS = 256
Tell = Callable[[str, int], None]
"""Takes note of what happened and how often."""


class NoteTable(NamedTuple):
    """N notes in the order of time; what is ``None`` the sequence does not say.

    Args:
        start: Seconds, shape (N,).
        end: Seconds, shape (N,).
        pitch: 0 to 127, shape (N,).
        velocity: 1 to 127, shape (N,).
        program: 0 to 127, or `DRUMS`, shape (N,).
        channel: 0 to 15, shape (N,).
        track: From 1, shape (N,).
        pedal: 0 to 127, shape (N,).
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    program: NDArray[np.int64] | None
    channel: NDArray[np.int64] | None
    track: NDArray[np.int64] | None
    pedal: NDArray[np.int64] | None


def teller(report: Report | None, file: str) -> Tell:
    """Return what counts in a report what happened to a file; without a report nothing does."""
    return lambda remark, times: report.count(remark, file, times) if report is not None else None


def only(sequences: Sequence[EventSequence]) -> EventSequence:
    """Return the one sequence there is.

    Raises:
        HachimachiError: There are several.
    """
    if len(sequences) != 1:
        others = "write .json or .arrow, or each to a file of its own"
        raise HachimachiError(f"this format holds one sequence, there are {len(sequences):,}; {others}")
    return sequences[0]


def take_notes(sequence: EventSequence, tell: Tell) -> NoteTable:
    """Return the notes of a sequence. Velocity 80 and duration 0.1 s stand in for columns that are not there.

    Raises:
        HachimachiError: What are no notes, or none that MIDI can hold.
    """
    names = [feature.name for feature in sequence.features]
    if sequence.time is None or "pitch" not in names:
        found = f"{', '.join(names)} {'with' if sequence.temporal else 'without'} time"
        raise HachimachiError(f"notes need time and a feature named pitch, found {found}; write .csv or .json")
    ranges = {"pitch": (0, 127), "instrument": (0, DRUMS), "channel": (0, 15), "track": (1, MOST_TRACKS)}
    kept, whole = keep_whole(sequence, ranges, tell)
    velocity = clip(column(kept, "velocity", 80.0), 1, 127, tell)
    pedal = clip(kept.column("pedal"), 0, 127, tell) if "pedal" in names else None
    start = np.zeros(0) if kept.time is None else kept.time
    end = start + np.maximum(column(kept, "duration", 0.1), 0)
    program, channel, track = (whole.get(name) for name in ("instrument", "channel", "track"))
    return NoteTable(start, end, whole["pitch"], velocity, program, channel, track, pedal)


def keep_whole(
    sequence: EventSequence, ranges: dict[str, tuple[int, int]], tell: Tell
) -> tuple[EventSequence, dict[str, NDArray[np.int64]]]:
    """Keep the events whose columns lie in given ranges; return them, and those columns as whole numbers.

    Columns that are not there are passed over. Channels count from 0, as in files, or from 1 if there is a sixteenth.

    Raises:
        HachimachiError: None are left.
    """
    there = {feature.name for feature in sequence.features}
    exact = {name: sequence.column(name) for name in ranges if name in there}
    if 16 in exact.get("channel", ()):
        exact["channel"] = exact["channel"] - 1
    whole = {name: np.rint(values) for name, values in exact.items()}
    inside = np.ones(len(sequence), bool)
    for name, values in whole.items():
        inside &= (values >= ranges[name][0]) & (values <= ranges[name][1])
    if not inside.any():
        shown = ", ".join(f"{name} {ranges[name][0]} to {ranges[name][1]}" for name in whole)
        raise HachimachiError(f"MIDI holds none of the {len(sequence):,} events; it has {shown}")
    tell(NO_NOTE, int((~inside).sum()))
    for name, values in whole.items():
        tell(ROUNDED, int((values != exact[name])[inside].sum()))
    time = None if sequence.time is None else sequence.time[inside]
    kept = EventSequence(sequence.features, sequence.data[inside], time, sequence.name)
    return kept, {name: values[inside].astype(np.int64) for name, values in whole.items()}


def clip(values: NDArray[np.float64], low: int, high: int, tell: Tell) -> NDArray[np.int64]:
    """Return the nearest whole numbers that MIDI has."""
    whole = np.rint(values)
    tell(ROUNDED, int((whole != values).sum()))
    tell(CLIPPED, int(((whole < low) | (whole > high)).sum()))
    return np.clip(whole, low, high).astype(np.int64)


def column(sequence: EventSequence, name: str, default: float) -> NDArray[np.float64]:
    """Return the values of a feature, or a default where it is not there."""
    present = any(feature.name == name for feature in sequence.features)
    return sequence.column(name) if present else np.full(len(sequence), default)
