"""Data preparation: cut sequences at long gaps, drop short ones, select events and columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence
from hachimachi.io.report import Report

PART = "#"  # between the name of a sequence and the number of its part


def cut_at_gaps(sequences: Sequence[EventSequence], longest: float, report: Report) -> list[EventSequence]:
    """Cut sequences wherever more than ``longest`` seconds lie between an event and the next; the parts of ``a.mid``,
    ``a.mid#1``, ``a.mid#2`` and so on, each begin at time 0."""
    if not sequences[0].temporal:
        raise HachimachiError("--max-gap: these events carry no time, so there are no gaps between them")
    parts = []
    for sequence in sequences:
        assert sequence.time is not None
        cuts = (np.flatnonzero(np.diff(sequence.time) > longest) + 1).tolist()
        if not cuts:
            parts.append(sequence)
            continue
        report.cut[sequence.name] = len(cuts) + 1
        for number, (first, end) in enumerate(pairwise([0, *cuts, len(sequence)]), 1):
            parts.append(replace(sequence[first:end].from_zero(), name=f"{sequence.name}{PART}{number}"))
    return parts


def keep_long(sequences: Sequence[EventSequence], least: int, report: Report) -> list[EventSequence]:
    """Leave out sequences of fewer than ``least`` events, counted in the report; HachimachiError if that is all."""
    kept = [sequence for sequence in sequences if len(sequence) >= least]
    if not kept:
        longest = max(map(len, sequences))
        raise HachimachiError(f"--min-length: no sequence has {least:,} events; the longest has {longest:,}")
    for sequence in sequences:
        if len(sequence) < least:
            report.drop(f"in sequences of fewer than {least:,}", sequence.name, len(sequence))
    return kept


def keep_events(
    sequences: Sequence[EventSequence], wanted: Mapping[str, Collection[float]], report: Report
) -> list[EventSequence]:
    """Return the events, at least one, that have one of the values wanted in each column; times are not changed."""
    _check_columns("--only", wanted, sequences)
    kept = []
    for sequence in sequences:
        rows = np.ones(len(sequence), dtype=np.bool_)
        for name, values in wanted.items():
            rows &= np.isin(sequence.column(name), list(values))
        time = None if sequence.time is None else sequence.time[rows]
        kept.append(replace(sequence, data=sequence.data[rows], time=time))
        report.drop("without the values that --only asks for", sequence.name, len(sequence) - len(kept[-1]))
    if not any(map(len, kept)):
        expected = " and ".join(f"{name} {_listed(values)}" for name, values in wanted.items())
        columns = {name: np.concatenate([sequence.column(name) for sequence in sequences]) for name in wanted}
        found = "; ".join(f"{name} has {_listed(np.unique(values).tolist())}" for name, values in columns.items())
        raise HachimachiError(f"--only: no event has {expected}; {found}")
    return [sequence for sequence in kept if len(sequence)]


def drop_columns(sequences: Sequence[EventSequence], names: Collection[str]) -> list[EventSequence]:
    """Return the events without some columns, but for one; without ``time`` only their order remains."""
    time = (TIME,) if sequences[0].temporal else ()
    _check_columns("--drop", names, sequences, time)
    kept = [i for i, feature in enumerate(sequences[0].features) if feature.name not in names]
    if not kept:
        raise HachimachiError("--drop: no column is left; keep at least one besides time")
    features = tuple(sequences[0].features[i] for i in kept)
    timed = [replace(sequence, time=None) if TIME in names else sequence for sequence in sequences]
    return [replace(sequence, features=features, data=sequence.data[:, kept]) for sequence in timed]


def _check_columns(
    option: str, names: Collection[str], sequences: Sequence[EventSequence], others: Sequence[str] = ()
) -> None:
    available = [*others, *(feature.name for feature in sequences[0].features)]
    for name in names:
        if name not in available:
            raise HachimachiError(f"{option}: no column {name!r}; there are {', '.join(available)}")


def _listed(values: Collection[float], most: int = 8) -> str:
    shown = [f"{value:g}" for value in sorted(values)]
    return ", ".join(shown[:most]) + (f" … {shown[-1]}" if len(shown) > most else "")
