"""What sounds when: absolute deadlines, so that waiting never adds up to drift."""

from __future__ import annotations

from bisect import bisect_right, insort
from operator import itemgetter
from typing import Generic, TypeVar

Item = TypeVar("Item")
_deadline = itemgetter(0)


class Scheduler(Generic[Item]):
    """Items in the order of their deadlines; of two with one deadline, the one added first comes first.

    >>> scheduler = Scheduler[str]()
    >>> scheduler.add(2.0, "later")
    >>> scheduler.add(1.0, "sooner")
    >>> scheduler.pop_due(now=1.5), scheduler.first
    ([(1.0, 'sooner')], (2.0, 'later'))
    """

    def __init__(self) -> None:
        self._queue: list[tuple[float, Item]] = []

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def first(self) -> tuple[float, Item] | None:
        """The item with the nearest deadline, and that deadline in seconds of the clock; ``None`` if nothing waits."""
        return self._queue[0] if self._queue else None

    @property
    def last(self) -> tuple[float, Item] | None:
        """The item with the farthest deadline, and that deadline."""
        return self._queue[-1] if self._queue else None

    def add(self, deadline: float, item: Item) -> None:
        """Keep an item until its deadline, in seconds of the clock."""
        insort(self._queue, (deadline, item), key=_deadline)

    def pop_due(self, now: float) -> list[tuple[float, Item]]:
        """Take out every item whose deadline has come, with that deadline, earliest first."""
        count = bisect_right(self._queue, now, key=_deadline)
        due, self._queue = self._queue[:count], self._queue[count:]
        return due

    def pop_last(self) -> tuple[float, Item]:
        """Take out the item with the farthest deadline.

        Raises:
            IndexError: Nothing waits.
        """
        return self._queue.pop()

    def clear(self) -> int:
        """Drop all that waits and return how many that were."""
        dropped = len(self._queue)
        self._queue.clear()
        return dropped
