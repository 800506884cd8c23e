"""Formats of one's own, kept in a plug-in: by their suffix among those of this package, to read, to write, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

from hachimachi import plugins
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.report import Report

Parse = Callable[[bytes, str, Report], list[EventSequence]]
"""From what is in a file, its name, and what takes note of what was mended, to its sequences."""
Render = Callable[[Sequence[EventSequence]], bytes]
"""From sequences, all with the same features, to what is to be in a file."""
FORMATS: dict[str, SimpleNamespace] = {}
"""Suffix → its `parse` and `render`, those that there are."""


def register_format(suffix: str, *, parse: Parse | None = None, render: Render | None = None) -> None:
    """Give files with a suffix, such as ``.toy``, to functions of one's own.

    Both raise a HachimachiError that says what is wrong in one line; which file it is in is said before it.

    Raises:
        HachimachiError: No suffix, one that there is already, or no function.
    """
    from hachimachi.io.formats import READERS, WRITERS

    given = {kind: each for kind, each in (("reader", parse), ("writer", render)) if each is not None}
    if not suffix.startswith(".") or suffix != suffix.lower() or not given:
        raise HachimachiError(f"format {suffix!r}: expected a suffix such as '.toy', and parse= or render=")
    tables = {"reader": READERS, "writer": WRITERS}
    for kind, function in given.items():
        if suffix in tables[kind] and suffix not in FORMATS:
            raise HachimachiError(f"{kind} {suffix!r} of {function.__module__}: hachimachi has one; choose another")
        plugins.note(kind, suffix, function)
        tables[kind][suffix] = function.__module__
    FORMATS[suffix] = SimpleNamespace(parse=parse, render=render)
