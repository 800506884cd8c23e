"""Notes or control changes of several tracks, with the columns that are wanted of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.midi_audit import pair_notes, track_of
from hachimachi.io.midi_block import Block
from hachimachi.io.midi_events import Events
from hachimachi.io.midi_options import MidiOptions
from hachimachi.io.midi_remarks import REPEATED
from hachimachi.io.midi_standing import find_instruments, find_pedal
from hachimachi.io.midi_walk import Bytes, Index

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
