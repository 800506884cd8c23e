"""Times in milliseconds that were taken for seconds: suspected and told, never converted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hachimachi.io.report import Report

MILLISECONDS = "files whose times look like milliseconds, taken for seconds: if so, call the CSV column 'time (ms)'"
_WHOLE_APART = 5.0
_APART = 30.0
_LATEST = 1e11
"""Seconds since 1970 reach this in the year 5138; milliseconds did in 1973."""


def note_milliseconds(times: Sequence[NDArray[np.float64]], file: str, report: Report) -> None:
    """Tell the report where the times in a file, ascending in each sequence, look like milliseconds."""
    times = [time for time in times if time.size]
    if times:
        steps = np.concatenate([np.diff(time) for time in times])
        apart = steps[steps > 0]
        typical = float(np.median(apart)) if apart.size else 0.0
        whole = all(np.array_equal(time, np.round(time)) for time in times)
        report.count(MILLISECONDS, file, are_milliseconds(typical, whole, max(float(time[-1]) for time in times)))


def are_milliseconds(typical: float, whole: bool, latest: float) -> bool:
    """Return whether times are suspected to be milliseconds.

    People and sensors make several events a second. Whole numbers five apart, or any numbers thirty apart, are more
    likely to be milliseconds than pauses of half a minute between most events.

    Args:
        typical: Median time between events that are not at once.
        whole: Whether all times are whole numbers.
        latest: The last time.
    """
    return typical >= (_WHOLE_APART if whole else _APART) or latest >= _LATEST
