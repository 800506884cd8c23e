"""What stands on a channel when a note begins: the program chosen last, where the pedal is."""

from __future__ import annotations

import numpy as np

from hachimachi.io.midi_audit import Notes, track_of
from hachimachi.io.midi_events import Events
from hachimachi.io.midi_options import DRUMS
from hachimachi.io.midi_walk import Index

DRUM_CHANNEL = 9
"""Channel 10, counted from 0."""
DAMPER = 64
"""Controller of the pedal that lets notes ring."""
_WHEN = 2**40  # above all ticks and numbers of events


def find_instruments(notes: Notes, events: Events, line: Index) -> Index:
    """Return each note's program: its track's own, else what another track set for the channel by then, else 0.

    Args:
        line: Time line of each track, from 0, shape (T,).
    """
    event = np.flatnonzero(events.status >> 4 == 0xC)
    programs = np.full(len(notes.event), -1)
    melodic = np.flatnonzero(notes.channel != DRUM_CHANNEL)
    if event.size and melodic.size:
        track, channel = track_of(event, events.counts), events.status[event] & np.uint8(15)
        value = events.first[event]
        at = notes.track[melodic], notes.channel[melodic]
        programs[melodic] = _latest((track, channel, event, value), (*at, notes.event[melodic]), -1)
        rest = np.flatnonzero((programs < 0) & (notes.channel != DRUM_CHANNEL))
        asked = line[notes.track[rest]], notes.channel[rest], notes.start[rest]
        programs[rest] = _latest((line[track], channel, events.tick[event], value), asked, 0)
    return np.where(notes.channel == DRUM_CHANNEL, DRUMS, np.maximum(programs, 0))


def find_pedal(notes: Notes, events: Events, line: Index) -> Index:
    """Return where the pedal of each note's channel is when it begins, moved by whichever track, at first 0."""
    event = np.flatnonzero((events.status >> 4 == 0xB) & (events.first == DAMPER))
    on_line = line[track_of(event, events.counts)]
    changes = on_line, events.status[event] & np.uint8(15), events.tick[event], events.second[event]
    return _latest(changes, (line[notes.track], notes.channel, notes.start), 0)


def _latest(changes: tuple[Index, ...], asked: tuple[Index, ...], otherwise: int) -> Index:
    """Return the value of the last change of a channel until then; of several at once, that which comes last.

    Args:
        changes: Group, channel, when (below 2⁴⁰) and value of each change.
        asked: Group, channel and when of each question.
        otherwise: The answer before any change.
    """
    group, channel, when, value = changes
    key = _join(group, channel, when)
    order = np.argsort(key, kind="stable")
    key, question = key[order], _join(*asked)
    place = np.searchsorted(key, question, side="right") - 1
    known = np.flatnonzero(place >= 0)
    known = known[key[place[known]] // _WHEN == question[known] // _WHEN]
    answer = np.full(len(question), otherwise, np.int64)
    answer[known] = value[order[place[known]]]
    return answer


def _join(group: Index, channel: Index, when: Index) -> Index:
    return (group * 16 + channel) * _WHEN + np.minimum(when, _WHEN - 1)
