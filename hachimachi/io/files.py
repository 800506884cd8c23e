"""Read and write events in the format that a file's suffix names.

A format is a module. To be read it has `parse(data, file, report) -> list[EventSequence]`, to be written
`render(sequences) -> bytes`; neither touches the disk.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, check_alike
from hachimachi.io.agreement import Found, keep_agreeing
from hachimachi.io.atomic import replacing
from hachimachi.io.cut import PART
from hachimachi.io.folder import write_folder
from hachimachi.io.midi_options import MidiOptions
from hachimachi.io.report import Report
from hachimachi.io.sources import find_files, names_of
from hachimachi.io.workers import cores, spread

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
MIDI = "midi"
DEFAULT = MidiOptions()
PathLike = str | os.PathLike[str]
Progress = Callable[[Sequence[Path]], Iterable[Path]]
APART = 2_000_000
"""Bytes from which on it is worth while to start processes that read."""


def read(
    source: PathLike | Sequence[PathLike],
    report: Report | None = None,
    *,
    midi: MidiOptions = DEFAULT,
    all_columns: bool = False,
    without: Sequence[PathLike] = (),
    progress: Progress = iter,
) -> list[EventSequence]:
    """Read events from a file, from every readable file below a folder (sorted), or from several of these.

    Sequences are called by their path relative to the folder, or to what all sources lie in. Many files are read on
    all cores.

    Args:
        source: File, folder or pattern such as ``midi/*.mid``, or several.
        report: Takes note of what was mended, and of which among several files could not be read, or differ in
            features from most. Without one, a warning names those files.
        midi: What to read of MIDI files.
        all_columns: Keep a MIDI file's ``instrument`` even where it has one value throughout the data set:
            wanted of a primer, whose columns must be the model's.
        without: Files to pass over below a folder, or where a pattern fits them: those about to be written.
        progress: Wraps the list of files, to show how far reading is.

    Returns:
        At least one sequence; all have the same features, and all or none carry time.

    Raises:
        HachimachiError: Nothing could be read, there is no set of features that most files have, or something is
            asked of MIDI files where there are none.
    """
    sources = [Path(source)] if isinstance(source, str | os.PathLike) else [Path(each) for each in source]
    notes = Report() if report is None else report
    files = find_files(sources, READERS, notes, [Path(each) for each in without])
    jobs = [Job(path, name, midi) for path, name in zip(files, names_of(files, sources), strict=True)]
    _check_midi(jobs, midi)
    if len(files) == 1 and not sources[0].is_dir():
        found = [Found(jobs[0].name, read_one(jobs[0], notes), jobs[0].notes)]
    else:
        found = _read_each(jobs, notes, progress)
    agreeing = keep_agreeing(found if all_columns else _without_constant(found, notes), notes)
    notes.files += len(agreeing)
    if report is None and notes.refused:
        warnings.warn("; ".join(Report(refused=notes.refused).lines()), stacklevel=2)
    sequences = [sequence for each in agreeing for sequence in each.sequences]
    notes.measure(sequences)
    return sequences


Outcome = tuple[list[EventSequence], Report]
"""What a file gave, and what happened to it."""


def write(path: PathLike, sequences: EventSequence | Sequence[EventSequence]) -> None:
    """Write one sequence, or several where the format holds them, whole or not at all.

    A folder, or a path that ends in ``/``, becomes a folder of CSV files, one for each sequence.

    Raises:
        HachimachiError: An unknown suffix, sequences that the format cannot hold, or no place to write.
    """
    several = [sequences] if isinstance(sequences, EventSequence) else list(sequences)
    check_output(path)
    check_alike(several)
    if is_folder(path):
        write_folder(path, several)
        return
    format_module = _module(Path(path), WRITERS, "write")
    try:
        data: bytes = format_module.render(several)
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
    with replacing(path) as beside:
        beside.write_bytes(data)


def is_folder(path: PathLike) -> bool:
    """Return whether an output is a folder: it is there, or the path ends in ``/``."""
    return Path(path).is_dir() or os.fspath(path).endswith(("/", os.sep))


def check_output(path: PathLike) -> None:
    """Refuse, before any work is done, an output that cannot be written for what it is called.

    Raises:
        HachimachiError: A suffix that is not in `WRITERS`, and no folder.
    """
    if not is_folder(path):
        check_suffix(Path(path), WRITERS, "write")


class Job(NamedTuple):
    """A file to read.

    Args:
        path: Where it is.
        name: How it is called.
        midi: What to read of it if it is a MIDI file.
    """

    path: Path
    name: str
    midi: MidiOptions = DEFAULT

    @property
    def notes(self) -> bool:
        """Whether it is a MIDI file of which nobody chose the columns."""
        return READERS.get(self.path.suffix.lower()) == MIDI and self.midi.columns is None and not self.midi.controls


def read_one(job: Job, report: Report) -> list[EventSequence]:
    """Read one file.

    Raises:
        HachimachiError: It cannot be read, or holds no events that can; the message begins with its path.
    """
    format_module = _module(job.path, READERS, "read")
    options = {"options": job.midi} if READERS[job.path.suffix.lower()] == MIDI else {}
    try:
        data = job.path.read_bytes()
        if not data:
            raise HachimachiError("the file is empty")
        sequences: list[EventSequence] = format_module.parse(data, job.name, report, **options)
        check_alike(sequences)
    except FileNotFoundError as error:
        missing = "the link leads nowhere" if job.path.is_symlink() else "there is no such file"
        raise HachimachiError(f"{job.path}: {missing}") from error
    except OSError as error:
        raise HachimachiError(f"{job.path}: cannot be read: {error.strerror or error}") from error
    except HachimachiError as error:
        raise HachimachiError(f"{job.path}: {error}") from error
    several = len(sequences) > 1
    return [
        sequence if sequence.name else replace(sequence, name=f"{job.name}{PART}{number}" if several else job.name)
        for number, sequence in enumerate(sequences, 1)
    ]


def _read_each(jobs: Sequence[Job], report: Report, progress: Progress) -> list[Found]:
    """Read several files; one that cannot be read, for whatever reason, is left out."""
    found: list[Found] = []
    with closing(_outcomes(jobs)) as outcomes:
        for job, _ in zip(jobs, progress([job.path for job in jobs]), strict=True):
            sequences, of_file = next(outcomes)
            report.add(of_file)
            found += [Found(job.name, sequences, job.notes)] if sequences else []
    if not found:
        first = next(iter(report.refused.items()))
        raise HachimachiError(f"none of {len(jobs):,} files could be read; the first: {': '.join(first)}")
    return found


def _check_midi(jobs: Sequence[Job], asked: MidiOptions) -> None:
    """Refuse what would be done to no file, and seconds and beats in one data set."""
    others = [job.name for job in jobs if READERS.get(job.path.suffix.lower(), MIDI) != MIDI]
    words = [each.name for each in fields(asked) if getattr(asked, each.name) != getattr(DEFAULT, each.name)]
    if words and len(others) == len(jobs):
        raise HachimachiError(f"{', '.join(words)}: this is asked of MIDI files; there is none, but {others[0]}")
    if asked.beats and others:
        raise HachimachiError(f"beats: {others[0]} is no MIDI file; its time would stay in seconds; read it apart")


def _outcomes(jobs: Sequence[Job]) -> Generator[Outcome]:
    """Give what each file gave, in their order: read here, or on all cores if that is faster."""
    count = min(cores(), len(jobs))
    if count < 2 or sum(map(_size, jobs)) < APART:
        yield from map(_try, jobs)
    else:
        yield from spread(_try, jobs, _lose, count)


def _size(job: Job) -> int:
    try:
        return job.path.stat().st_size
    except OSError:
        return 0


def _try(job: Job) -> Outcome:
    report = Report()
    try:
        return read_one(job, report), report
    except HachimachiError as error:
        reason = str(error).removeprefix(f"{job.path}: ")
    except Exception as error:
        reason = f"cannot be read, through a mistake of hachimachi's: {error!r}; please report it with the file"
    return [], Report(refused={job.name: reason})


def _lose(job: Job, how: str) -> Outcome:
    reason = f"the process that read it died ({how}); is there memory enough for a file of {_size(job):,} bytes?"
    return [], Report(refused={job.name: reason})


def _without_constant(found: list[Found], report: Report) -> list[Found]:
    """Leave out the instrument of notes where it is always the same, unless other files have such a column."""
    notes = [each for each in found if each.notes]
    others = [feature.name for each in found if not each.notes for feature in each.features]
    if not notes or "instrument" in others:
        return found
    from hachimachi.io.midi import without_constant_instrument

    kept = iter(without_constant_instrument([sequence for each in notes for sequence in each.sequences], report))
    return [replace(each, sequences=[next(kept) for _ in each.sequences]) if each.notes else each for each in found]


def check_suffix(path: Path, table: dict[str, str], verb: str) -> None:
    """Refuse a file whose suffix is not in a table of formats, naming those that are."""
    if path.suffix.lower() not in table:
        found = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise HachimachiError(f"{path}: {found}; hachimachi can {verb} {' '.join(table)}")


def _module(path: Path, table: dict[str, str], verb: str) -> ModuleType:
    check_suffix(path, table, verb)
    return import_module(f"hachimachi.io.{table[path.suffix.lower()]}")
