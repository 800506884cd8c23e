"""Notes or control changes of several tracks, with the columns that are wanted of them."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.midi import DRUM_CHANNEL, DRUMS, MidiOptions
from hachimachi.io.midi.smf import META, Block, Bytes, Events, Index, read_quantities
from hachimachi.io.report import EMPTY, REPEATED, RESTARTED, UNENDED

Flags = NDArray[np.bool_]


class Notes(NamedTuple):
    """Every note of several tracks, one track after the other, in the order in which they begin; N of them.

    Args:
        event: Its note-on among the events, shape (N,).
        track: From 0, shape (N,).
        start: Tick, shape (N,).
        end: Tick, shape (N,).
        pitch: Shape (N,).
        velocity: Shape (N,).
        channel: From 0, shape (N,).
    """

    event: Index
    track: Index
    start: Index
    end: Index
    pitch: Bytes
    velocity: Bytes
    channel: Bytes


def pair_notes(events: Events) -> tuple[Notes, dict[str, Index]]:
    """Return every note of all tracks, and the tracks of the notes that had to be mended, by remark."""
    event = np.flatnonzero(events.status >> 5 == 0b100)  # note-off, note-on
    status, pitch, velocity = (column.take(event) for column in (events.status, events.first, events.second))
    track, tick = track_of(event, events.counts), events.tick.take(event)
    on = (status > 0x8F) & (velocity > 0)  # a velocity of 0 ends a note
    key = (status & np.uint8(15)).astype(np.uint16) << np.uint16(7) | pitch
    order = np.argsort(key, kind="stable")
    ends, remarks = _pair(_Keys(key, track, tick, on), order, events)
    begins = np.flatnonzero(on)
    columns = (each.take(begins) for each in (event, track, tick, ends, pitch, velocity, status & np.uint8(15)))
    return Notes._make(columns), remarks


def track_of(event: Index, counts: Index) -> Index:
    """Return the track of each of some events, which are sorted, given how many events each track has."""
    bounds = np.searchsorted(event, np.append(0, np.cumsum(counts)))
    return np.repeat(np.arange(len(counts)), np.diff(bounds))


class _Keys(NamedTuple):
    """Note-ons and note-offs, M of them."""

    key: NDArray[np.uint16]
    track: Index
    tick: Index
    on: Flags


def _pair(keys: _Keys, order: Index, events: Events) -> tuple[Index, dict[str, Index]]:
    """Return the end of each note at its note-on, shape (M,), given the order by key and then as in the file."""
    by_key = _Keys._make(column.take(order) for column in keys)
    same = np.zeros(len(order), bool)  # as the next
    same[:-1] = (by_key.key[1:] == by_key.key[:-1]) & (by_key.track[1:] == by_key.track[:-1])
    _settle_late_ends(by_key, same, order)
    on = np.flatnonzero(by_key.on)
    start, track, final = by_key.tick.take(on), by_key.track.take(on), ~same.take(on)
    end = by_key.tick.take(on + 1, mode="clip")
    again = by_key.on.take(on + 1, mode="clip") & ~final
    if final.any():
        end[final] = _last(events)[track[final]]
    for i in np.flatnonzero(again & (end == start))[::-1].tolist():  # struck twice at once: the two end together
        end[i], again[i] = end[i + 1], False
    ends = np.empty(len(order), np.int64)
    ends[order.take(on)] = end
    return ends, {RESTARTED: track[again], UNENDED: track[final], EMPTY: track[end == start]}


def _settle_late_ends(keys: _Keys, same: Flags, order: Index) -> None:
    """Where a start comes just before the end, on the same tick, of the note its key still holds, exchange the two."""
    on, tick = keys.on, keys.tick
    while True:
        late = np.flatnonzero(on[:-2] & on[1:-1] & ~on[2:] & same[:-2] & same[1:-1]) + 1
        late = late[(tick[late - 1] < tick[late]) & (tick[late] == tick[late + 1])]
        if not late.size:
            return
        on[late], on[late + 1] = False, True
        order[late], order[late + 1] = order[late + 1], order[late]


def _last(events: Events) -> Index:
    """Return the tick of the last channel message of each track that has one, shape (T,)."""
    of_channel = np.flatnonzero(events.status < 0xF0)
    return events.tick[of_channel[np.searchsorted(of_channel, np.cumsum(events.counts)) - 1]]


DAMPER = 64
"""Controller of the pedal that lets notes ring."""
Whole = NDArray[np.integer]
_WHEN = 2**40  # above all ticks and numbers of events


def find_instruments(notes: Notes, events: Events, line: Index) -> Index:
    """Return each note's program: its track's own, else what another track set for the channel by then, else 0.

    Args:
        line: Time line of each track, from 0, shape (T,).
    """
    event = np.flatnonzero(events.status >> 4 == 0xC)
    drums = notes.channel == DRUM_CHANNEL
    if not event.size or drums.all():
        return np.where(drums, DRUMS, 0)
    track, channel = track_of(event, events.counts), events.status[event] & np.uint8(15)
    value = events.first[event]
    programs = _latest((track, channel, event, value), (notes.track, notes.channel, notes.event), -1)
    rest = np.flatnonzero((programs < 0) & ~drums)
    if rest.size:
        asked = line[notes.track[rest]], notes.channel[rest], notes.start[rest]
        programs[rest] = _latest((line[track], channel, events.tick[event], value), asked, 0)
    programs[drums] = DRUMS
    return programs


def find_pedal(notes: Notes, events: Events, line: Index) -> Index:
    """Return where the pedal of each note's channel is when it begins, moved by whichever track, at first 0."""
    event = np.flatnonzero((events.status >> 4 == 0xB) & (events.first == DAMPER))
    on_line = line[track_of(event, events.counts)]
    changes = on_line, events.status[event] & np.uint8(15), events.tick[event], events.second[event]
    return _latest(changes, (line[notes.track], notes.channel, notes.start), 0)


def _latest(changes: tuple[Whole, ...], asked: tuple[Whole, ...], otherwise: int) -> Index:
    """Return the value of the last change of a channel until then; of several at once, that which comes last.

    Args:
        changes: Group, channel, when (below 2⁴⁰) and value of each change.
        asked: Group, channel and when of each question.
        otherwise: The answer before any change.
    """
    place, question = (each[0] * 16 + each[1] for each in (changes, asked))
    order = np.lexsort((changes[2], place))
    place, when, value = place[order], changes[2][order], changes[3][order].astype(np.int64)
    first = np.full(int(max(place.max(initial=0), question.max(initial=0))) + 1, _WHEN)
    np.minimum.at(first, question, asked[2])
    early = when <= first[place]
    settled = np.full(len(first), otherwise)
    settled[place[early]] = value[early]  # of several, the last that is written stays
    answer = settled.take(question)
    changing = np.zeros(len(first), bool)
    changing[place[~early]] = True
    if (amid := np.flatnonzero(changing.take(question))).size:
        key = place * _WHEN + np.minimum(when, _WHEN - 1)
        last = np.searchsorted(key, question[amid] * _WHEN + asked[2][amid], side="right") - 1
        known = (last >= 0) & (place[last] == question[amid])
        answer[amid] = np.where(known, value[last], otherwise)
    return answer


_TICK_BITS = 38
_MOST_GROUPS = 1 << 63 - _TICK_BITS - 15


class Rows(NamedTuple):
    """What is wanted of several tracks, R of it, sorted by group and then by time.

    Args:
        track: From 0, shape (R,).
        start: Tick, shape (R,).
        end: Tick, shape (R,).
        columns: Each feature but ``duration`` by its name, shape (R,).
        remarks: What had to be mended → the track of each.
    """

    track: Index
    start: Index
    end: Index
    columns: dict[str, NDArray[np.integer]]
    remarks: dict[str, Index]


def read_notes(events: Events, block: Block, group: Index, options: MidiOptions) -> Rows:
    """Return notes, sorted by group, time, pitch, instrument, duration.

    Args:
        group: Of each track, never decreasing, shape (T,).
    """
    notes, remarks = pair_notes(events)
    instrument = find_instruments(notes, events, block.line)
    order = _sort(group.take(notes.track), notes.start, notes.pitch, instrument, notes.end)
    found = {"pitch": notes.pitch, "velocity": notes.velocity, "instrument": instrument, "channel": notes.channel}
    wanted = {feature.name for feature in options.features}
    if "track" in wanted:
        found["track"] = block.number[notes.track]
    if "pedal" in wanted:
        found["pedal"] = find_pedal(notes, events, block.line)
    columns = {name: column.take(order) for name, column in found.items() if name in wanted}
    return Rows(notes.track.take(order), notes.start.take(order), notes.end.take(order), columns, remarks)


def read_controls(events: Events, block: Block, group: Index, options: MidiOptions) -> Rows:
    """Return the control changes that are wanted, sorted by group and time, at one time as in the file."""
    asked = np.zeros(256, bool)
    asked[list(options.controls)] = True
    event = np.flatnonzero((events.status >> 4 == 0xB) & asked[events.first])
    track = track_of(event, events.counts)
    order = np.lexsort((events.tick[event], group[track]))
    event, track = event[order], track[order]
    channel, tick = events.status[event] & np.uint8(15), events.tick[event]
    found = {"control": events.first[event], "value": events.second[event], "channel": channel}
    found["track"] = block.number[track]
    remarks = {REPEATED: track[_repeated(block.line[track] * 16 + channel, found["control"], found["value"])]}
    return Rows(track, tick, tick, {feature.name: found[feature.name] for feature in options.features}, remarks)


def _sort(group: Index, start: Index, pitch: Bytes, instrument: Index, end: Index) -> Index:
    """Return the order by all of these, those that come first weighing most."""
    key = group << _TICK_BITS | np.minimum(start, 2**_TICK_BITS - 1)
    if len(group) and group[-1] >= _MOST_GROUPS:
        return np.lexsort((end, instrument, pitch, key))
    key = key << 15 | pitch.astype(np.int64) << 8 | instrument
    order = np.argsort(key, kind="stable")
    sorted_key, sorted_end = key.take(order), end.take(order)
    if ((sorted_key[1:] == sorted_key[:-1]) & (sorted_end[1:] < sorted_end[:-1])).any():
        return np.lexsort((end, key))
    return order


def _repeated(channel: Index, control: Index, value: Index) -> Index:
    """Return the changes of a controller to the value that it already had, given the channel of each."""
    key = channel.astype(np.int64) * 128 + control
    order = np.argsort(key, kind="stable")
    key, value = key[order], value[order]
    return order[1:][(key[1:] == key[:-1]) & (value[1:] == value[:-1])]


_TRACK_NAME = 0x03


def name_tracks(block: Block, events: Events) -> list[str]:
    """Return the name of each track where it has one that no other track of its file has, else its number, from 1."""
    values = np.frombuffer(block.data, np.uint8)
    event = np.flatnonzero((events.status == META) & (events.first == _TRACK_NAME))[::-1]
    length, begin = read_quantities(values, events.at[event] + 1)
    texts = [block.data[at : at + size] for at, size in zip(begin.tolist(), length.tolist(), strict=True)]
    tracks = track_of(event[::-1], events.counts)[::-1].tolist()
    said = {track: _clean(text) for track, text in zip(tracks, texts, strict=True)}  # the first of a track stays
    often = Counter((file, said.get(track)) for track, file in enumerate(block.file.tolist()))
    return [
        said[track] if said.get(track) and often[file, said[track]] == 1 else str(number)
        for track, (file, number) in enumerate(zip(block.file.tolist(), block.number.tolist(), strict=True))
    ]


def _clean(text: bytes) -> str:
    """Return a name as it can stand in a path. The specification knows ASCII; UTF-8 and Latin-1 are what is used."""
    try:
        name = text.decode("utf-8")
    except UnicodeDecodeError:
        name = text.decode("latin-1")
    shown = "".join(character if character.isprintable() else " " for character in name)
    shown = " ".join(shown.replace("/", "-").replace("\\", "-").split())
    return "" if shown.isdecimal() or not shown.strip(".") else shown
