"""Read and write events in the format that a file's suffix names.

A format is a module. To be read it has `parse(data, file, report) -> list[EventSequence]`, to be written
`render(sequences) -> bytes`; neither touches the disk.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, check_alike
from hachimachi.io.atomic import replacing
from hachimachi.io.own import FORMATS
from hachimachi.io.report import Report

READERS = {".json": "json_format", ".csv": "csv_format", ".mid": "midi", ".midi": "midi"}
"""Suffix → the module in `hachimachi.io` that parses it."""
WRITERS = {
    ".json": "json_format",
    ".csv": "csv_format",
    ".mid": "midi_write",
    ".midi": "midi_write",
    ".wav": "wav",
}
"""Suffix → the module in `hachimachi.io` that renders it."""
SPLIT = "split.json"
"""Lists names under train, valid and test; it stands beside data and is none itself."""

PathLike = str | os.PathLike[str]
Progress = Callable[[Sequence[Path]], Iterable[Path]]


def read(
    source: PathLike | Sequence[PathLike],
    report: Report | None = None,
    *,
    all_columns: bool = False,
    without: PathLike | None = None,
    progress: Progress = iter,
) -> list[EventSequence]:
    """Read events from a file, from every readable file below a folder (sorted), or from several of these.

    Sequences are called by their path relative to the folder, or to what all sources lie in.

    Args:
        source: File or folder, or several.
        report: Takes note of what was mended and of which among several files could not be read. Without
            one, a warning names those files.
        all_columns: Keep a MIDI file's ``instrument`` even where it has one value throughout the data set:
            wanted of a primer, whose columns must be the model's.
        without: File to pass over below a folder: the one about to be written.
        progress: Wraps the list of files, to show how far reading is.

    Returns:
        At least one sequence; all have the same features, and all or none carry time.

    Raises:
        HachimachiError: Nothing could be read, or what was read differs in features.
    """
    sources = [Path(source)] if isinstance(source, str | os.PathLike) else [Path(each) for each in source]
    files = _find(sources, without)
    alone = len(files) == 1 and not sources[0].is_dir()
    notes = Report() if report is None else report
    found = _read_each(files, _base(sources), notes, progress, alone)
    if not found:
        first = next(iter(notes.refused.values()))
        raise HachimachiError(f"none of {len(files):,} files could be read; the first: {first}")
    if report is None and notes.refused:
        warnings.warn("; ".join(Report(refused=notes.refused).lines()), stacklevel=2)
    sequences = found if all_columns else _without_constant(found, notes)
    check_alike(sequences)
    return sequences


def write(path: PathLike, sequences: EventSequence | Sequence[EventSequence]) -> None:
    """Write one sequence, or several where the format holds them, whole or not at all.

    Raises:
        HachimachiError: An unknown suffix, sequences that the format cannot hold, or no place to write.
    """
    several = [sequences] if isinstance(sequences, EventSequence) else list(sequences)
    format_module = _module(Path(path), WRITERS, "write")
    check_alike(several)
    try:
        data: bytes = format_module.render(several)
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
    with replacing(path) as beside:
        beside.write_bytes(data)


def _find(sources: Sequence[Path], without: PathLike | None) -> list[Path]:
    """Return files as they are and, for a folder, every readable file below it, sorted; each file once."""
    files: dict[Path, None] = {}
    for source in sources:
        below = _below(source, without) if source.is_dir() else [source]
        if not below:
            raise HachimachiError(f"{source}: no files ending in {' '.join(READERS)} below this folder")
        files.update(dict.fromkeys(below))
    if not files:
        raise HachimachiError("no files to read: name at least one file or folder")
    return list(files)


def _below(folder: Path, without: PathLike | None) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in READERS and path.name != SPLIT)
    shown = (path for path in paths if not path.name.startswith(".") and path.is_file())
    wanted = (path for path in shown if without is None or path.resolve() != Path(without).resolve())
    return sorted(wanted, key=lambda path: path.relative_to(folder).as_posix())


def _base(sources: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([_whole(path if path.is_dir() else path.parent) for path in sources]))


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (names stay as given: links are not followed)


def _read_each(files: list[Path], base: Path, report: Report, progress: Progress, alone: bool) -> list[EventSequence]:
    sequences: list[EventSequence] = []
    for path in progress(files):
        name = _whole(path).relative_to(base).as_posix()
        try:
            sequences += _read_one(path, name, report)
        except HachimachiError as error:
            if alone:
                raise
            report.refused[name] = str(error)
    return sequences


def _read_one(path: Path, name: str, report: Report) -> list[EventSequence]:
    format_module = _module(path, READERS, "read")
    try:
        data = path.read_bytes()
        if not data:
            raise HachimachiError("the file is empty")
        sequences: list[EventSequence] = format_module.parse(data, name, report)
    except FileNotFoundError as error:
        raise HachimachiError(f"{path}: there is no such file") from error
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be read: {error.strerror or error}") from error
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
    return [sequence if sequence.name else replace(sequence, name=name) for sequence in sequences]


def _without_constant(sequences: list[EventSequence], report: Report) -> list[EventSequence]:
    from hachimachi.io.midi import NOTES, without_constant_instrument

    notes = [sequence for sequence in sequences if sequence.features is NOTES]
    if len(notes) < len(sequences):
        return sequences
    return without_constant_instrument(notes, report)


def check_suffix(path: Path, table: dict[str, str], verb: str) -> None:
    """Refuse a file whose suffix is not in a table of formats, naming those that are."""
    if path.suffix.lower() not in table:
        found = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise HachimachiError(f"{path}: {found}; hachimachi can {verb} {' '.join(table)}")


def _module(path: Path, table: dict[str, str], verb: str) -> ModuleType | SimpleNamespace:
    check_suffix(path, table, verb)
    if path.suffix.lower() in FORMATS:
        return FORMATS[path.suffix.lower()]
    return import_module(f"hachimachi.io.{table[path.suffix.lower()]}")
