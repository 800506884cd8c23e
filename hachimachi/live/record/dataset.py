"""From a journal to a data set, at the end of a performance or after a crash."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError, count
from hachimachi.events import EventSequence, Feature, check_alike
from hachimachi.io import read, write
from hachimachi.live.record.journal_file import Recorded, free, in_use, is_empty, read_journal, target

DURATION = "duration"
TOGETHER = 0.03
"""Seconds: notes that a hand strikes closer together are one chord, and one does not end the other."""
LONGEST = 1.0
"""Seconds that a note lasts at most where no duration is known."""


def fill(recorded: Recorded) -> tuple[NDArray[np.float64], list[str]]:
    """Return the values with nothing unknown, shape (N, F), and what was filled in how, a sentence a column.

    With time, a ``duration`` becomes the time until the same player's next event in the sequence, at most the longest
    one known, else 1 s. Of other columns it becomes the median of the known values, of a category the most frequent
    one; 0 if none is known.
    """
    rows, told = recorded.rows.copy(), []
    for column, feature in enumerate(recorded.features):
        values = rows[:, column]
        unknown = np.isnan(values)
        if not unknown.any():
            continue
        if feature.name == DURATION and recorded.temporal:
            filled, how = _until_next(recorded, values, unknown)
        else:
            filled, how = _usual(feature, values[~unknown])
        rows[unknown, column] = filled
        told.append(f"{feature.name} not known of {count(int(unknown.sum()), 'event')}: {how}")
    return rows, told


def _until_next(
    recorded: Recorded, values: NDArray[np.float64], unknown: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], str]:
    longest = float(values[~unknown].max()) if not unknown.all() else LONGEST
    until = np.full(len(values), np.inf)
    for one in np.unique(recorded.player[unknown]):
        mine = np.flatnonzero(recorded.player == one)
        mine = mine[np.lexsort((recorded.at[mine], recorded.sequence[mine]))]
        until[mine] = _gaps(recorded.at[mine], recorded.sequence[mine])
    return np.minimum(until[unknown], longest), f"until the player's next event, at most {longest:.3g} s"


def _gaps(at: NDArray[np.float64], sequence: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the time from each event to the next chord, infinity at the end of a sequence; both inputs sorted."""
    gaps = np.full(len(at), np.inf)
    for first, end in _runs(sequence):
        moments = at[first:end]
        after = np.searchsorted(moments, moments + TOGETHER, side="right")
        follows = after < len(moments)
        gaps[first:end][follows] = moments[after[follows]] - moments[follows]
    return gaps


def _runs(sequence: NDArray[np.intp]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(sequence)) + 1).tolist(), len(sequence)]
    return list(pairwise(edges))


def _usual(feature: Feature, known: NDArray[np.float64]) -> tuple[float, str]:
    """Return a value that occurs, and how it was chosen."""
    if not known.size:
        value = float(np.clip(0.0, feature.min, feature.max)) if (feature.min, feature.max) != (None, None) else 0.0
        return value, f"{value:g}, for no value is known"
    if feature.kind == "categorical":
        values, counts = np.unique(known, return_counts=True)
        value = float(values[np.argmax(counts)])
        return value, f"{value:g}, the most frequent value"
    value = float(np.sort(known)[(len(known) - 1) // 2])
    return value, f"{value:g}, the median"


PLAYER = "player"


@dataclass(frozen=True)
class Finished:
    """What came of a journal.

    Args:
        path: The data set; ``None`` if nothing was recorded and so nothing was written.
        events: How many events were added to it.
        sequences: In how many sequences.
        seconds: How long they last; 0 without time.
        remarks: What was filled in, skipped or dropped: a sentence each.
    """

    path: Path | None
    events: int
    sequences: int
    seconds: float
    remarks: tuple[str, ...]


def finish(
    journal: str | os.PathLike[str], path: str | os.PathLike[str] | None = None, *, append: bool = False
) -> Finished:
    """Write the data set of a journal, and remove the journal once that is safe on disk.

    Args:
        journal: The journal's path.
        path: The data set, .json or .csv; else the journal's path without ``.journal``. If something is there, it is
            kept and the next free name is taken.
        append: Add to the sequences that the data set has instead.

    Raises:
        HachimachiError: A journal that cannot be read or that another process writes, or a data set that cannot be
            written; the journal stays.
    """
    journal = Path(journal)
    wanted = target(journal) if path is None else Path(path)
    if in_use(journal):
        raise HachimachiError(f"{journal}: another hxmx records into it; end that one first")
    try:
        finished = _finish(journal, wanted if append else free(wanted), append)
        journal.unlink()
    except OSError as error:
        raise HachimachiError(f"{journal}: {error.strerror or error}") from error
    except HachimachiError as error:
        raise HachimachiError(f"{error}; what was recorded stays in {journal}") from error
    return finished


def make_sequences(recorded: Recorded, *, one: bool = False) -> tuple[list[EventSequence], list[str]]:
    """Return the sequences of a performance, each sorted by time from 0, and what was filled in.

    Args:
        recorded: What a journal holds.
        one: As one sequence, whatever was reset in between.
    """
    if not len(recorded):
        return [], []
    data, told = fill(recorded)
    at, sequence = recorded.at, np.zeros_like(recorded.sequence) if one else recorded.sequence
    features = recorded.features
    if len(recorded.who) > 1:
        features = (*features, Feature(_free_name(features), "categorical"))
        data = np.column_stack([data, recorded.player.astype(np.float64)])
    if recorded.temporal:
        order = np.lexsort((at, sequence))  # stable: what happens at once stays in the order of its lines
        data, at, sequence = data[order], at[order], sequence[order]
    parts = np.split(np.arange(len(data)), np.flatnonzero(np.diff(sequence)) + 1)
    times = [np.round(at[part] - at[part[0]], 6) if recorded.temporal else None for part in parts]
    named = enumerate(zip(parts, times, strict=True), 1)
    return [EventSequence(features, data[part], time, str(number)) for number, (part, time) in named], told


def _finish(journal: Path, path: Path, append: bool) -> Finished:
    if is_empty(journal):
        return Finished(None, 0, 0, 0.0, ())
    recorded = read_journal(journal)
    sequences, remarks = make_sequences(recorded, one=path.suffix.lower() == ".csv")
    if sequences:
        _save(path, read(path) if append and path.exists() else [], sequences)
    events, seconds = sum(map(len, sequences)), sum(sequence.seconds for sequence in sequences)
    return Finished(path if sequences else None, events, len(sequences), seconds, (*remarks, *_losses(recorded)))


def _save(path: Path, before: Sequence[EventSequence], sequences: Sequence[EventSequence]) -> None:
    kept = [replace(one, name="1") if one.name == path.name else one for one in before]  # it had no name
    taken = {one.name for one in kept}
    names = (str(number) for number in range(len(kept) + 1, 10**9) if str(number) not in taken)
    added = [replace(one, name=name) for one, name in zip(sequences, names, strict=False)]
    check_alike([*kept, *added])
    write(path, [*kept, *added])
    with contextlib.suppress(OSError):  # before the journal goes, the file and its name are to be on disk
        for each in (path, path.parent):
            _sync(each)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _free_name(features: Sequence[Feature]) -> str:
    names = {feature.name for feature in features}
    candidates = (PLAYER, "who", *(f"{PLAYER} {number}" for number in range(2, len(names) + 3)))
    return next(name for name in candidates if name not in names)


def _losses(recorded: Recorded) -> list[str]:
    told = []
    if recorded.cleared:
        told.append(f"{count(recorded.cleared, 'event')} dropped by /reset")
    if recorded.skipped:
        told.append(f"{count(recorded.skipped, 'line')} of the journal could not be read and left out")
    return told
