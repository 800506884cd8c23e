"""From what was recorded to the sequences of a data set."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import count
from hachimachi.events import EventSequence, Feature, check_alike
from hachimachi.io import read, write
from hachimachi.live.midi.mapping import NoteNames
from hachimachi.live.protocols import Note

PITCH, VELOCITY, DURATION, PLAYER = "pitch", "velocity", "duration", "player"  # of a note, and who played it
TOGETHER = 0.03  # seconds: notes that a hand strikes closer together are one chord, and none ends another
LONGEST = 1.0  # seconds that a note lasts at most where no duration is known


@dataclass(frozen=True)
class Recorded:
    """The N events of a journal in the order in which they were written. ``at``: Seconds since the start, shape (N,).
    ``player``: Indices of who played, shape (N,). ``rows``: Values, shape (N, F), NaN where unknown. ``sequence``:
    Which sequence each belongs to, never decreasing, shape (N,). ``next``: The number that the next event gets.
    ``skipped``: How many lines could not be read; the last one, cut off by a crash, is not counted."""

    features: tuple[Feature, ...]
    who: tuple[str, ...]
    temporal: bool
    at: NDArray[np.float64]
    player: NDArray[np.intp]
    rows: NDArray[np.float64]
    sequence: NDArray[np.intp]
    next: int
    skipped: int
    cleared: int

    def __len__(self) -> int:
        return len(self.at)


def fill(recorded: Recorded) -> tuple[NDArray[np.float64], list[str]]:
    """Return the values with nothing unknown, shape (N, F), and what was filled in how, a sentence a column. With time,
    a ``duration`` becomes the time until the same player's next event in the sequence, at most the longest one known,
    else 1 s. Other columns get the median of what is known, categories the most frequent; 0 if nothing is known."""
    rows, remarks = recorded.rows.copy(), []
    for column, feature in enumerate(recorded.features):
        values = rows[:, column]
        unknown = np.isnan(values)
        if not unknown.any():
            continue
        known = values[~unknown]
        if feature.name == DURATION and recorded.temporal:
            longest = float(known.max()) if known.size else LONGEST
            rows[unknown, column] = np.minimum(_until_next(recorded)[unknown], longest)
            source = f"until the player's next event, at most {longest:.3g} s"
        elif not known.size:
            value = float(np.clip(0.0, feature.min, feature.max)) if (feature.min, feature.max) != (None, None) else 0.0
            rows[unknown, column], source = value, f"{value:g}, for no value is known"
        elif feature.kind == "categorical":
            values, counts = np.unique(known, return_counts=True)
            value = float(values[np.argmax(counts)])
            rows[unknown, column], source = value, f"{value:g}, the most frequent value"
        else:
            value = float(np.sort(known)[(len(known) - 1) // 2])
            rows[unknown, column], source = value, f"{value:g}, the median"
        remarks.append(f"{feature.name} not known of {count(int(unknown.sum()), 'event')}: {source}")
    return rows, remarks


def are_notes(features: Sequence[Feature], rows: NDArray[np.float64]) -> bool:
    """Return whether events, shape (N, F), can all be MIDI's: whole pitches and velocities from 0 to 127. Then a
    velocity of 0 is no event, but ends the note of its pitch (MIDI 1.0 Detailed Specification, note-on)."""
    names = [feature.name for feature in features]
    if not {PITCH, VELOCITY} <= set(names) or features[names.index(VELOCITY)].kind not in (None, "integer"):
        return False
    values = rows[:, [names.index(PITCH), names.index(VELOCITY)]]
    return bool(((values == np.rint(values)) & (values >= 0) & (values <= 127)).all())


def end_notes(recorded: Recorded) -> tuple[Recorded, list[str]]:
    """Return the recording of a player's notes without the velocities of 0 that end them, and a sentence about these.
    They give the note of their pitch and channel, or instrument, its ``duration`` where that is unknown."""
    names = [feature.name for feature in recorded.features]
    if not are_notes(recorded.features, recorded.rows):
        return recorded, []
    ends = recorded.rows[:, names.index(VELOCITY)] == 0
    if not ends.any():
        return recorded, []
    rows, note_of = recorded.rows.copy(), NoteNames(recorded.features).of
    held: dict[tuple[int, Note | None], int] = {}
    stray = 0
    for i in np.lexsort((recorded.at, recorded.sequence)).tolist():
        key = int(recorded.sequence[i]), note_of(rows[i].tolist())
        if not ends[i]:
            held[key] = i
        elif (note := held.pop(key, None)) is None:
            stray += 1
        elif DURATION in names and np.isnan(rows[note, names.index(DURATION)]):
            rows[note, names.index(DURATION)] = recorded.at[i] - recorded.at[note]
    kept = {name: getattr(recorded, name)[~ends] for name in ("at", "player", "sequence")}
    remark = f"{count(int(ends.sum()), 'release')}, of velocity 0: each ends the note of its pitch"
    remark += f", but for {stray:,} of a key that was not down" if stray else ""
    return replace(recorded, rows=rows[~ends], **kept), [remark]


def _until_next(recorded: Recorded) -> NDArray[np.float64]:
    """Return the time from each event to the same player's next chord, shape (N,); infinity at a sequence's end."""
    until = np.full(len(recorded), np.inf)
    order = np.lexsort((recorded.at, recorded.sequence, recorded.player))
    changes = np.diff(recorded.player[order]) | np.diff(recorded.sequence[order])
    for run in np.split(order, np.flatnonzero(changes) + 1):
        moments = recorded.at[run]
        after = np.searchsorted(moments, moments + TOGETHER, side="right")
        follows = after < len(moments)
        until[run[follows]] = moments[after[follows]] - moments[follows]
    return until


def make_sequences(recorded: Recorded, *, one: bool = False) -> tuple[list[EventSequence], list[str]]:
    """Return the sequences of a performance, or one of all, each sorted by time from 0, and what was filled in."""
    ended: list[str] = []
    if len(recorded.who) == 1:  # what is heard in a performance has been told apart by what its model knows
        recorded, ended = end_notes(recorded)
    if not len(recorded):
        return [], ended
    data, remarks = fill(recorded)
    remarks = [*ended, *remarks]
    at, sequence = recorded.at, np.zeros_like(recorded.sequence) if one else recorded.sequence
    features = recorded.features
    if len(recorded.who) > 1:
        names = {feature.name for feature in features}
        candidates = (PLAYER, "who", *(f"{PLAYER} {number}" for number in range(2, len(names) + 3)))
        features = (*features, Feature(next(name for name in candidates if name not in names), "categorical"))
        data = np.column_stack([data, recorded.player.astype(np.float64)])
    if recorded.temporal:
        order = np.lexsort((at, sequence))  # stable: what happens at once stays in the order of its lines
        data, at, sequence = data[order], at[order], sequence[order]
    sequences = []
    for number, run in enumerate(np.split(np.arange(len(data)), np.flatnonzero(np.diff(sequence)) + 1), 1):
        time = np.round(at[run] - at[run[0]], 6) if recorded.temporal else None
        sequences.append(EventSequence(features, data[run], time, str(number)))
    return sequences, remarks


def save(path: Path, sequences: Sequence[EventSequence], *, append: bool) -> None:
    """Write a data set, or append to it, safe on disk. `HachimachiError`: it cannot be written, or other features."""
    before = read(path) if append and path.exists() else []
    kept = [replace(one, name="1") if one.name == path.name else one for one in before]  # it had no name
    taken = {one.name for one in kept}
    names = (str(number) for number in range(len(kept) + 1, 10**9) if str(number) not in taken)
    added = [replace(one, name=name) for one, name in zip(sequences, names, strict=False)]
    check_alike([*kept, *added])
    write(path, [*kept, *added])
    with contextlib.suppress(OSError):
        for each in (path, path.parent):  # the file and its name
            fd = os.open(each, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
