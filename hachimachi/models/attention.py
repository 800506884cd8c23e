"""Attention for one event at a time, in NumPy: keys and values of the last events, and who looks at them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hachimachi.models.stepping import Vector

SPARE = 3
"""A cache has room for so many windows more than one; the less seldom it is copied, the more memory it takes."""


class Cache:
    """Keys and values of events, shape (2, heads, room, width). What was written once is never written again.

    A state knows its cache and up to where it reads. Going on from the newest state adds one event behind it; going on
    from an older one, whose next place is taken, or at the end of the room, copies the last events first.
    """

    def __init__(self, heads: int, window: int, width: int) -> None:
        self.window, self.filled = window, 0
        self.content = np.zeros((2, heads, (1 + SPARE) * window, width), np.float32)

    def add(self, stop: int, event: NDArray[np.float32]) -> tuple[Cache, int]:
        """Add the key and value of an event, shape (2, heads, width), after the first `stop`; return what to read."""
        cache = self
        if stop < self.filled or stop == self.content.shape[2]:
            cache, stop = self._copy(stop)
        cache.content[:, :, stop] = event
        cache.filled = stop + 1
        return cache, stop + 1

    def look(self, stop: int, query: NDArray[np.float32]) -> Vector:
        """Return what a query, shape (heads, width), sees in the last window before `stop`, shape (heads · width,)."""
        keys, values = self.content[:, :, max(stop - self.window, 0) : stop]
        scores = np.matmul(keys, query[:, :, None])[:, :, 0]
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        seen = np.matmul(scores[:, None], values)[:, 0]
        seen /= scores.sum(axis=1, keepdims=True)
        return seen.reshape(-1)

    def _copy(self, stop: int) -> tuple[Cache, int]:
        _, heads, _, width = self.content.shape
        cache, kept = Cache(heads, self.window, width), min(stop, self.window - 1)
        cache.content[:, :, :kept] = self.content[:, :, stop - kept : stop]
        return cache, kept
