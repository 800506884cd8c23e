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

MIDI = (".mid", ".midi", ".kar", ".rmi", ".smf")  # karaoke files and RIFF files are MIDI by another name
_TEXT = {".json": "json_format", ".csv": "csv_format"}
READERS = {**_TEXT, **dict.fromkeys(MIDI, "midi.read"), ".arrow": "arrow"}
"""Suffix → the module in `hachimachi.io` that parses it."""
WRITERS = {**_TEXT, ".mid": "midi.write", ".midi": "midi.write", ".wav": "wav", ".arrow": "arrow"}
"""Suffix → the module in `hachimachi.io` that renders it."""
ARROW = ".arrow"  # suffix of what `open_collection` leaves on disk, and of folders that can be added to
LOSSY = (".mid", ".midi", ".wav")  # cannot hold every event: `render(sequences, report, file)` reports what is lost


def check_suffix(path: Path, table: dict[str, str], verb: str) -> None:
    """Refuse a file whose suffix is not in a table of formats."""
    if path.suffix.lower() not in table:
        found = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise HachimachiError(f"{path}: {found}; hachimachi can {verb} {' '.join(table)}")


def find_module(path: Path, table: dict[str, str], verb: str) -> ModuleType | SimpleNamespace:
    """Return the module for a file, or the functions of a plug-in; see `check_suffix`."""
    check_suffix(path, table, verb)
    plugin = FORMATS.get(path.suffix.lower())
    if plugin and (plugin.parse if verb == "read" else plugin.render):  # which may have just one of them
        return plugin
    return import_module(f"hachimachi.io.{table[path.suffix.lower()]}")


def is_midi(path: Path) -> bool:
    """Return whether a file is read as MIDI."""
    return READERS.get(path.suffix.lower()) == "midi.read"


Parse = Callable[[bytes, str, Report], list[EventSequence]]  # from the bytes of a file, its name and a report
Render = Callable[[Sequence[EventSequence]], bytes]  # from sequences, all with the same features
FORMATS: dict[str, SimpleNamespace] = {}  # suffix → `parse` and `render` of plug-ins, `None` where there is none


def register_format(suffix: str, *, parse: Parse | None = None, render: Render | None = None) -> None:
    """Register custom functions for files with a suffix, such as ``.toy``; both raise HachimachiError with one line
    that says what is wrong, and the path is put before it."""
    kinds = {"reader": (READERS, "parse", parse), "writer": (WRITERS, "render", render)}
    given = {kind: each for kind, each in kinds.items() if each[2] is not None}
    if not suffix.startswith(".") or suffix != suffix.lower() or not given:
        raise HachimachiError(f"format {suffix!r}: expected a suffix such as '.toy', and parse= or render=")
    plugin = FORMATS.get(suffix, SimpleNamespace(parse=None, render=None))
    for kind, (table, name, function) in given.items():
        if suffix in table and getattr(plugin, name) is None:
            raise HachimachiError(f"{kind} {suffix!r} of {function.__module__}: hachimachi has one; choose another")
        plugins.note(kind, suffix, function)
        table[suffix] = function.__module__
        setattr(plugin, name, function)
    FORMATS[suffix] = plugin
