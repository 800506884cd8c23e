"""A mistake in an expression, shown where it is."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from rich.cells import cell_len

from hachimachi.errors import HachimachiError

WIDTH = 72
"""Columns of an expression that are shown around a mistake: with the margin they fit on any terminal."""


class ExpressionError(HachimachiError):
    """An expression that cannot be read: its message has three lines, the last a caret under the place.

    Args:
        message: What was found there, and what was expected.
        text: The whole expression.
        at: Where in it.
    """

    def __init__(self, message: str, text: str, at: int) -> None:
        first = text.rfind("\n", 0, at) + 1
        line, place = text[first:].partition("\n")[0], at - first
        if len(line) > WIDTH:
            begin = min(max(place - WIDTH // 2, 0), len(line) - WIDTH)
            line, place = line[begin : begin + WIDTH], place - begin
        line = line.replace("\t", " ")
        super().__init__(f"{message}\n  {line}\n  {' ' * cell_len(line[:place])}^")


def near(name: str, known: Iterable[str]) -> str:
    """Return the nearest right name as the end of a message, or nothing."""
    known = list(known)
    found = get_close_matches(name, known, n=1) or [other for other in known if other.lower() == name.lower()]
    return f"; did you mean {found[0]}?" if found else ""
