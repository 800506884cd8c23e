"""What a performance did not tell, made up from what it did: a data set has no gaps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import Feature
from hachimachi.live.record.read import Recorded
from hachimachi.text import count

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
