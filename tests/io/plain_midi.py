"""A second reader of MIDI tracks, written apart from the first, which must agree with it."""

from __future__ import annotations

from typing import NamedTuple

Event = tuple[int, int, int, int]
"""Tick, status, first and second data byte (0 where there is none)."""


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
    at = tick = status = 0
    try:
        while at < len(data):
            delta, at = _quantity(data, at)
            event, at, status = _message(data, at, status)
            if event == (0xFF, 0x2F, 0):
                break
            tick += delta
            events += [(tick, *event)] if event else []
    except (BrokenError, IndexError):
        pass
    return events


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
        return ((0xFF, kind, length) if kind == 0x51 and length == 3 else None), at + length, status
    if byte > 0xF0:
        at += 1 + {0xF1: 1, 0xF2: 2, 0xF3: 1}.get(byte, 0)
        if at > len(data):
            raise BrokenError
        return None, at, status
    if byte > 0x7F:
        status, at = byte, at + 1
    values = data[at : at + (1 if 0xC0 <= status < 0xE0 else 2)]
    if not status or len(values) < (1 if 0xC0 <= status < 0xE0 else 2) or max(values) > 0x7F:
        raise BrokenError
    return (status, values[0], values[1] if len(values) > 1 else 0), at + len(values), status


def _quantity(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(at, at + 4):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    raise BrokenError


def pair(events: list[Event]) -> list[Note]:
    """Notes of one track; each ends with what its key does next."""
    notes: list[Note] = []
    held: dict[tuple[int, int], list[int]] = {}  # key → its notes that sound, all begun at one tick
    late: dict[tuple[int, int], bool] = {}  # whether an end may still belong to the note before
    last = max((tick for tick, status, _, _ in events if status < 0xF0), default=0)
    for tick, status, pitch, velocity in events:
        if status >> 4 not in (8, 9):
            continue
        key = status & 15, pitch
        sounding = held.setdefault(key, [])
        if status >> 4 == 9 and velocity:
            earlier = bool(sounding) and notes[sounding[0]].start < tick
            if earlier:
                _end(notes, sounding, tick)
            late[key] = earlier
            sounding.append(len(notes))
            notes.append(Note(tick, -1, pitch, velocity, key[0]))
        elif not (late.pop(key, False) and notes[sounding[0]].start == tick):
            _end(notes, sounding, tick)
    for sounding in held.values():
        _end(notes, sounding, last)
    return notes


def _end(notes: list[Note], sounding: list[int], tick: int) -> None:
    for number in sounding:
        notes[number] = notes[number]._replace(end=tick)
    sounding.clear()
