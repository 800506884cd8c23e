"""Read and write events in the format given by a file's suffix."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path, PurePosixPath

import numpy as np

from hachimachi.errors import HachimachiError, expect, located
from hachimachi.events import EventSequence, as_sequences, check_alike
from hachimachi.io import many
from hachimachi.io.atomic import check_file, check_folder, check_free, is_dir, replacing, replacing_folder
from hachimachi.io.collection import Collection
from hachimachi.io.csv_format import render
from hachimachi.io.formats import ARROW, LOSSY, READERS, WRITERS, check_suffix, find_module, is_midi
from hachimachi.io.many import DEFAULT, FileEvents, InputFile, Progress
from hachimachi.io.midi import NOTES, MidiOptions
from hachimachi.io.report import Report

_ILLEGAL = re.compile(r'[<>:"\\|?*\x00-\x1f\x7f]')  # on Windows; names must travel
_SUFFIX = re.compile(r"\.(mid|midi|csv|json|arrow)", re.IGNORECASE)  # of data: no part of the name
_LONGEST = 120


def file_names(names: Sequence[str]) -> list[str]:
    """Return a distinct CSV file name for each sequence, legal on any system, with ``/`` between folders.

    >>> file_names(["midi/a.mid", "midi/a.midi", "b#1", "../c", "what?", ""])
    ['midi/a.csv', 'midi/a.midi.csv', 'b#1.csv', 'c.csv', 'what_.csv', 'sequence.csv']
    """
    files: list[str] = []
    taken: set[str] = set()  # in lower case: some systems take A and a for the same
    for name in names:
        parts = [_ILLEGAL.sub("_", part)[:_LONGEST].strip(". ") for part in name.split("/")]
        path = PurePosixPath(*[part for part in parts if part] or ["sequence"])
        bare = path.with_suffix("") if _SUFFIX.fullmatch(path.suffix) else path
        forms = [f"{bare}.csv", f"{path}.csv", *(f"{path} {number}.csv" for number in range(2, len(taken) + 3))]
        files.append(next(form for form in forms if form.lower() not in taken))
        taken.add(files[-1].lower())
    return files


PathLike = str | os.PathLike[str]
Sources = PathLike | Sequence[PathLike]  # a file, a folder or a pattern, or several of these


def read(
    source: Sources,
    report: Report | None = None,
    *,
    midi: MidiOptions = DEFAULT,
    all_columns: bool = False,
    without: Sequence[PathLike] = (),
    progress: Progress = iter,
) -> list[EventSequence]:
    """Read events from a file, from every readable file below a folder (sorted), or from several of these.

    Sequences are named by their path relative to the folder, or to the common parent of all sources. All have the same
    features, and all or none carry time; HachimachiError if there is none. Many files are read on all cores.

    Args:
        source: File, folder or pattern such as ``midi/*.mid``, or several.
        report: Takes what was mended, and which of several files could not be read or differ in features from most;
            a warning names those where there is none. If it is strict, any fault is an error.
        midi: What to read of MIDI files.
        all_columns: Keep an ``instrument`` that is constant throughout the data, as for a primer.
        without: Files to pass over below a folder or among those that fit a pattern.
        progress: Wraps the list of files, to show progress.
    """
    sources = paths_of(source)
    notes = Report() if report is None else report
    files = many.find_files(sources, READERS, notes, [Path(each) for each in without])
    jobs = [InputFile(path, name, midi) for path, name in zip(files, many.names_of(files, sources), strict=True)]
    others = [job.name for job in jobs if not is_midi(job.path)]
    options = [each.name for each in fields(midi) if getattr(midi, each.name) != getattr(DEFAULT, each.name)]
    if options and len(others) == len(jobs):
        raise HachimachiError(f"{', '.join(options)}: this is asked of MIDI files; there is none, but {others[0]}")
    if midi.beats and others:
        raise HachimachiError(f"beats: {others[0]} is no MIDI file; its time would stay in seconds; read it apart")
    if len(files) == 1 and not is_dir(sources[0]):
        found = [FileEvents(jobs[0].name, many.read_one(jobs[0], notes), jobs[0].notes)]
    else:
        found = many.read_each(jobs, notes, progress)
    agreeing = many.keep_agreeing(found if all_columns else _without_constant(found, notes), notes)
    notes.files += len(agreeing)
    if report is None and notes.refused:
        warnings.warn("; ".join(Report(refused=notes.refused).lines()), stacklevel=2)
    sequences = [sequence for each in agreeing for sequence in each.sequences]
    notes.measure(sequences)
    notes.check()
    return sequences


def write(path: PathLike, sequences: EventSequence | Sequence[EventSequence], report: Report | None = None) -> None:
    """Write one sequence, or several where the format allows it, whole or not at all.

    A folder, or a path that ends in ``/``, becomes a folder of CSV files, one for each sequence. If its name ends in
    ``.arrow`` or it holds Arrow files, the sequences are added to it as Arrow files.
    The report takes what the format cannot hold; if it is strict, nothing is written then. HachimachiError for an
    unknown suffix, sequences that differ in features or do not fit the format, or a path that cannot be written.
    """
    several = as_sequences(sequences)
    check_output(path)
    check_alike(several)
    if is_csv_folder(path):
        with replacing_folder(path) as folder:
            for name, sequence in zip(file_names([each.name for each in several]), several, strict=True):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(render([sequence]))
        return
    if is_folder(path):
        from hachimachi.io.arrow import append

        append(Path(path), several)
        return
    format_module = find_module(Path(path), WRITERS, "write")
    options = (report, Path(path).name) if Path(path).suffix.lower() in LOSSY else ()
    with located(path):
        data: bytes = format_module.render(several, *options)
    if report is not None:
        report.check()
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def paths_of(source: Sources) -> list[Path]:
    """Return sources as a list."""
    sources = [source] if isinstance(source, str | os.PathLike) or not isinstance(source, Iterable) else list(source)
    for each in sources:
        expect(isinstance(each, str | os.PathLike), "source", each, "a path, or several")
    return [Path(each) for each in sources]


def is_folder(path: PathLike) -> bool:
    """Return whether an output is a folder: it exists, or the path ends in ``/``."""
    return is_dir(path) or os.fspath(path).endswith(("/", os.sep))


def is_csv_folder(path: PathLike) -> bool:
    """Return whether an output is a folder of CSV files, not of Arrow files."""
    return is_folder(path) and Path(path).suffix.lower() != ARROW and not any(Path(path).glob(f"*{ARROW}"))


def check_output(path: PathLike) -> None:
    """Raise HachimachiError, before any work is done, for an output path that cannot be written."""
    suffix, ended = Path(path).suffix.lower(), os.fspath(path).endswith(("/", os.sep))
    if is_dir(path) and suffix in WRITERS and suffix != ARROW and not ended:
        raise HachimachiError(f"{path}: is a folder; name a file to write, or end it with / for CSV files in it")
    if not is_folder(path):
        check_suffix(Path(path), WRITERS, "write")
        check_file(path)
    elif is_csv_folder(path):
        check_free(path)
    else:
        check_folder(path)


def _without_constant(found: list[FileEvents], report: Report) -> list[FileEvents]:
    notes = [each for each in found if each.notes]
    others = [feature.name for each in found if not each.notes for feature in each.sequences[0].features]
    if not notes or "instrument" in others:
        return found
    parts = [part for each in notes for part in each.sequences]
    values = {float(value) for part in parts for value in np.unique(part.column("instrument"))}
    if len(values) > 1:
        return found
    report.constants["instrument"] = values.pop()

    def without(each: EventSequence) -> EventSequence:
        return replace(each, features=NOTES[:-1], data=each.data[:, :-1])

    return [replace(each, sequences=list(map(without, each.sequences))) if each.notes else each for each in found]


def open_collection(source: Sources, report: Report | None = None, *, progress: Progress = iter) -> Collection:
    """Open a data set: Arrow files stay on disk, unless compressed or beside files of other formats; everything else is
    read into memory. For arguments and errors see :func:`~hachimachi.io.read`."""
    sources, found = paths_of(source), Report()
    files = many.find_files(sources, READERS, found)
    if all(file.suffix.lower() == ARROW for file in files):
        from hachimachi.io.arrow import ArrowSource

        opened = ArrowSource(list(progress(files)), many.names_of(files, sources), found)
        if not opened.is_compressed():
            found.files += len(files)
            if report is not None:
                report.add(found)
            return Collection.whole(opened)
    return Collection.of(read(source, report, progress=progress))
