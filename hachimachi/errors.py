"""The one exception that the command line prints without a traceback."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class HachimachiError(Exception):
    """Something the user can mend. The message says, in one line without a full stop at its end, what is wrong, where
    (file, row, column, key, route), what was found, what was expected, and what to do."""


NOTICES: list[Callable[[str], None]] = [lambda text: warnings.warn(text, stacklevel=5)]
"""What takes notices, the last of them: what a user has to know beside a result. In Python they are warnings."""


@contextmanager
def located(where: object) -> Iterator[None]:
    """Put before the message of any HachimachiError where it was: a file, a row, a key."""
    try:
        yield
    except HachimachiError as error:
        raise HachimachiError(f"{where}: {error}") from error


def expect(right: bool, what: str, found: object, expected: str) -> None:
    """Raise `HachimachiError` where an argument from Python is not right: of another type than is expected."""
    if not right:
        text = repr(found)
        shown = text if len(text) <= 60 and text[:1] != "<" else f"an object of class {type(found).__name__}"
        raise HachimachiError(f"{what}: found {shown}, expected {expected}")


def count(number: int, noun: str) -> str:
    """Return a number of things.

    >>> count(1, "event"), count(2196, "event")
    ('1 event', '2,196 events')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first names and how many there are besides.

    >>> listed(["a.mid", "b.mid"]), listed(["a.mid", "b.mid"], most=1)
    ('a.mid, b.mid', 'a.mid and 1 more')
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")
