"""Notes or control changes from MIDI files: an exact tempo map, programs of all tracks, and no note-on is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import report as wording
from hachimachi.io.midi import MidiOptions
from hachimachi.io.midi.pairing import name_tracks, read_rows
from hachimachi.io.midi.smf import (
    BREAKS_OFF,
    EXPORT_AGAIN,
    PADDING,
    MidiChunks,
    TrackEvents,
    read_track,
    split_chunks,
    unwrap,
)
from hachimachi.io.report import Report

DEFAULT = MidiOptions()
TEMPO = 500_000  # microseconds per quarter note until a file says otherwise
MOST_TICKS = 2**38  # most ticks of a track: times a tempo, below 2²⁴, they must fit in 63 bits
LONGEST = 86_400.0  # most seconds of a piece; a longer one is damaged
_LONG_SILENCE = {wording.SILENCE: 10.0, wording.SILENT_BEATS: 20.0}


class TempoMap:
    """From ticks to seconds or quarter notes, by the tempo changes of all tracks; ``remarks`` counts what is odd."""

    def __init__(self, tracks: Sequence[TrackEvents], chunks: MidiChunks, beats: bool) -> None:
        metrical = not beats and not chunks.ticks_per_second
        self._per = chunks.ticks_per_second or chunks.ticks_per_quarter * (1.0 if beats else 1e6)
        found = [(tick, tempo) for track in tracks for tick, tempo in track.tempos] if metrical else []
        self.remarks = {wording.ELSEWHERE: len(found) - len(tracks[0].tempos) if found else 0}
        self.remarks[wording.ZERO_TEMPO] = sum(not tempo for _, tempo in found)
        changes = sorted(filter(itemgetter(1), found), key=itemgetter(0))  # of several at a tick, the last holds
        self._at = np.array([0, *(tick for tick, _ in changes)])
        self._tempo = np.array([TEMPO if metrical else 1, *(tempo for _, tempo in changes)])
        # microseconds × ticks per quarter note, whole numbers, passed at each change
        self._passed = np.append(0, np.cumsum(np.diff(self._at) * self._tempo[:-1]))

    def seconds(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the seconds (or quarter notes) of ticks, of the same shape."""
        i = np.searchsorted(self._at, ticks, side="right") - 1
        return (self._passed[i] + (ticks - self._at[i]) * self._tempo[i]) / self._per


def parse(data: bytes, file: str, report: Report, options: MidiOptions = DEFAULT) -> list[EventSequence]:
    """Read a MIDI file, by default as one sequence of notes sorted by time, pitch, instrument and duration, in seconds
    from its start. The report takes what had to be mended, under the file's name, which sequences are given too.
    HachimachiError if it is not MIDI, or has no such events."""
    data = unwrap(data)
    chunks = split_chunks(data)
    if options.beats and chunks.ticks_per_second:
        raise HachimachiError("it counts frames (SMPTE), which are no beats; read it in seconds")
    padded = data + PADDING
    tracks = [read_track(padded, span, number) for number, span in enumerate(chunks.spans, 1)]
    for track in tracks[::-1]:
        if track.ticks >= MOST_TICKS:
            raise HachimachiError(f"damaged: it lasts {track.ticks:,} ticks; {EXPORT_AGAIN}")
    names = name_tracks(tracks)
    remarks = _chunk_remarks(chunks, tracks)
    silent, longest, unit = (
        (wording.SILENT_BEATS, 2 * LONGEST, "beats") if options.beats else (wording.SILENCE, LONGEST, "seconds")
    )
    sequences: list[EventSequence] = []
    too_long = silence = 0.0
    for line in [[track] for track in tracks] if chunks.sequential else [tracks]:
        tempo_map = TempoMap(line, chunks, options.beats)
        remarks.update(tempo_map.remarks)
        parts, mended = read_rows(line, options)
        remarks.update(mended)
        last = 0.0
        for columns in parts:
            start, end = tempo_map.seconds(columns["start"]), tempo_map.seconds(columns["end"])
            duration = end - start  # rounded, it must not reach beyond what begins at the end
            duration = np.where(start + duration > end, np.nextafter(duration, 0), duration)
            table = np.column_stack([{**columns, "duration": duration}[each.name] for each in options.features])
            divided = options.split_tracks or chunks.sequential
            part = names[columns["track"][0] - 1] if options.split_tracks else str(columns["track"][0])
            sequences.append(EventSequence(options.features, table, start, f"{file}/{part}" if divided else file))
            last = max(last, float(end.max()))
            too_long = float(end.max()) if end.max() > longest else too_long
        ends = [float(tempo_map.seconds(np.array(track.ticks))) for track in line if track.ended]
        after = max(ends, default=0.0) - last
        silence += after if after > _LONG_SILENCE[silent] else 0.0
    if too_long:
        expected = f"expected at most {longest:,.0f}; {EXPORT_AGAIN}"
        raise HachimachiError(f"damaged: it lasts {too_long:,.0f} {unit}, {expected}")
    if not sequences:
        what = f"changes of control {', '.join(map(str, options.controls))}" if options.controls else "notes"
        for track in tracks:
            for damage in (track.damage, *track.wrong):
                if damage:
                    where = f"track {track.number} of {len(tracks)} has {damage}"
                    raise HachimachiError(f"damaged: {where}, and there are no {what} before; {EXPORT_AGAIN}")
        raise HachimachiError(f"there are no {what} in it (tracks: {len(tracks)}); expected at least one")
    remarks[silent] = 0 if options.controls else int(silence)  # after the last control change notes may go on
    for remark, times in remarks.items():
        report.count(remark, file, times)
    return sequences


def _chunk_remarks(chunks: MidiChunks, tracks: Sequence[TrackEvents]) -> Counter[str]:
    remarks: Counter[str] = Counter()
    for span, track in zip(chunks.spans, tracks, strict=True):
        rest = max(span.end - track.stop, 0)
        cut = span.declared > span.end and not track.ended
        remarks[wording.CUT_SHORT] += span.declared - span.end if cut else 0
        if track.ended:
            remarks[wording.WRONG_LENGTH] += track.stop > span.declared or span.declared > span.end
            remarks[wording.AFTER_END] += rest
        elif track.damage and not (cut and track.damage == BREAKS_OFF):
            remarks[wording.BROKEN] += rest
        remarks[wording.WRONG_DATA] += len(track.wrong)
        remarks[wording.OVERLONG] += track.overlong
    surplus = len(tracks) - chunks.announced
    remarks[wording.SURPLUS if surplus > 0 else wording.MISSING] += abs(surplus)
    remarks[wording.WRONG_LENGTH] += chunks.misled
    remarks[wording.STRAY] += chunks.stray
    remarks[wording.FRAMES] += chunks.ticks_per_second > 0
    remarks[wording.SEQUENTIAL] += len(tracks) * chunks.sequential
    return remarks
