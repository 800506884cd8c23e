"""What stands on a channel when a note begins: the program chosen last, where the pedal is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.midi_audit import Notes, track_of
from hachimachi.io.midi_events import Events
from hachimachi.io.midi_options import DRUM_CHANNEL, DRUMS
from hachimachi.io.midi_walk import Index

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
