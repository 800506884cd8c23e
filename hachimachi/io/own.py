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
"""Suffix → its `parse` and `render`, `None` for what no plug-in gave."""


def register_format(suffix: str, *, parse: Parse | None = None, render: Render | None = None) -> None:
    """Give files with a suffix, such as ``.toy``, to functions of one's own.

    Both raise a HachimachiError that says what is wrong in one line; which file it is in is said before it.

    Raises:
        HachimachiError: No suffix, one that there is already, or no function.
    """
    from hachimachi.io.formats import READERS, WRITERS

    ours = {"reader": (READERS, "parse", parse), "writer": (WRITERS, "render", render)}
    given = {kind: each for kind, each in ours.items() if each[2] is not None}
    if not suffix.startswith(".") or suffix != suffix.lower() or not given:
        raise HachimachiError(f"format {suffix!r}: expected a suffix such as '.toy', and parse= or render=")
    own = FORMATS.get(suffix, SimpleNamespace(parse=None, render=None))
    for kind, (table, name, function) in given.items():
        if suffix in table and getattr(own, name) is None:
            raise HachimachiError(f"{kind} {suffix!r} of {function.__module__}: hachimachi has one; choose another")
        plugins.note(kind, suffix, function)
        table[suffix] = function.__module__
        setattr(own, name, function)
    FORMATS[suffix] = own
