"""How many notes sound at once, and how long the next one must wait for there to be no more than are allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hachimachi.columns import Column, UniformGrid
from hachimachi.constraints import Constraint, allowed_bins
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME
from hachimachi.sampling import Numbers, Sampling

MARGIN = 1e-6
"""Seconds that a note waits beyond the end of another: times that are added up come out a little different."""


class Voices:
    """The notes that sound while events are observed.

    Polyphony stays inside the model's distribution: with N notes allowed and N sounding, the time of the next event is
    drawn first, given that it is not before the moment at which the first of them has ended.

    Args:
        columns: The model's columns.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        by_name = {column.name: (i, column) for i, column in enumerate(columns)}
        self.time, self.duration = by_name.get(TIME), by_name.get("duration")
        self.left: tuple[float, ...] = ()
        """For how many seconds each note that sounds goes on after the last event."""

    def observe(self, row: Sequence[float]) -> None:
        """Take in one event, D values; a time or a duration that is not known (NaN) counts as 0."""
        if self.time is None or self.duration is None:
            return
        between, duration = (0.0 if math.isnan(row[i]) else row[i] for i in (self.time[0], self.duration[0]))
        self.left = (*(left - between for left in self.left if left - between > MARGIN), duration)

    def wait(self, polyphony: int) -> float:
        """Return after how many seconds at the earliest the next event may happen."""
        if len(self.left) < polyphony:
            return 0.0
        longest = sorted(self.left, reverse=True)[polyphony - 1]
        return longest + MARGIN if longest > MARGIN else 0.0

    def limit(self, sampling: Sampling) -> Sampling:
        """Return how to draw the next event.

        Raises:
            HachimachiError: The time that it must wait is not allowed, and polyphony does not yield.
        """
        if sampling.polyphony is None or self.time is None:
            return sampling
        column = self.time[1]
        wait = min(self.wait(sampling.polyphony), column.describe()["high"])  # nothing waits longer than the support
        if not wait:
            return sampling
        latest, grid = math.inf, column.grid
        if TIME not in sampling.constraints and isinstance(grid, UniformGrid):
            # as late as times are played, or as it must where that is later
            latest = max((grid.low + column.played[1]) * grid.resolution, wait + grid.resolution)
        limited = sampling.with_constraint(TIME, Constraint.between(wait, latest))
        try:
            allowed_bins(column, limited.constraints[TIME])
        except HachimachiError as error:
            if sampling.yields:
                return sampling
            found = f"polyphony {sampling.polyphony}: the next note must wait {wait:.3g} s, which its time may not"
            raise HachimachiError(f"{found}; allow longer times or shorter durations") from error
        return limited


def limits(columns: Sequence[Column], rows: Numbers, sampling: Sampling) -> list[Sampling]:
    """Return how each event and the one after the last is drawn, N + 1 of them: polyphony looks at those before.

    Args:
        columns: The model's columns, D.
        rows: The events, shape (N, D).
        sampling: How to draw.
    """
    voices, found = Voices(columns), [sampling]
    for row in rows.tolist():
        voices.observe(row)
        found.append(voices.limit(sampling))
    return found
