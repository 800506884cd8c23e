"""A second reader of MIDI tracks, written apart from the first, which must agree with it."""

from __future__ import annotations

from typing import NamedTuple

Event = tuple[int, int, int, int]
"""Tick, status + 256 · port, first and second data byte (0 where there is none)."""


class Note(NamedTuple):
    start: int
    end: int
    pitch: int
    velocity: int
    channel: int


class BrokenError(Exception):
    """Here no event can be read."""


def read_track(data: bytes) -> list[Event]:
    """Channel messages and tempo changes (status 0xFF, the type, its length) up to the end, or to what is none."""
    events: list[Event] = []
    wrong: list[bool] = []  # of each event, whether a data byte of it is beyond 127
    at = tick = status = port = 0
    whole = False
    try:
        while at < len(data):
            delta, at = _quantity(data, at)
            event, at, status = _message(data, at, status)
            if event == (0xFF, 0x2F, 0):
                whole = True
                break
            tick += delta
            if event and event[:2] == (0xFF, 0x21):
                port = event[2]
            elif event:
                events.append((tick, event[0] + 256 * port if event[0] < 0xF0 else event[0], *event[1:]))
                wrong.append(event[0] < 0xF0 and max(event[1:]) > 127)
        whole = True
    except (BrokenError, IndexError):
        pass
    while not whole and any(wrong):  # what fewer than eight messages bear out is cut off
        last = max(index for index, each in enumerate(wrong) if each)
        after = [event for event in map(_mended, events[last:]) if event and event[1] & 255 < 0xF0]
        if len(after) - (_mended(events[last]) is not None) >= 8:
            break
        events, wrong = events[:last], wrong[:last]
    return [event for event in map(_mended, events) if event]


def _mended(event: Event) -> Event | None:
    """The event as it is read: amounts at most 127, none whose note, controller or program is beyond."""
    tick, status, one, two = event
    if status & 0xF0 == 0xD0:
        return tick, status, min(one, 127), 0
    if status & 0xFF == 0xFF:
        return event
    return (tick, status, one, min(two, 127)) if one < 128 else None


def _message(data: bytes, at: int, status: int) -> tuple[tuple[int, int, int] | None, int, int]:
    byte = data[at]
    if byte in (0xF0, 0xF7, 0xFF):
        meta = byte == 0xFF
        kind = data[at + 1] if meta else 0
        if meta and kind == 0x2F:
            return (0xFF, 0x2F, 0), at, status
        length, at = _quantity(data, at + 1 + meta)
        if at + length > len(data):
            raise BrokenError
        if meta and (kind, length) == (0x21, 1):
            return (0xFF, 0x21, data[at]), at + 1, status
        return ((0xFF, kind, length) if kind == 0x51 and length == 3 else None), at + length, status
    if byte > 0xF0:
        at += 1 + {0xF1: 1, 0xF2: 2, 0xF3: 1}.get(byte, 0)
        if at > len(data):
            raise BrokenError
        return None, at, status
    if byte > 0x7F:
        status, at = byte, at + 1
    values = data[at : at + (1 if 0xC0 <= status < 0xE0 else 2)]
    if not status or len(values) < (1 if 0xC0 <= status < 0xE0 else 2):
        raise BrokenError
    return (status, values[0], values[1] if len(values) > 1 else 0), at + len(values), status


def _quantity(data: bytes, at: int) -> tuple[int, int]:
    end = at
    while data[end] > 0x7F:
        end += 1
    groups = data[at : end + 1]
    if len(groups) > 4:
        if groups[-4] != 0x80:
            raise BrokenError
        groups = groups[-3:]
    value = 0
    for group in groups:
        value = value * 128 + group % 128
    return value, end + 1


def pair(events: list[Event], others: list[Event] | None = None) -> list[Note]:
    """Notes of one track; each ends with what its key does next, but for a note-off that belongs to the one before.

    What silences a channel in other tracks does so here, on each tick before what this one does.
    """
    notes: list[Note] = []
    held: dict[tuple[int, int], list[int]] = {}  # key → its notes that sound, all begun at one tick
    before: dict[tuple[int, int], int] = {}  # key struck again → duration of its note before, which may still be ended
    last = max((tick for tick, status, _, _ in events if status & 0xFF < 0xF0), default=0)
    silences = [event for event in others or () if _effect(event) == "silence"]
    events = sorted([*silences, *events], key=lambda event: event[0])
    for place, (tick, status, pitch, velocity) in enumerate(events):
        key = status & ~0xF0, pitch
        sounding = held.setdefault(key, [])
        does = _effect(events[place])
        if does == "silence":
            for (line, _), of_key in held.items():
                if line == key[0] and of_key and notes[of_key[0]].start < tick:
                    _end(notes, of_key, tick)
        elif does == "begin":
            before.pop(key, None)
            if sounding and notes[sounding[0]].start < tick:
                before[key] = tick - notes[sounding[0]].start
                _end(notes, sounding, tick)
            sounding.append(len(notes))
            notes.append(Note(tick, -1, pitch, velocity, status & 15))
        elif does == "end":
            length = tick - notes[sounding[0]].start if sounding else 0
            earlier = before.get(key, 0) if sounding else 0
            if 4 * length < earlier and (not length or _next(events, place) == "end"):
                del before[key]
            else:
                _end(notes, sounding, tick)
    for sounding in held.values():
        _end(notes, sounding, last)
    return notes


def _effect(event: Event) -> str:
    _, status, first, second = event
    if status & 0xF0 == 0xB0 and first in (120, 123, 124, 125, 126, 127):
        return "silence"
    if status & 0xF0 not in (0x80, 0x90):
        return ""
    return "begin" if status & 0x10 and second else "end"


def _next(events: list[Event], place: int) -> str:
    """What happens next to the key of an event."""
    _, status, pitch, _ = events[place]
    for event in events[place + 1 :]:
        same = event[1] & ~0xF0 == status & ~0xF0
        if same and (_effect(event) == "silence" or (_effect(event) and event[2] == pitch)):
            return _effect(event)
    return ""


def _end(notes: list[Note], sounding: list[int], tick: int) -> None:
    for number in sounding:
        notes[number] = notes[number]._replace(end=tick)
    sounding.clear()
