"""Pair note-ons and note-offs into notes with instrument and pedal, and let notes ring under the pedal; control
changes; track names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain, pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from hachimachi.io import report as wording
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS, MidiOptions
from hachimachi.io.midi.smf import TrackEvents

DAMPER, SOUND_OFF, RESET = 64, 120, 121
"""Controllers: the pedal that lets notes ring, all sound off, and reset all controllers, which lifts the pedal."""
DOWN = 64  # the least value of the damper at which it is down (MIDI 1.0 Detailed Specification, table of controllers)
Columns = dict[str, NDArray[np.int64]]
"""``start`` and ``end`` in ticks and columns of `hachimachi.io.midi.COLUMNS`, by name, each of shape (N,)."""
_NOTE_COLUMNS = ("start", "pitch", "velocity", "instrument", "channel", "track")


def pair_notes(track: TrackEvents) -> tuple[list[tuple[int, ...]], list[int], Counter[str]]:
    """Return the notes of a track, in the order of their start, and counts of what had to be mended.

    A note ends with the next note-off or note-on of its key; simultaneous notes of one key end together. A note-on just
    before the note-off, on the same tick, that ends the key's previous note is read after it.

    Returns:
        Start, pitch, velocity, program (-1 before any in this track), channel and track of each note; ends; remarks.
    """
    notes: list[tuple[int, ...]] = []
    ends: list[int] = []
    sounding: dict[int, list[int]] = {}  # channel and pitch → its notes without an end, all of one start
    late: set[int] = set()  # keys struck again, whose note-off on that tick is still to come
    programs: dict[int, int] = {}
    remarks: Counter[str] = Counter()
    for tick, status, first, second in track.messages:
        if status >= 0xA0:  # neither note-off nor note-on
            if status >> 4 == 0xC:
                programs[status & 15] = first
            continue
        channel = status & 15
        key = channel << 7 | first
        held = sounding.pop(key, ())
        at_once = bool(held) and notes[held[0]][0] == tick
        if status >= 0x90 and second:  # a velocity of 0 ends a note
            sounding[key] = [*held, len(notes)] if at_once else [len(notes)]
            notes.append((tick, first, second, programs.get(channel, -1), channel, track.number))
            ends.append(tick)
            late.discard(key)
            if at_once or not held:
                continue
            late.add(key)
            remarks[wording.RESTARTED] += 1
        elif at_once and key in late:
            late.remove(key)
            remarks[wording.RESTARTED] -= 1
            sounding[key] = list(held)
            continue
        for note in held:
            ends[note] = tick
    for note in chain.from_iterable(sounding.values()):
        ends[note] = track.messages[-1][0]
    remarks[wording.UNENDED] = len(sounding)
    remarks[wording.EMPTY] = sum(note[0] == end for note, end in zip(notes, ends, strict=True))
    return notes, ends, remarks


def read_notes(
    tracks: Sequence[TrackEvents], wanted: Collection[str], rings: bool = False
) -> tuple[Columns, Counter[str]]:
    """Return the notes of tracks on one time line, track by track, and counts of what had to be mended.

    The instrument of a note is the last program that its own track set for the channel, else that of another track,
    else 0; on channel 10 it is `DRUMS`. The pedal is the channel's last value in any track, at first 0, and 0 again
    after a reset of all controllers (MIDI recommended practice RP-015). It is read if it is among the columns wanted;
    with ``rings``, notes last until it lets them go, as in `sustain`.
    """
    notes: list[tuple[int, ...]] = []
    ends: list[int] = []
    remarks: Counter[str] = Counter()
    for track in tracks:
        found, found_ends, mended = pair_notes(track)
        notes += found
        ends += found_ends
        remarks.update(mended)
    columns = _columns(_NOTE_COLUMNS, notes) | {"end": np.array(ends, np.int64)}
    channel, start, instrument = columns["channel"], columns["start"], columns["instrument"]
    drums = channel == DRUM_CHANNEL
    unset = (instrument < 0) & ~drums
    if unset.any():
        changes = [(tick, status, first) for tick, status, first, _ in _messages(tracks, 0xC)]
        instrument[unset] = _latest(changes, channel[unset], start[unset])
    instrument[drums] = DRUMS
    controls = _messages(tracks, 0xB)
    pedals = sum(control == DAMPER for _, _, control, _ in controls)
    changes = [
        (tick, status, value if control == DAMPER else 0)
        for tick, status, control, value in controls
        if control in (DAMPER, RESET)
    ]
    if "pedal" in wanted:
        columns["pedal"] = _latest(changes, channel, start)
    unless = wording.PEDAL_COLUMN if "pedal" in wanted else wording.PEDAL_UNHEEDED
    remarks[wording.PEDAL_RINGS if rings else unless] = pedals
    if rings and pedals:
        lasts = {track.number: track.messages[-1][0] for track in tracks if track.messages}
        last = np.array([lasts[number] for number in columns["track"].tolist()], np.int64)
        offs = [(tick, status) for tick, status, control, _ in controls if control == SOUND_OFF]
        end = sustain(channel << 7 | columns["pitch"], start, columns["end"], last, changes, offs)
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

    A note whose end comes while the pedal of its channel is down, at `DOWN` or above, sounds until the pedal goes up,
    all sound goes off, the same key of the same channel begins anew, or its track ends, whichever is first (MIDI 1.0
    Detailed Specification; "all notes off", controller 123, releases keys, which ring on). Of notes of one key that
    begin together one rings, that with the latest end.

    Args:
        key: Channel · 128 + pitch, shape (N,).
        start: Ticks, shape (N,), as are ``end``, where keys are released, and ``last``, where notes end at the latest.
        changes: Tick, status and value of each change of a pedal, in the order of the file. On one tick keys are
            released before a pedal moves.
        offs: Tick and status of each "all sound off".
    """
    channel = key >> 7
    held = _latest(changes, channel, end - 1) >= DOWN
    never = np.iinfo(np.int64).max
    lets_go = np.full(len(key), never)
    for number in np.unique(channel[held]).tolist():
        ups = [tick for tick, status, value in changes if status & 15 == number and value < DOWN]
        stops = np.array([*sorted([*ups, *(tick for tick, status in offs if status & 15 == number)]), never])
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
    return [message for track in tracks for message in track.messages if message[1] >> 4 == kind]


def _latest(
    changes: Sequence[tuple[int, int, int]], channel: NDArray[np.int64], tick: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the value of channels at ticks, shape (N,), 0 before any change; of simultaneous ones the last holds.

    A change is its tick, status and value; they are in the order of the file.
    """
    values = np.zeros(len(tick), np.int64)
    for number in np.unique(channel).tolist():
        of_channel = sorted((change for change in changes if change[1] & 15 == number), key=itemgetter(0))
        here = channel == number
        last = np.searchsorted(np.array([when for when, _, _ in of_channel], np.int64), tick[here], side="right")
        values[here] = np.array([0, *(value for _, _, value in of_channel)])[last]
    return values


def read_rows(tracks: Sequence[TrackEvents], options: MidiOptions) -> tuple[list[Columns], Counter[str]]:
    """Return notes or control changes of tracks on one time line, and counts of what had to be mended or is odd.

    Notes are sorted by start, pitch, instrument and end, control changes by time and then as in the file. With
    ``split_tracks`` each track that has events is returned separately.
    """
    remarks: Counter[str] = Counter()
    if options.controls:
        keys = ["start"]
        changes = [
            (tick, tick, first, second, status & 15, track.number)
            for track in tracks
            for tick, status, first, second in track.messages
            if status >> 4 == 0xB and first in options.controls
        ]
        columns = _columns(("start", "end", "control", "value", "channel", "track"), changes)
    else:
        keys = ["end", "instrument", "pitch", "start"]
        columns, remarks = read_notes(tracks, [feature.name for feature in options.features], options.rings)
    keys += ["track"] * options.split_tracks  # the last is the primary key
    order = np.lexsort([columns[name] for name in keys])
    columns = {name: column[order] for name, column in columns.items()}
    if options.controls:
        values: dict[tuple[int, int], int] = {}
        for channel, control, value in np.column_stack([columns[n] for n in ("channel", "control", "value")]).tolist():
            remarks[wording.REPEATED] += values.get((channel, control)) == value
            values[channel, control] = value
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
