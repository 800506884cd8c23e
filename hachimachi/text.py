"""Numbers in sentences."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Return a number of things.

    >>> count(1, "event"), count(2196, "event")
    ('1 event', '2,196 events')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"
