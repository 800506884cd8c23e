"""Notes or control changes out of MIDI files, in seconds or beats.

hachimachi reads the bytes itself: seconds come from an exact tempo map, a channel's program counts for all
tracks, and every note-on is accounted for, which the parsers at hand do not do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.midi import DRUMS, NOTES, MidiOptions
from hachimachi.io.midi.pairing import Rows, name_tracks, read_controls, read_notes, track_of
from hachimachi.io.midi.smf import (
    EXPORT_AGAIN,
    META,
    PADDING,
    Block,
    Bytes,
    Endings,
    Events,
    Index,
    MidiChunks,
    Walker,
    account,
    join,
    read_events,
    split_chunks,
)
from hachimachi.io.report import ELSEWHERE, MISSING, SILENCE, SILENT_BEATS, ZERO_TEMPO, Report

TEMPO = 500_000
"""Microseconds per quarter note until a file says otherwise."""
MOST_TICKS = 2**38
"""Ticks that a track may last: times a tempo, below 2²⁴, they must fit in 63 bits."""
_SET_TEMPO = 0x51


class Clock:
    """Time lines, on each of which some tracks lie.

    Args:
        events: What the tracks hold.
        values: All bytes.
        line: Time line of each track, from 0, shape (T,).
        chunks: The file of each time line.
        beats: Count quarter notes instead of seconds.
    """

    def __init__(self, events: Events, values: Bytes, line: Index, chunks: Sequence[MidiChunks], beats: bool) -> None:
        self.elsewhere = self.zero = np.empty(0, np.int64)
        """Track of each tempo change that is not in the first track of its time line, and of each tempo of 0."""
        metric = np.array([not beats and not each.ticks_per_second for each in chunks])
        per = [each.ticks_per_second or each.ticks_per_quarter * (1 if beats else 1e6) for each in chunks]
        self._per = np.array(per, np.float64)
        lines, self._at = np.arange(len(chunks)), np.zeros(len(chunks), np.int64)
        self._tempo = np.where(metric, TEMPO, 1)
        if metric.any():
            track, tick, tempo = self._read_tempos(events, values, line)
            used = np.flatnonzero(metric[line[track]])
            key = np.append(lines * MOST_TICKS, line[track[used]] * MOST_TICKS + np.minimum(tick[used], MOST_TICKS - 1))
            order = np.argsort(key, kind="stable")  # of several tempos at one tick, the last holds
            lines, self._at = np.divmod(key[order], MOST_TICKS)
            self._tempo = np.append(self._tempo, tempo[used])[order]
        self._line, self._key = lines, lines * MOST_TICKS + self._at
        spent = np.append(0, np.cumsum(np.diff(self._at) * self._tempo[:-1]))  # wraps from line to line, and back
        first = np.searchsorted(lines, lines)
        self._spent = spent - spent[first]  # microseconds × ticks per quarter, whole numbers

    def _read_tempos(self, events: Events, values: Bytes, line: Index) -> tuple[Index, Index, Index]:
        """Return the track, tick and microseconds per quarter note of each tempo change."""
        event = np.flatnonzero((events.status == META) & (events.first == _SET_TEMPO) & (events.second == 3))
        byte = values[events.at[event][:, None] + [2, 3, 4]].astype(np.int64)
        track, tempo = track_of(event, events.counts), byte @ [1 << 16, 1 << 8, 1]
        first = np.searchsorted(line, line)  # track of each time line
        self.elsewhere, self.zero = track[track != first[track]], track[tempo == 0]
        real = np.flatnonzero(tempo)
        return track[real], events.tick[event[real]], tempo[real]

    def seconds(self, line: Index, tick: Index) -> NDArray[np.float64]:
        """Return the seconds (or quarter notes) of ticks on time lines; all of one shape."""
        if self._at.any():
            segment = np.searchsorted(self._key, line * MOST_TICKS + tick, side="right") - 1
            passed = self._spent.take(segment) + (tick - self._at.take(segment)) * self._tempo.take(segment)
        else:
            passed = tick * self._tempo.take(np.searchsorted(self._line, line, side="right") - 1)
        return passed / self._per.take(line)


LONGEST = 86_400.0
"""Seconds that a piece may last: one that lasts for more than a day is damaged."""
_LONG_SILENCE = {SILENCE: 10.0, SILENT_BEATS: 20.0}
File = tuple[tuple[bytes, str], MidiChunks]


class _Found(NamedTuple):
    """What a block holds; every track belongs to a group, which becomes a sequence."""

    block: Block
    events: Events
    endings: Endings
    clock: Clock
    group: Index
    rows: Rows


def read_block(
    files: Sequence[File], walker: Walker, report: Report, options: MidiOptions
) -> list[list[EventSequence] | HachimachiError]:
    """Read files that are taken apart; return what was found in each, or why it cannot be read."""
    block = join([data for (data, _), _ in files], [chunks for _, chunks in files])
    found = _find(block, walker, options)
    times = _times(found)
    names = [name for (_, name), _ in files]
    wrong = _too_long(found, times, options)
    results: list[list[EventSequence] | HachimachiError] = []
    each = _sequences(found, times, names, options)
    for file in range(len(files)):
        if file not in wrong and not each[file]:
            wrong[file] = _nothing(file, found, options)
        results.append(HachimachiError(wrong[file]) if file in wrong else each[file])
    for remark, counts in _account(found, times, options).items():
        for file in np.flatnonzero(counts).tolist():
            if file not in wrong:
                report.count(remark, names[file], int(counts[file]))
    return results


def _find(block: Block, walker: Walker, options: MidiOptions) -> _Found:
    events, endings = read_events(walker, block.data, block.spans[:, :2].tolist())
    chunks = [block.chunks[file] for file in block.file_of_line.tolist()]
    clock = Clock(events, np.frombuffer(block.data, np.uint8), block.line, chunks, options.beats)
    group = np.arange(len(block.line)) if options.split_tracks else block.line
    rows = (read_controls if options.controls else read_notes)(events, block, group, options)
    return _Found(block, events, endings, clock, group, rows)


class _Times(NamedTuple):
    """When things happen, in seconds or beats.

    Args:
        start: Of each row, shape (R,).
        end: Of each row, shape (R,).
        bounds: First row of each group, and how many rows there are, shape (G + 1,).
        last: Latest end of each group, 0 where it has no rows, shape (G,).
        file: File of each group, shape (G,).
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    bounds: Index
    last: NDArray[np.float64]
    file: Index


def _times(found: _Found) -> _Times:
    rows, block = found.rows, found.block
    groups = int(found.group[-1]) + 1 if len(found.group) else 0
    file = np.zeros(groups, np.int64)
    file[found.group] = block.file
    line = block.line.take(rows.track)
    start = found.clock.seconds(line, rows.start)
    end = found.clock.seconds(line, rows.end)
    bounds = np.searchsorted(found.group.take(rows.track), np.arange(groups + 1))
    last = np.zeros(groups)
    filled = np.flatnonzero(np.diff(bounds))
    if filled.size:
        last[filled] = np.maximum.reduceat(end, bounds[filled])
    return _Times(start, end, bounds, last, file)


def _sequences(found: _Found, times: _Times, names: Sequence[str], options: MidiOptions) -> list[list[EventSequence]]:
    """Return the sequences of each file: one for each group that has rows."""
    features, rows, block = options.features, found.rows, found.block
    table = np.empty((len(rows.start), len(features)))
    for place, feature in enumerate(features):
        duration = feature.name == "duration"
        table[:, place] = times.end - times.start if duration else rows.columns[feature.name]
    parts = name_tracks(block, found.events) if options.split_tracks else list(map(str, block.number.tolist()))
    part_of = dict(zip(found.group.tolist(), parts, strict=True))
    bounds, each = times.bounds.tolist(), [[] for _ in names]
    for group, (file, begin, end) in enumerate(zip(times.file.tolist(), bounds, bounds[1:], strict=False)):
        if end > begin:
            divided = options.split_tracks or block.chunks[file].sequential
            name = f"{names[file]}/{part_of[group]}" if divided else names[int(file)]
            each[file].append(EventSequence(features, table[begin:end], times.start[begin:end], name))
    return each


def _too_long(found: _Found, times: _Times, options: MidiOptions) -> dict[int, str]:
    """Return why files cannot be right that last longer than any piece."""
    longest, unit = (LONGEST * 2, "beats") if options.beats else (LONGEST, "seconds")
    wrong = {
        file: f"damaged: it lasts {last:,.0f} {unit}, expected at most {longest:,.0f}; {EXPORT_AGAIN}"
        for file, last in zip(times.file.tolist(), times.last.tolist(), strict=True)
        if last > longest
    }
    for track, tick in enumerate(_last_ticks(found.events).tolist()):
        if tick >= MOST_TICKS:
            wrong[int(found.block.file[track])] = f"damaged: it lasts {tick:,} ticks; {EXPORT_AGAIN}"
    return wrong


def _last_ticks(events: Events) -> Index:
    """Return the tick of the last event of each track, 0 where it has none."""
    ticks = np.zeros(len(events.counts), np.int64)
    filled = np.flatnonzero(events.counts)
    ticks[filled] = events.tick[np.cumsum(events.counts)[filled] - 1]
    return ticks


def _nothing(file: int, found: _Found, options: MidiOptions) -> str:
    tracks = np.flatnonzero(found.block.file == file).tolist()
    numbers = ", ".join(map(str, options.controls))
    what = f"changes of control {numbers}" if options.controls else "notes"
    broken = [track for track in tracks if track in found.endings.breaks]
    if broken:
        number = int(found.block.number[broken[0]])
        why = found.endings.breaks[broken[0]]
        return f"damaged: track {number} of {len(tracks)} has {why}, and there are no {what} before; {EXPORT_AGAIN}"
    return f"there are no {what} in it (tracks: {len(tracks)}); expected at least one"


def _account(found: _Found, times: _Times, options: MidiOptions) -> dict[str, Index]:
    """Return what has to be said of each file: remark → how often, shape (F,)."""
    block, files = found.block, len(found.block.chunks)
    said = account(block, found.endings)
    tracks = {**found.rows.remarks, ELSEWHERE: found.clock.elsewhere, ZERO_TEMPO: found.clock.zero}
    for remark, track in tracks.items():
        if track.size:
            said[remark] = np.bincount(block.file[track], minlength=files)
    if not options.controls:  # after the last of which notes may go on
        remark = SILENT_BEATS if options.beats else SILENCE
        silence = _silence(found, times, _LONG_SILENCE[remark])
        said[remark] = np.bincount(block.file_of_line, silence, files).astype(np.int64)
    return said


def _silence(found: _Found, times: _Times, least: float) -> NDArray[np.float64]:
    """Return how long each time line goes on after its last row, shape (L,); 0 if that is less than to be told."""
    line, ended = found.block.line, np.flatnonzero(found.endings.ended)
    end, last = np.zeros(len(found.block.file_of_line)), np.zeros(len(found.block.file_of_line))
    np.maximum.at(end, line[ended], found.clock.seconds(line[ended], _last_ticks(found.events)[ended]))
    np.maximum.at(last, line, times.last[found.group])
    return np.where(end - last > least, end - last, 0)


__all__ = ["DRUMS", "MISSING", "NOTES", "parse", "parse_many", "without_constant_instrument"]
DEFAULT = MidiOptions()
_BLOCK = 80_000  # bytes: the tables of a walk through more would not fit in a processor's cache


def parse(data: bytes, file: str, report: Report, options: MidiOptions = DEFAULT) -> list[EventSequence]:
    """Read a MIDI file, as one sequence sorted by time, pitch, instrument, duration unless the options say otherwise.

    Time is in seconds from the start of the file.

    Args:
        data: Its bytes.
        file: Its name, for the report and the names of sequences where there are several.
        report: Takes note of what had to be mended, see `hachimachi.io.report`.
        options: What is wanted.

    Raises:
        HachimachiError: Not MIDI, a header that cannot be understood, or nothing of what is wanted in it.
    """
    (result,) = parse_many([(data, file)], report, options)
    if isinstance(result, HachimachiError):
        raise result
    return result


def parse_many(
    files: Iterable[tuple[bytes, str]], report: Report, options: MidiOptions = DEFAULT
) -> Iterator[list[EventSequence] | HachimachiError]:
    """Read many MIDI files faster than one by one; they are taken from ``files``, bytes and name, as they are needed.

    Yields:
        For each file what `parse` returns, or the error that it raises.
    """
    walker = Walker(0)
    for block in _blocks(files):
        needed = sum(len(data) for data, _ in block) + len(PADDING)
        walker = walker if needed <= walker.most else Walker(needed)
        yield from _parse_block(block, walker, report, options)


def without_constant_instrument(sequences: Sequence[EventSequence], report: Report) -> list[EventSequence]:
    """Leave out the last column of sequences of `NOTES` where it has one value throughout all of them."""
    values = {float(value) for sequence in sequences for value in np.unique(sequence.column("instrument"))}
    if len(values) > 1:
        return list(sequences)
    report.constants["instrument"] = values.pop()
    return [replace(sequence, features=NOTES[:-1], data=sequence.data[:, :-1]) for sequence in sequences]


def _blocks(files: Iterable[tuple[bytes, str]]) -> Iterator[list[tuple[bytes, str]]]:
    block: list[tuple[bytes, str]] = []
    size = 0
    for data, name in files:
        if block and size + len(data) > _BLOCK:
            yield block
            block, size = [], 0
        block.append((data, name))
        size += len(data)
    if block:
        yield block


def _parse_block(
    files: Sequence[tuple[bytes, str]], walker: Walker, report: Report, options: MidiOptions
) -> Iterator[list[EventSequence] | HachimachiError]:
    split = [_split(data, options) for data, _ in files]
    whole = [(file, chunks) for file, chunks in zip(files, split, strict=True) if isinstance(chunks, MidiChunks)]
    results = iter(read_block(whole, walker, report, options)) if whole else iter(())
    for chunks in split:
        yield chunks if isinstance(chunks, HachimachiError) else next(results)


def _split(data: bytes, options: MidiOptions) -> MidiChunks | HachimachiError:
    try:
        chunks = split_chunks(data)
    except HachimachiError as error:
        return error
    if options.beats and chunks.ticks_per_second:
        return HachimachiError("it counts frames (SMPTE), which are no beats; read it in seconds")
    return chunks
