"""How late what sounded was, counted in little memory for as long as an evening lasts."""

from __future__ import annotations

import math

FINEST = 1e-6
"""Seconds; what is less late is on time."""
PER_E_FOLD = 50
"""Bins for each factor of e: a percentile is read to within 2 %."""
BINS = math.ceil(PER_E_FOLD * math.log(1e9))  # up to 1,000 s


class Lateness:
    """A histogram of seconds on a logarithmic scale.

    >>> lateness = Lateness()
    >>> for milliseconds in range(1, 101):
    ...     lateness.add(milliseconds / 1000)
    >>> round(lateness.percentile(50), 3), round(lateness.percentile(99), 3), lateness.largest
    (0.05, 0.1, 0.1)
    """

    def __init__(self) -> None:
        self.count = 0
        self.largest = 0.0
        """The largest, in seconds."""
        self._bins = [0] * (BINS + 1)

    def add(self, seconds: float) -> None:
        """Count one; negative is on time."""
        place = 0 if seconds <= FINEST else min(1 + int(PER_E_FOLD * math.log(seconds / FINEST)), BINS)
        self._bins[place] += 1
        self.count += 1
        self.largest = max(self.largest, seconds)

    def percentile(self, share: float) -> float:
        """Return, in seconds, what so many per cent were not later than; 0 if there were none."""
        wanted, seen = share / 100 * self.count, 0
        for place, count in enumerate(self._bins):
            seen += count
            if seen >= wanted and count:
                return min(FINEST * math.exp(place / PER_E_FOLD), self.largest) if place else 0.0
        return 0.0

    def in_ms(self) -> tuple[float, float, float]:
        """Return median, 99th percentile and largest in milliseconds."""
        return self.percentile(50) * 1e3, self.percentile(99) * 1e3, self.largest * 1e3
