"""Notes out of a MIDI file, in seconds.

hachimachi reads the bytes itself: seconds come from an exact tempo map, a channel's program counts for all
tracks, and every note-on is accounted for, which the parsers at hand do not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.midi_audit import pair_notes
from hachimachi.io.midi_bytes import MidiChunks, Track, read_track, split_chunks
from hachimachi.io.midi_options import DRUMS, NOTES, MidiOptions
from hachimachi.io.report import Report

DEFAULT = MidiOptions()
MISSING = "tracks that the header announces are not there"
_DRUM_CHANNEL = 9  # channel 10, counted from 0
_TEMPO = 500_000  # microseconds per quarter until a file says otherwise


def parse(data: bytes, file: str, report: Report, options: MidiOptions = DEFAULT) -> list[EventSequence]:
    """Read a MIDI file as one sequence with the columns `NOTES`, sorted by time, pitch, instrument, duration.

    Time is in seconds from the start of the file.

    Raises:
        HachimachiError: Not MIDI, truncated, damaged, or no notes in it.
    """
    chunks = split_chunks(data)
    report.count(MISSING, file, max(0, chunks.announced - len(chunks.tracks)))
    tracks = [_read_track(chunk, number, len(chunks.tracks)) for number, chunk in enumerate(chunks.tracks, 1)]
    notes = pair_notes(tracks, file, report)
    if not len(notes):
        raise HachimachiError(f"there are no notes in it (tracks: {len(tracks)}); expected at least one")
    start, end = _seconds(notes[:, :2], chunks, tracks).T
    table = np.column_stack([notes[:, 2], notes[:, 3], end - start, _instruments(notes, tracks)])
    order = np.lexsort((table[:, 2], table[:, 3], table[:, 0], start))
    return [EventSequence(NOTES, table[order].astype(np.float64), start[order])]


def without_constant_instrument(sequences: Sequence[EventSequence], report: Report) -> list[EventSequence]:
    """Leave out the last column of sequences of `NOTES` where it has one value throughout all of them."""
    values = {float(value) for sequence in sequences for value in np.unique(sequence.column("instrument"))}
    if len(values) > 1:
        return list(sequences)
    report.constants["instrument"] = values.pop()
    return [replace(sequence, features=NOTES[:-1], data=sequence.data[:, :-1]) for sequence in sequences]


def _read_track(data: bytes, number: int, of: int) -> Track:
    try:
        return read_track(data)
    except HachimachiError as error:
        raise HachimachiError(f"track {number} of {of}: {error}") from error


def _seconds(ticks: NDArray[np.int64], chunks: MidiChunks, tracks: Sequence[Track]) -> NDArray[np.float64]:
    """Put ticks on the time line that the tempos of all tracks make; exact up to one rounding."""
    if chunks.ticks_per_second:
        return ticks / chunks.ticks_per_second
    tempos = {0: _TEMPO}  # of several tempos at one tick, the last holds
    tempos.update(sorted((tempo for track in tracks for tempo in track.tempos if tempo[1]), key=lambda tempo: tempo[0]))
    if ticks.max() >= 2**38:  # times a tempo below 2²⁴ this would no longer fit in 63 bits
        raise HachimachiError(f"damaged: it lasts {ticks.max():,} ticks; export the file again")
    at, tempo = np.array(list(tempos.items()), dtype=np.int64).T
    before = np.append(0, np.cumsum(np.diff(at) * tempo[:-1]))  # microseconds × ticks per quarter, whole numbers
    segment = np.searchsorted(at, ticks, side="right") - 1
    return (before[segment] + (ticks - at[segment]) * tempo[segment]) / (1e6 * chunks.ticks_per_quarter)


def _instruments(notes: NDArray[np.int64], tracks: Sequence[Track]) -> NDArray[np.int64]:
    """Return each note's program: its track's own, else what another track set for the channel, else 0."""
    start, channel, program = notes[:, 0], notes[:, 4], notes[:, 5].copy()
    changes = sorted((change for track in tracks for change in track.programs), key=lambda change: change[0])
    for tick, of_channel, value in changes if (program < 0).any() else ():
        program[(notes[:, 5] < 0) & (channel == of_channel) & (start >= tick)] = value
    return np.where(channel == _DRUM_CHANNEL, DRUMS, np.maximum(program, 0))
