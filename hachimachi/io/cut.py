"""Sequences made fit to learn from: cut where nothing happens for long, without those that are too short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
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
