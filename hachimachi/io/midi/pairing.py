"""Pair note-ons and note-offs into notes; the sustain pedal, control changes, and names of tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from heapq import merge
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from hachimachi.io import report as wording
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS, MidiOptions
from hachimachi.io.midi.smf import TrackEvents

DAMPER, SOUND_OFF, RESET, LOCAL_CONTROL = 64, 120, 121, 122  # controllers; those above turn all notes off
MOST_OFFS = 10**7  # times tracks: in a file with more, which is no music, they end the notes of their own track alone
DOWN = 64  # the least value of the damper at which it is down (MIDI 1.0 Detailed Specification, table of controllers)
Columns = dict[str, NDArray[np.int64]]
"""``start`` and ``end`` in ticks and columns of `hachimachi.io.midi.COLUMNS`, by name, each of shape (N,)."""
_NOTE_COLUMNS = ("start", "pitch", "velocity", "instrument", "channel", "track", "line")
Message = tuple[int, int, int, int]  # tick, status + 256 · port, and two data bytes, as in `TrackEvents`


def pair_notes(  # noqa: PLR0912  (a branch for each kind of message, and of what may come late)
    track: TrackEvents, offs: Sequence[Message] = ()
) -> tuple[list[tuple[int, ...]], list[int], Counter[str]]:
    """Return start, pitch, velocity, program (-1 before any in this track), channel, track and line (MIDI port · 256 +
    channel) of the notes of a track, in the order of their start; their ends; and counts of what had to be mended.

    A note ends with the next note-off or note-on of its key, or where all notes of its channel go off, by a message of
    its track or of ``offs``, those of others; simultaneous notes of one key end together. The late note-off of a key
    struck again does not end the new note on the tick of its start, nor where it would leave it less than a quarter of
    the earlier one's duration, if the key has another note-off before its next note-on.
    """
    notes: list[tuple[int, ...]] = []
    ends: list[int] = []
    sounds: dict[int, dict[int, list[int]]] = {}  # line → line and pitch → its notes without an end, all of one start
    late: dict[int, float] = {}  # keys struck again → tick before which a note-off may be that of the note before
    deferred: dict[int, int] = {}  # keys whose last note-off was such a one → its tick
    programs: dict[int, int] = {}
    remarks: Counter[str] = Counter()
    for tick, status, first, second in merge(offs, track.messages, key=itemgetter(0)) if offs else track.messages:
        kind, line = status & 0xF0, status & ~0xF0
        if kind >= 0xA0:  # neither note-off nor note-on
            if kind == 0xC0:
                programs[line] = first
            elif kind == 0xB0 and _ends_all(first):
                sounding = sounds.get(line, {})
                for key in [key for key, held in sounding.items() if notes[held[0]][0] < tick]:
                    end = deferred.pop(key, tick)
                    for note in sounding.pop(key):
                        ends[note] = end
            continue
        key, sounding = line << 7 | first, sounds.setdefault(line, {})
        held = sounding.pop(key, [])
        begun = notes[held[0]][0] if held else tick
        if kind == 0x90 and second:  # a velocity of 0 ends a note
            at_once = bool(held) and begun == tick
            sounding[key] = held if at_once else []  # in place: there may be many
            sounding[key].append(len(notes))
            notes.append((tick, first, second, programs.get(line, -1), line & 15, track.number, line))
            ends.append(tick)
            late.pop(key, None)
            if at_once or not held:
                continue
            if key not in deferred:
                late[key] = tick + (tick - begun) / 4
                remarks[wording.RESTARTED] += 1
        elif held and tick < late.get(key, 0):
            del late[key]
            remarks[wording.RESTARTED] -= begun == tick
            if begun < tick:
                deferred[key] = tick
            sounding[key] = held
            continue
        else:
            deferred.pop(key, None)
        end = deferred.pop(key, tick)
        for note in held:
            ends[note] = end
    last = track.messages[-1][0] if track.messages else 0
    for sounding in sounds.values():
        for key, held in sounding.items():
            remarks[wording.UNENDED] += key not in deferred
            for note in held:
                ends[note] = deferred.get(key, last)
    remarks[wording.EMPTY] = sum(note[0] == end for note, end in zip(notes, ends, strict=True))
    return notes, ends, remarks


def _ends_all(control: int) -> bool:
    """Return whether a controller ends its channel's notes: all sound off, or from 123 on (MIDI 1.0, mode messages)."""
    return control == SOUND_OFF or control > LOCAL_CONTROL


def read_notes(
    tracks: Sequence[TrackEvents], wanted: Collection[str], rings: bool = False
) -> tuple[Columns, Counter[str]]:
    """Return the notes of tracks on one time line, track by track, and counts of what had to be mended.

    The instrument of a note is the last program that its own track set for the channel, else that of another track,
    else 0; on channel 10 it is `DRUMS`. The pedal is the channel's last value in any track, at first 0, and 0 again
    after a reset of all controllers (MIDI recommended practice RP-015). It is read if it is among the columns wanted;
    with ``rings``, notes last until it lets them go, as in `sustain`. A channel of another MIDI port is another one.
    """
    notes: list[tuple[int, ...]] = []
    ends: list[int] = []
    remarks: Counter[str] = Counter()
    offs = [
        (*message, track.number)
        for track in tracks
        for message in track.messages
        if message[1] & 0xF0 == 0xB0 and _ends_all(message[2])
    ]
    offs = sorted(offs, key=itemgetter(0)) if len(offs) * len(tracks) < MOST_OFFS else []
    for track in tracks:
        found, found_ends, mended = pair_notes(track, [each[:4] for each in offs if each[4] != track.number])
        notes += found
        ends += found_ends
        remarks.update(mended)
    columns = _columns(_NOTE_COLUMNS, notes) | {"end": np.array(ends, np.int64)}
    line, start, instrument = columns["line"], columns["start"], columns["instrument"]
    drums = columns["channel"] == DRUM_CHANNEL
    unset = (instrument < 0) & ~drums
    if unset.any():
        changes = [(tick, status, first) for tick, status, first, _ in _messages(tracks, 0xC0)]
        instrument[unset] = _latest(changes, line[unset], start[unset])
    instrument[drums] = DRUMS
    controls = _messages(tracks, 0xB0)
    pedals = sum(control == DAMPER for _, _, control, _ in controls)
    changes = [
        (tick, status, value if control == DAMPER else 0)
        for tick, status, control, value in controls
        if control in (DAMPER, RESET)
    ]
    if "pedal" in wanted:
        columns["pedal"] = _latest(changes, line, start)
    unless = wording.PEDAL_COLUMN if "pedal" in wanted else wording.PEDAL_UNHEEDED
    remarks[wording.PEDAL_RINGS if rings else unless] = pedals
    if rings and pedals:
        lasts = {track.number: track.messages[-1][0] for track in tracks if track.messages}
        last = np.array([lasts[number] for number in columns["track"].tolist()], np.int64)
        offs = [(tick, status) for tick, status, control, _ in controls if control == SOUND_OFF]
        end = sustain(line << 7 | columns["pitch"], start, columns["end"], last, changes, offs)
        remarks[wording.SUSTAINED] = int((end > columns["end"]).sum())
        columns["end"] = end
    return columns, remarks


def sustain(
    key: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    last: NDArray[np.int64],
    changes: Sequence[tuple[int, int, int]],
    offs: Sequence[tuple[int, int]] = (),
) -> NDArray[np.int64]:
    """Return where the sustain pedal lets notes go, in ticks, shape (N,): never before their own end.

    The rule: docs/reference/midi-files.md, "The pedal". Keys, (port · 256 + channel) · 128 + pitch, are struck at
    ``start``, released at ``end``, and end at ``last`` at the latest, all of shape (N,). Changes are tick, status and
    value of a pedal, in the order of the file, ``offs`` tick and status of each "all sound off".
    """
    channel = key >> 7
    held = _latest(changes, channel, end - 1) >= DOWN
    never = np.iinfo(np.int64).max
    lets_go = np.full(len(key), never)
    for number in np.unique(channel[held]).tolist():
        ups = [tick for tick, status, value in changes if status & ~0xF0 == number and value < DOWN]
        stops = np.array([*sorted([*ups, *(tick for tick, status in offs if status & ~0xF0 == number)]), never])
        here = held & (channel == number)
        lets_go[here] = stops[np.searchsorted(stops, end[here])]
    order = np.lexsort((end, start, key))
    again = np.full(len(key), never)
    again[order[:-1]] = np.where(np.diff(key[order]) == 0, start[order[1:]], never)
    return np.where(held, np.maximum(end, np.minimum(np.minimum(lets_go, again), last)), end)


def _columns(names: Sequence[str], rows: Sequence[Sequence[int]]) -> Columns:
    return dict(zip(names, np.array(rows, np.int64).reshape(-1, len(names)).T, strict=True))


def _messages(tracks: Sequence[TrackEvents], kind: int) -> list[tuple[int, int, int, int]]:
    """Return messages of one kind, track by track."""
    return [message for track in tracks for message in track.messages if message[1] & 0xF0 == kind]


def _latest(
    changes: Sequence[tuple[int, int, int]], channel: NDArray[np.int64], tick: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the value of channels at ticks, shape (N,), 0 before any change; of changes (tick, status and value, in
    the order of the file) on one tick the last holds."""
    values = np.zeros(len(tick), np.int64)
    for number in np.unique(channel).tolist():
        of_channel = sorted((change for change in changes if change[1] & ~0xF0 == number), key=itemgetter(0))
        here = channel == number
        last = np.searchsorted(np.array([when for when, _, _ in of_channel], np.int64), tick[here], side="right")
        values[here] = np.array([0, *(value for _, _, value in of_channel)])[last]
    return values


def read_rows(tracks: Sequence[TrackEvents], options: MidiOptions) -> tuple[list[Columns], Counter[str]]:
    """Return notes, by start, pitch, instrument and end, or control changes, by time and then as in the file, of tracks
    on one time line, with ``split_tracks`` of each track that has events; and counts of what is mended or odd."""
    remarks: Counter[str] = Counter()
    if options.controls:
        keys = ["start"]
        changes = [
            (tick, tick, first, second, status & 15, track.number, status & ~0xF0)
            for track in tracks
            for tick, status, first, second in track.messages
            if status & 0xF0 == 0xB0 and first in options.controls
        ]
        columns = _columns(("start", "end", "control", "value", "channel", "track", "line"), changes)
    else:
        keys = ["end", "instrument", "pitch", "start"]
        columns, remarks = read_notes(tracks, [feature.name for feature in options.features], options.sustain)
    keys += ["track"] * options.split_tracks  # the last is the primary key
    order = np.lexsort([columns[name] for name in keys])
    columns = {name: column[order] for name, column in columns.items()}
    if options.controls:
        values: dict[tuple[int, int], int] = {}
        for line, control, value in np.column_stack([columns[n] for n in ("line", "control", "value")]).tolist():
            remarks[wording.REPEATED] += values.get((line, control)) == value
            values[line, control] = value
    track = columns["track"]
    edges = [0, *(np.flatnonzero(np.diff(track)) + 1 if options.split_tracks else ()), len(track)]
    parts = [{name: each[i:j] for name, each in columns.items()} for i, j in pairwise(edges) if i < j]
    return parts, remarks


def name_tracks(tracks: Sequence[TrackEvents]) -> list[str]:
    """Return the name of each track if unique in its file, else its number, from 1."""
    names = []
    for track in tracks:
        text = track.name or b""
        try:  # the specification knows ASCII only; files have UTF-8 and Latin-1
            name = text.decode("utf-8")
        except UnicodeDecodeError:
            name = text.decode("latin-1")
        shown = "".join(character if character.isprintable() else " " for character in name)
        shown = " ".join(shown.replace("/", "-").replace("\\", "-").split())  # as it can stand in a path
        names.append("" if shown.isdecimal() or not shown.strip(".") else shown)
    often = Counter(names)
    return [name if name and often[name] == 1 else str(i) for i, name in enumerate(names, 1)]
