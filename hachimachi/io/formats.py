"""The formats that events are read from and written to, by suffix.

A format is a module. To be read it has `parse(data, file, report) -> list[EventSequence]`, to be written
`render(sequences) -> bytes`; neither touches the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

from hachimachi import plugins
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.report import Report

READERS = {".json": "json_format", ".csv": "csv_format", ".mid": "midi.read", ".midi": "midi.read", ".arrow": "arrow"}
"""Suffix → the module in `hachimachi.io` that parses it."""
WRITERS = {
    ".json": "json_format",
    ".csv": "csv_format",
    ".mid": "midi.write",
    ".midi": "midi.write",
    ".wav": "wav",
    ".arrow": "arrow",
}
"""Suffix → the module in `hachimachi.io` that renders it."""
ARROW = ".arrow"
"""What is not read into memory by `open_collection`, and can be added to in a folder."""
LOSSY = (".mid", ".midi", ".wav")
"""Formats that cannot hold every event, whose `render(sequences, report, file)` takes note of what is lost."""


def check_suffix(path: Path, table: dict[str, str], verb: str) -> None:
    """Refuse a file whose suffix is not in a table of formats, naming those that are."""
    if path.suffix.lower() not in table:
        found = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise HachimachiError(f"{path}: {found}; hachimachi can {verb} {' '.join(table)}")


def find_module(path: Path, table: dict[str, str], verb: str) -> ModuleType | SimpleNamespace:
    """Return the module for a file, or the functions of a plug-in; see `check_suffix`."""
    check_suffix(path, table, verb)
    own = FORMATS.get(path.suffix.lower())
    if own and (own.parse if verb == "read" else own.render):  # a reader may be from elsewhere than the writer
        return own
    return import_module(f"hachimachi.io.{table[path.suffix.lower()]}")


def is_midi(path: Path) -> bool:
    """Return whether a file is read as MIDI."""
    return READERS.get(path.suffix.lower()) == "midi.read"


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
