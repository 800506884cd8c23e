"""What sounds when: a heap of absolute deadlines, so that waiting never adds up to drift."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Scheduler(Generic[Item]):
    """Items in the order of their deadlines; of two with one deadline, the one added first comes first.

    >>> scheduler = Scheduler[str]()
    >>> scheduler.add(2.0, "later")
    >>> scheduler.add(1.0, "sooner")
    >>> scheduler.pop_due(now=1.5), scheduler.next
    ([(1.0, 'sooner')], 2.0)
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next(self) -> float | None:
        """The nearest deadline in seconds of the clock, ``None`` when nothing waits."""
        return self._heap[0][0] if self._heap else None

    def add(self, deadline: float, item: Item) -> None:
        """Keep an item until its deadline, in seconds of the clock."""
        heapq.heappush(self._heap, (deadline, self._added, item))
        self._added += 1

    def pop_due(self, now: float) -> list[tuple[float, Item]]:
        """Take out every item whose deadline has come, with that deadline, earliest first."""
        due: list[tuple[float, Item]] = []
        while self._heap and self._heap[0][0] <= now:
            deadline, _, item = heapq.heappop(self._heap)
            due.append((deadline, item))
        return due

    def clear(self) -> int:
        """Drop all that waits and return how many that were."""
        dropped = len(self._heap)
        self._heap.clear()
        return dropped
