"""Reading what a patch sends after a route: numbers, names and words in any mix, for patches send them so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hachimachi.events import TIME
from hachimachi.live.playing.inputs import LARGEST
from hachimachi.live.refusals import Refused, quote

OPEN = "-"
"""Stands for an end that has no bound."""
LISTED = 16
"""As many names are listed."""


def read_number(what: str, value: object) -> float:
    """Return a number that was sent as one or as text.

    Single precision is read as the shortest decimal that it stands for: 0.8, not 0.800000011920929.

    Args:
        what: The route, and what the number is for: it begins the message.
        value: What was sent.

    Raises:
        Refused: It is no finite number of sensible size.
    """
    number = _as_number(value)
    if number is None:
        raise Refused("type", f"{what} is {quote(value)}, expected a number")
    if not math.isfinite(number):
        raise Refused("finite", f"{what} is {number}, expected a finite number")
    if abs(number) > LARGEST:
        raise Refused("size", f"{what} is {number:g}, expected at most {LARGEST:g} in size")
    single = np.float32(number)
    return float(str(single)) if single == number and not number.is_integer() else number


def read_end(what: str, value: object, unbound: float) -> float:
    """Return a bound; ``-``, nil or the infinity that stands for none are none.

    Args:
        what: The route, and which bound it is.
        value: What was sent.
        unbound: What stands for none.

    Raises:
        Refused: It is neither.
    """
    if value is None or value == OPEN or _as_number(value) == unbound:
        return unbound
    return read_number(what, value)


def read_word(what: str, value: object) -> str:
    """Return a word.

    Raises:
        Refused: It is not text.
    """
    if not isinstance(value, str):
        raise Refused("type", f"{what} is {quote(value)}, expected a word")
    return value


class Names:
    """The names by which a model's columns are called.

    Args:
        names: Of all columns, time included.

    >>> Names(["time", "pitch", "velocity"]).find("/release", 1.0)
    'velocity'
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.all = tuple(names)
        self.features = tuple(name for name in names if name != TIME)

    def find(self, what: str, value: object) -> str:
        """Return the name of a column that was called by its name, or a feature by its number from 0.

        Raises:
            Refused: There is no such column.
        """
        if isinstance(value, str) and value in self.all:
            return value
        number = _as_number(value)
        if number is not None and number in range(len(self.features)):
            return self.features[int(number)]
        more = ", …" if len(self.all) > LISTED else ""
        numbers = f"; features also by number, 0 to {len(self.features) - 1}" if self.features else ""
        there = f"there are {', '.join(self.all[:LISTED])}{more}{numbers}"
        raise Refused("name", f"{what}: no feature is called {quote(value)}; {there}")


def _as_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
    except OverflowError:
        return math.inf
