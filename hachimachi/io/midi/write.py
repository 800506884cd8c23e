"""Write notes or control changes as a MIDI file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from mido import Message, MetaMessage, MidiFile, MidiTrack
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.midi import DRUM_CHANNEL, DRUMS
from hachimachi.io.midi.pairing import DAMPER
from hachimachi.io.report import Report

ROUNDED = "values between those that MIDI has: rounded"
CLIPPED = "values beyond 0 to 127, or velocities of 0: brought to the nearest that MIDI has"
NO_NOTE = "events of a pitch, instrument, channel, track or control that MIDI does not have: left out"
SHARED = "notes of a sixteenth instrument at once: on a channel where another still sounds"
MISPLACED = "notes of drums off channel 10, or of other instruments on it: they sound as the channel says"
CUT = "notes that go on when their key is struck again: they end there"
TOGETHER = "notes that begin together with a longer one of their key: they end at once"
NO_LENGTH = "notes shorter than a tick where no more may sound: they end at once"
STAND_IN = "control changes without a number: written as controller 1"
PEDALS = "places of the pedal within a tick of each other: only the last is held"
LATE = "seconds before the first event, as where times are those of day: left out"
MOST_TRACKS = 256
TICK = 1e-4  # resolution of time in seconds
COARSER = (1, 2, 4, 5, 8, 10)  # times that, for longer pieces
MOST_TICKS = 1e7  # more are taken for damage, as by pretty_midi
LATEST = 600.0  # seconds; a file whose first event comes later begins with it
_TEMPO = 500_000  # microseconds per quarter note
_MOST_DELTA = 2**28
_MELODIC = [channel for channel in range(16) if channel != DRUM_CHANNEL]
_OFF, _BEFORE, _ON = range(3)  # order of messages at one tick
Whole = NDArray[np.int64]
Remark = Callable[[str, int], None]  # takes a remark and how often it applies


class NoteTable(NamedTuple):
    """N notes in the order of time; ``None`` where the sequence has no such column."""

    start: NDArray[np.float64]  # seconds, shape (N,)
    end: NDArray[np.float64]  # seconds, shape (N,)
    pitch: NDArray[np.int64]  # 0 to 127, shape (N,)
    velocity: NDArray[np.int64]  # 1 to 127, shape (N,)
    program: NDArray[np.int64] | None  # 0 to 127, or `DRUMS`, shape (N,)
    channel: NDArray[np.int64] | None  # 0 to 15, shape (N,)
    track: NDArray[np.int64] | None  # from 1, shape (N,)
    pedal: NDArray[np.int64] | None  # 0 to 127, shape (N,)


def report_to(report: Report | None, file: str) -> Remark:
    """Return a function that counts remarks on a file in a report, if there is one."""
    return lambda remark, times: report.count(remark, file, times) if report is not None else None


def only(sequences: Sequence[EventSequence]) -> EventSequence:
    """Return the only sequence; HachimachiError if there are several."""
    if len(sequences) != 1:
        others = "write .json or .arrow, or each to a file of its own"
        raise HachimachiError(f"this format holds one sequence, there are {len(sequences):,}; {others}")
    return sequences[0]


def take_notes(sequence: EventSequence, remark: Remark) -> NoteTable:
    """Return the notes of a sequence, of which MIDI has to hold one; velocity is 80 and duration 0.1 s by default."""
    names = [feature.name for feature in sequence.features]
    if sequence.time is None or "pitch" not in names:
        found = f"{', '.join(names)} {'with' if sequence.temporal else 'without'} time"
        raise HachimachiError(f"notes need time and a feature named pitch, found {found}; write .csv or .json")
    ranges = {"pitch": (0, 127), "instrument": (0, DRUMS), "channel": (0, 15), "track": (1, MOST_TRACKS)}
    kept, whole = keep_whole(sequence, ranges, remark)
    velocity = clip(column(kept, "velocity", 80.0), 1, 127, remark)
    pedal = clip(kept.column("pedal"), 0, 127, remark) if "pedal" in names else None
    start = begin_early(kept, remark)
    end = start + np.maximum(column(kept, "duration", 0.1), 0)
    program, channel, track = (whole.get(name) for name in ("instrument", "channel", "track"))
    return NoteTable(start, end, whole["pitch"], velocity, program, channel, track, pedal)


def keep_whole(
    sequence: EventSequence, ranges: dict[str, tuple[int, int]], remark: Remark
) -> tuple[EventSequence, dict[str, NDArray[np.int64]]]:
    """Return the events, at least one, else HachimachiError, whose columns, if present, lie in ranges, and those
    columns as whole numbers. Channels count from 0, as in files, or from 1 if there is a sixteenth."""
    names = {feature.name for feature in sequence.features}
    exact = {name: sequence.column(name) for name in ranges if name in names}
    if 16 in exact.get("channel", ()):
        exact["channel"] = exact["channel"] - 1
    whole = {name: np.rint(values) for name, values in exact.items()}
    inside = np.ones(len(sequence), bool)
    for name, values in whole.items():
        inside &= (values >= ranges[name][0]) & (values <= ranges[name][1])
    if not inside.any():
        shown = ", ".join(f"{name} {ranges[name][0]} to {ranges[name][1]}" for name in whole)
        raise HachimachiError(f"MIDI holds none of the {len(sequence):,} events; it has {shown}")
    remark(NO_NOTE, int((~inside).sum()))
    for name, values in whole.items():
        remark(ROUNDED, int((values != exact[name])[inside].sum()))
    time = None if sequence.time is None else sequence.time[inside]
    kept = EventSequence(sequence.features, sequence.data[inside], time, sequence.name)
    return kept, {name: values[inside].astype(np.int64) for name, values in whole.items()}


def clip(values: NDArray[np.float64], low: int, high: int, remark: Remark) -> NDArray[np.int64]:
    """Return the nearest whole numbers in a range."""
    whole = np.rint(values)
    remark(ROUNDED, int((whole != values).sum()))
    remark(CLIPPED, int(((whole < low) | (whole > high)).sum()))
    return np.clip(whole, low, high).astype(np.int64)


def begin_early(sequence: EventSequence, remark: Remark) -> NDArray[np.float64]:
    """Return the times of events, from the first on if that is later than `LATEST`."""
    time = np.zeros(0) if sequence.time is None else sequence.time
    late = float(time[0]) if time.size and time[0] > LATEST else 0.0
    remark(LATE, int(late))
    return time - late


def tick_of(seconds: float) -> float:
    """Return the resolution of a piece in seconds: `TICK`, or the least that makes no more than `MOST_TICKS` of it."""
    return TICK * next((each for each in COARSER if seconds / TICK / each < MOST_TICKS - 1), COARSER[-1])


def column(sequence: EventSequence, name: str, default: float) -> NDArray[np.float64]:
    """Return the values of a feature, or a default."""
    present = any(feature.name == name for feature in sequence.features)
    return sequence.column(name) if present else np.full(len(sequence), default)


def choose_channels(notes: NoteTable, start: Whole, end: Whole, remark: Remark) -> Whole:
    """Return the channel of each note, from 0, shape (N,), given start and end in ticks: its own, else one for each
    instrument. Of more than fifteen, one takes over the silent channel that was unused for longest."""
    if notes.channel is not None:
        if notes.program is not None:
            remark(MISPLACED, int(((notes.program == DRUMS) != (notes.channel == DRUM_CHANNEL)).sum()))
        return notes.channel
    if notes.program is None:
        return np.zeros(len(start), np.int64)
    found = np.full(len(start), DRUM_CHANNEL)
    melodic = np.flatnonzero(notes.program != DRUMS)
    programs = np.unique(notes.program[melodic])
    if len(programs) <= len(_MELODIC):
        found[melodic] = np.array(_MELODIC)[np.searchsorted(programs, notes.program[melodic])]
        return found
    holders: dict[int, int] = {}  # program → channel, the least recently used first
    busy = dict.fromkeys(_MELODIC, 0)  # tick up to which a channel sounds
    shared = 0
    for note, program, begin, finish in _rows(melodic, notes.program[melodic], start[melodic], end[melodic]):
        channel = holders.pop(program, None)
        if channel is None and len(holders) < len(_MELODIC):
            channel = next(each for each in _MELODIC if each not in holders.values())
        elif channel is None:
            silent = next((other for other, its in holders.items() if busy[its] <= begin), None)
            shared += silent is None
            channel = holders.pop(next(iter(holders)) if silent is None else silent)
        holders[program] = channel
        busy[channel] = max(busy[channel], finish)
        found[note] = channel
    remark(SHARED, shared)
    return found


class _Timed(NamedTuple):
    tick: int
    rank: int
    track: int
    message: Message


def render(sequences: Sequence[EventSequence], report: Report | None = None, file: str = "") -> bytes:
    """Write one sequence: notes, or control changes where there is no pitch but a value.

    A note lasts at least one tick (`tick_of`) as far as `settle` allows: many programs lose what is shorter. With the
    column ``track`` the notes lie in tracks of these numbers, else there is one for each instrument; `choose_channels`
    says on which channels they sound. A column ``pedal`` becomes changes of the damper. The report counts what MIDI
    cannot hold, under the name of the file. HachimachiError for several sequences, other events, or too long a pause.
    """
    sequence, remark = only(sequences), report_to(report, file)
    names = {feature.name for feature in sequence.features}
    controls = sequence.temporal and "value" in names and names <= {"control", "value", "channel", "track"}
    if controls and "control" not in names:
        values = sequence.column("value")
        in_range = (values == np.rint(values)) & (values >= 0) & (values <= 127)
        controls = in_range.all() and (values > 1).any()
    messages, tick = _controls(sequence, remark) if controls else _notes(take_notes(sequence, remark), remark)
    out = io.BytesIO()
    _file(sorted(messages, key=lambda timed: timed[:2]), tick).save(file=out)
    return out.getvalue()


def _ticks(seconds: NDArray[np.float64], tick: float) -> Whole:
    return np.rint(seconds / tick).astype(np.int64)


def _controls(sequence: EventSequence, remark: Remark) -> tuple[list[_Timed], float]:
    kept, whole = keep_whole(sequence, {"control": (0, 127), "channel": (0, 15), "track": (1, MOST_TRACKS)}, remark)
    if "control" not in whole:
        remark(STAND_IN, len(kept))
    time = begin_early(kept, remark)
    tick = tick_of(time.max(initial=0))
    others = {"control": 1, "channel": 0, "track": 1}
    columns = (whole.get(name, np.full(len(kept), other)) for name, other in others.items())
    values = clip(kept.column("value"), 0, 127, remark)
    rows = zip(_ticks(time, tick).tolist(), *(each.tolist() for each in columns), values.tolist(), strict=True)
    return [
        _Timed(at, _BEFORE, track - 1, Message("control_change", channel=channel, control=control, value=value))
        for at, control, channel, track, value in rows
    ], tick


class SettledNotes(NamedTuple):
    """Where a file has N notes; each of shape (N,)."""

    start: Whole  # ticks
    end: Whole  # ticks
    track: Whole  # from 0
    channel: Whole  # from 0


def settle(notes: NoteTable, remark: Remark, tick: float = TICK) -> SettledNotes:
    """Return notes as a file has them, in ticks of so many seconds; never more sound at once than did before: a note of
    less than a tick lasts one, unless as many notes sound then as ever do, and ends at once otherwise."""
    start = _ticks(notes.start, tick)
    end = np.maximum(_ticks(notes.end, tick), start)
    channel = choose_channels(notes, start, np.maximum(end, start + 1), remark)
    if notes.track is not None:
        track = notes.track - 1
    elif notes.program is not None:
        track = np.unique(notes.program, return_inverse=True)[1]
    else:
        track = np.zeros(len(start), np.int64)
    held, end = _settle_ends((track * 16 + channel) * 128 + notes.pitch, start, end, remark)
    short = held[end[held] == start[held]]
    if len(short):
        begins, ends = (np.sort(ticks[end > start]) for ticks in (start, end))

        def sounding(ticks: Whole) -> Whole:
            return np.searchsorted(begins, ticks, side="right") - np.searchsorted(ends, ticks, side="right")

        most = max(int(sounding(begins).max(initial=0)), *np.unique(notes.start[short], return_counts=True)[1].tolist())
        short = short[np.argsort(start[short], kind="stable")]
        among = np.arange(len(short)) - np.searchsorted(start[short], start[short])  # of those on one tick
        longer = sounding(start[short]) + among < most
        end[short[longer]] += 1
        remark(NO_LENGTH, int((~longer).sum()))
    return SettledNotes(start, end, track, channel)


def _notes(notes: NoteTable, remark: Remark) -> tuple[list[_Timed], float]:
    tick = tick_of(notes.end.max(initial=0))
    settled = settle(notes, remark, tick)
    start, end, track, channel = settled
    offs, ons = list[_Timed](), list[_Timed]()
    order = np.lexsort((end, start))  # what ends at once comes before what begins then with its key
    for begin, finish, at, on, pitch, velocity in _rows(
        *(each[order] for each in (*settled, notes.pitch, notes.velocity))
    ):
        ons.append(_Timed(begin, _ON, at, Message("note_on", channel=on, note=pitch, velocity=velocity)))
        off = Message("note_off", channel=on, note=pitch, velocity=0)
        (offs if finish > begin else ons).append(_Timed(finish, _OFF if finish > begin else _ON, at, off))
    pedals = [
        _Timed(moved, _BEFORE, at, Message("control_change", channel=on, control=DAMPER, value=value))
        for moved, at, on, value in pedal_changes(notes, settled, remark)
    ]
    return [*offs, *_programs(notes, start, track, channel), *pedals, *ons], tick


def _rows(*columns: Whole) -> Iterable[tuple[int, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)


def _settle_ends(key: Whole, start: Whole, end: Whole, remark: Remark) -> tuple[Whole, Whole]:
    """End each note where its key is struck again; of those that begin together, the shorter ones end at once. Return
    the indices of the notes that are held, at least one for each key and start, and the ends of all."""
    order = np.lexsort((end, start, key))
    last = np.append((np.diff(key[order]) != 0) | (np.diff(start[order]) != 0), True)
    lasts, group = order[last], np.append(0, np.cumsum(last)[:-1])
    held = end[order] == end[lasts][group]
    remark(TOGETHER, int((~held).sum()))
    following = np.append(start[lasts[1:]], 0)
    again = np.append(key[lasts[1:]] == key[lasts[:-1]], False) & (following < end[lasts])
    remark(CUT, int(again.sum()))
    ends = start.copy()
    ends[order[held]] = np.where(again, following, end[lasts])[group[held]]
    return order[held], ends


def _programs(notes: NoteTable, start: Whole, track: Whole, channel: Whole) -> list[_Timed]:
    """Return a program change before each note whose channel or track has another program."""
    found: list[_Timed] = []
    if notes.program is None:
        return found
    sounds: dict[int, int] = {}
    chosen: dict[tuple[int, int], int] = {}
    for tick, at, on, program in _rows(start, track, channel, notes.program):
        if program == DRUMS or on == DRUM_CHANNEL:
            continue
        if sounds.get(on) != program or chosen.get((at, on)) != program:
            found.append(_Timed(tick, _BEFORE, at, Message("program_change", channel=on, program=program)))
        sounds[on] = chosen[at, on] = program
    return found


def pedal_changes(notes: NoteTable, settled: SettledNotes, remark: Remark) -> list[tuple[int, int, int, int]]:
    """Return tick, track, channel and value of a change of the damper before each note whose channel has another."""
    found: list[tuple[int, int, int, int]] = []
    if notes.pedal is None:
        return found
    values: dict[int, int] = {}
    moved: dict[int, int] = {}
    lost = 0
    for tick, at, on, pedal in _rows(settled.start, settled.track, settled.channel, notes.pedal):
        if values.get(on, 0) != pedal:
            lost += moved.get(on) == tick
            found.append((tick, at, on, pedal))
            values[on], moved[on] = pedal, tick
    remark(PEDALS, lost)
    return found


def _file(messages: Sequence[_Timed], resolution: float) -> MidiFile:
    tracks = [MidiTrack() for _ in range(1 + max((timed.track for timed in messages), default=0))]
    tracks[0].append(MetaMessage("set_tempo", tempo=_TEMPO))
    now = [0] * len(tracks)
    for tick, _, track, message in messages:
        delta = tick - now[track]
        if delta >= _MOST_DELTA:
            pause, most = (f"{ticks * resolution:,.0f}" for ticks in (delta, _MOST_DELTA - 1))
            raise HachimachiError(f"a pause of {pause} s; a MIDI file holds at most {most}; write .json")
        tracks[track].append(message.copy(time=delta))
        now[track] = tick
    ticks_per_quarter = round(_TEMPO * 1e-6 / resolution)
    return MidiFile(type=int(len(tracks) > 1), ticks_per_beat=ticks_per_quarter, tracks=tracks)
