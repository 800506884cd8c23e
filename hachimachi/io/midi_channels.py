"""Which channel of a MIDI file each note sounds on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.midi_options import DRUM_CHANNEL, DRUMS
from hachimachi.io.note_table import NoteTable, Tell

SHARED = "notes of a sixteenth instrument at once: on a channel where another still sounds"
MISPLACED = "notes of drums off channel 10, or of other instruments on it: they sound as the channel says"
_MELODIC = [channel for channel in range(16) if channel != DRUM_CHANNEL]
Whole = NDArray[np.int64]


def choose_channels(notes: NoteTable, start: Whole, end: Whole, tell: Tell) -> Whole:
    """Return the channel of each note, from 0, shape (N,): its own, else one for each instrument.

    Of more than fifteen instruments, one takes the channel whose notes have ended, of these the one unused for longest.

    Args:
        notes: In the order of time.
        start: Ticks, shape (N,).
        end: Ticks, shape (N,).
        tell: Takes note of notes that MIDI cannot hold apart.
    """
    if notes.channel is not None:
        if notes.program is not None:
            tell(MISPLACED, int(((notes.program == DRUMS) != (notes.channel == DRUM_CHANNEL)).sum()))
        return notes.channel
    if notes.program is None:
        return np.zeros(len(start), np.int64)
    found = np.full(len(start), DRUM_CHANNEL)
    melodic = np.flatnonzero(notes.program != DRUMS)
    programs = np.unique(notes.program[melodic])
    if len(programs) <= len(_MELODIC):
        found[melodic] = np.array(_MELODIC)[np.searchsorted(programs, notes.program[melodic])]
    else:
        found[melodic] = _take_turns(notes.program[melodic], start[melodic], end[melodic], tell)
    return found


def _take_turns(program: Whole, start: Whole, end: Whole, tell: Tell) -> Whole:
    holders: dict[int, int] = {}  # program → channel, the least recently used first
    busy = dict.fromkeys(_MELODIC, 0)  # until which tick a channel sounds
    found, shared = [], 0
    for value, begin, finish in zip(program.tolist(), start.tolist(), end.tolist(), strict=True):
        channel = holders.pop(value, None)
        if channel is None and len(holders) < len(_MELODIC):
            channel = next(each for each in _MELODIC if each not in holders.values())
        elif channel is None:
            silent = next((other for other, its in holders.items() if busy[its] <= begin), None)
            shared += silent is None
            channel = holders.pop(next(iter(holders)) if silent is None else silent)
        holders[value] = channel
        busy[channel] = max(busy[channel], finish)
        found.append(channel)
    tell(SHARED, shared)
    return np.array(found, np.int64)
