"""From a block of MIDI files to sequences of events, and what is to be said of each file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.midi_block import Block, account, join
from hachimachi.io.midi_chunks import BROKEN, MidiChunks
from hachimachi.io.midi_clock import MOST_TICKS, Clock
from hachimachi.io.midi_events import Endings, Events, read_events
from hachimachi.io.midi_names import name_tracks
from hachimachi.io.midi_options import MidiOptions
from hachimachi.io.midi_remarks import ELSEWHERE, SILENCE, SILENT_BEATS, ZERO_TEMPO
from hachimachi.io.midi_rows import Rows, read_controls, read_notes
from hachimachi.io.midi_walk import Index, Walker
from hachimachi.io.report import Report

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
        file: f"damaged: it lasts {last:,.0f} {unit}, expected at most {longest:,.0f}; {BROKEN}"
        for file, last in zip(times.file.tolist(), times.last.tolist(), strict=True)
        if last > longest
    }
    for track, tick in enumerate(_last_ticks(found.events).tolist()):
        if tick >= MOST_TICKS:
            wrong[int(found.block.file[track])] = f"damaged: it lasts {tick:,} ticks; {BROKEN}"
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
        return f"damaged: track {number} of {len(tracks)} has {why}, and there are no {what} before; {BROKEN}"
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
