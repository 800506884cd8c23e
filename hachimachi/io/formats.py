"""The formats that events are read from and written to, by suffix.

A format is a module. To be read it has `parse(data, file, report) -> list[EventSequence]`, to be written
`render(sequences) -> bytes`; neither touches the disk.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

from hachimachi.errors import HachimachiError
from hachimachi.io.own import FORMATS

READERS = {".json": "json_format", ".csv": "csv_format", ".mid": "midi", ".midi": "midi", ".arrow": "arrow.table"}
"""Suffix → the module in `hachimachi.io` that parses it."""
WRITERS = {
    ".json": "json_write",
    ".csv": "csv_format",
    ".mid": "midi_write",
    ".midi": "midi_write",
    ".wav": "wav",
    ".arrow": "arrow.table",
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
    return READERS.get(path.suffix.lower()) == "midi"
