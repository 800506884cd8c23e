"""Sequences made fit to learn from: cut where nothing happens for long, without those that are too short."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence
from hachimachi.io.report import Report

PART = "#"
"""Stands between the name of a sequence and the number of its part."""


def cut_at_gaps(sequences: Sequence[EventSequence], longest: float, report: Report) -> list[EventSequence]:
    """Cut sequences wherever more than ``longest`` seconds lie between an event and the next.

    The parts of ``a.mid`` are ``a.mid#1``, ``a.mid#2``, …; each begins at time 0. One without such
    a gap stays as it is.

    Args:
        sequences: At least one; all with time.
        longest: In the unit of time of the data.
        report: Takes note of what was cut.

    Raises:
        HachimachiError: Events without time.
    """
    if not sequences[0].temporal:
        raise HachimachiError("--max-gap: these events carry no time, so there are no gaps between them")
    return [part for sequence in sequences for part in _cut(sequence, longest, report)]


def keep_long(sequences: Sequence[EventSequence], least: int, report: Report) -> list[EventSequence]:
    """Leave out sequences of fewer than ``least`` events, and let the report count these.

    Raises:
        HachimachiError: None is long enough.
    """
    kept = [sequence for sequence in sequences if len(sequence) >= least]
    if not kept:
        longest = max(map(len, sequences))
        raise HachimachiError(f"--min-length: no sequence has {least:,} events; the longest has {longest:,}")
    for sequence in sequences:
        if len(sequence) < least:
            report.drop(f"in sequences of fewer than {least:,}", sequence.name, len(sequence))
    return kept


def _cut(sequence: EventSequence, longest: float, report: Report) -> list[EventSequence]:
    assert sequence.time is not None
    ends = np.flatnonzero(np.diff(sequence.time) > longest) + 1
    if not len(ends):
        return [sequence]
    report.cut[sequence.name] = len(ends) + 1
    edges = [0, *ends.tolist(), len(sequence)]
    parts = (sequence[first:end].from_zero() for first, end in pairwise(edges))
    return [replace(part, name=f"{sequence.name}{PART}{number}") for number, part in enumerate(parts, 1)]


def keep_events(
    sequences: Sequence[EventSequence], wanted: Mapping[str, Collection[float]], report: Report
) -> list[EventSequence]:
    """Return the events that have one of the wanted values in each column named; times stay as they are.

    Args:
        sequences: At least one, all with the same features.
        wanted: Name of a column → values.
        report: Counts the other events.

    Raises:
        HachimachiError: A column that is not there, or nothing left of any sequence.
    """
    _check_columns("--only", wanted, sequences)
    kept = [_keep(sequence, wanted) for sequence in sequences]
    for before, after in zip(sequences, kept, strict=True):
        report.drop("without the values that --only asks for", before.name, len(before) - len(after))
    if not any(map(len, kept)):
        asked = " and ".join(f"{name} {_listed(values)}" for name, values in wanted.items())
        there = "; ".join(f"{name} has {_listed(_values(sequences, name))}" for name in wanted)
        raise HachimachiError(f"--only: no event has {asked}; {there}")
    return [sequence for sequence in kept if len(sequence)]


def drop_columns(sequences: Sequence[EventSequence], names: Collection[str]) -> list[EventSequence]:
    """Return the events without some columns; without ``time`` they have an order only.

    Raises:
        HachimachiError: A column that is not there, or none that is left.
    """
    time = (TIME,) if sequences[0].temporal else ()
    _check_columns("--drop", names, sequences, time)
    kept = [i for i, feature in enumerate(sequences[0].features) if feature.name not in names]
    if not kept:
        raise HachimachiError("--drop: no column is left; keep at least one besides time")
    features = tuple(sequences[0].features[i] for i in kept)
    timed = [replace(sequence, time=None) if TIME in names else sequence for sequence in sequences]
    return [replace(sequence, features=features, data=sequence.data[:, kept]) for sequence in timed]


def _keep(sequence: EventSequence, wanted: Mapping[str, Collection[float]]) -> EventSequence:
    rows = np.ones(len(sequence), dtype=np.bool_)
    for name, values in wanted.items():
        rows &= np.isin(sequence.column(name), list(values))
    time = None if sequence.time is None else sequence.time[rows]
    return replace(sequence, data=sequence.data[rows], time=time)


def _check_columns(
    option: str, names: Collection[str], sequences: Sequence[EventSequence], others: Sequence[str] = ()
) -> None:
    there = [*others, *(feature.name for feature in sequences[0].features)]
    for name in names:
        if name not in there:
            raise HachimachiError(f"{option}: no column {name!r}; there are {', '.join(there)}")


def _values(sequences: Sequence[EventSequence], name: str) -> list[float]:
    return np.unique(np.concatenate([sequence.column(name) for sequence in sequences])).tolist()


def _listed(values: Collection[float], most: int = 8) -> str:
    shown = [f"{value:g}" for value in sorted(values)]
    return ", ".join(shown[:most]) + (f" … {shown[-1]}" if len(shown) > most else "")
