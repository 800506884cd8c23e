"""Reading several files: which there are, on all cores, and with one set of features."""

from __future__ import annotations

import glob
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeVar

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature, check_alike
from hachimachi.io.atomic import is_dir
from hachimachi.io.formats import FORMATS, READERS, find_module, is_midi
from hachimachi.io.midi import MidiOptions
from hachimachi.io.report import Report
from hachimachi.io.transform import PART

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], lost: Callable[[Item], Result], count: int
) -> Generator[Result]:
    """Give ``function(item)`` for each item, in their order. To close the iterator ends the processes at once.

    Once a process dies, one alone does the rest: then it is known of which item it dies.

    Args:
        function: Of a module's top level.
        items: What can be pickled.
        lost: From an item of which a process died to what stands for its result.
        count: How many processes. Where none can be started, the work is done here.
    """
    done = 0
    while done < len(items):
        try:
            with _pool(count) as pool:
                for future in _submit(pool, function, items[done:]):
                    yield future.result()
                    done += 1
        except (BrokenExecutor, OSError, NotImplementedError):
            if not _can_start_processes():
                yield from map(function, items[done:])
                return
            if count == 1:
                yield lost(items[done])
                done += 1
            count = 1


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give processes, which end at once, in the middle of what they do, where the block ends by an exception."""
    pool = ProcessPoolExecutor(count, get_context("spawn"), _prepare_worker)
    try:
        yield pool
    except BaseException:  # Ctrl-C, or nobody wants the rest
        for process in list(pool._processes.values()):
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item]
) -> list[Future[Result]]:
    """Start the processes of a pool and give them all items, or as many as they take before one dies.

    They must not run the script of this process again, as they would do to find out what it defines: it may have no
    ``if __name__ == "__main__"``. A Ctrl-C of a terminal does not reach them: whoever started them ends them.
    """
    futures: list[Future[Result]] = []
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else None
    try:
        with suppress(BrokenExecutor):
            for item in items:
                futures.append(pool.submit(function, item))
    finally:
        sys.modules["__main__"] = main
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return futures


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _can_start_processes() -> bool:
    try:
        with _pool(1) as pool:
            return any(future.result() for future in _submit(pool, abs, [1]))
    except (BrokenExecutor, OSError, NotImplementedError):
        return False


DEFAULT = MidiOptions()
APART = 3_000_000
"""Bytes from which on it is worth while to start processes that read."""
Progress = Callable[[Sequence[Path]], Iterable[Path]]


class InputFile(NamedTuple):
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
        return is_midi(self.path) and self.midi.columns is None and not self.midi.controls

    @property
    def size(self) -> int:
        """Bytes; 0 for what is not there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


@dataclass(frozen=True)
class FileEvents:
    """What a file gave.

    Args:
        name: How the file is called.
        sequences: At least one, all with the same features.
        notes: Whether they are notes of a MIDI file for which nobody chose the columns.
    """

    name: str
    sequences: list[EventSequence]
    notes: bool = False

    @property
    def features(self) -> Features:
        """Of each of its sequences."""
        return self.sequences[0].features

    @property
    def temporal(self) -> bool:
        """Whether its events carry time."""
        return self.sequences[0].temporal


def read_one(file: InputFile, report: Report) -> list[EventSequence]:
    """Read one file. Sequences without a name are called as the file, with a number if there are several.

    Raises:
        HachimachiError: It cannot be read, or holds no events that can; the message begins with its path.
    """
    try:
        if not os.path.exists(file.path):  # noqa: PTH110  (Path.exists raises for a name too long)
            dangling = os.path.lexists(file.path)
            raise HachimachiError("the link leads nowhere" if dangling else "there is no such file or folder")
        reader = find_module(file.path, READERS, "read")
        try:
            data = file.path.read_bytes()
        except OSError as error:
            raise HachimachiError(f"cannot be read: {error.strerror or error}") from error
        if not data:
            raise HachimachiError("the file is empty")
        options = {"options": file.midi} if is_midi(file.path) else {}
        sequences: list[EventSequence] = reader.parse(data, file.name, report, **options)
        check_alike(sequences)
    except HachimachiError as error:
        raise HachimachiError(f"{file.path}: {str(error).removeprefix(f'{file.path}: ')}") from error
    several = len(sequences) > 1
    return [
        sequence if sequence.name else replace(sequence, name=f"{file.name}{PART}{number}" if several else file.name)
        for number, sequence in enumerate(sequences, 1)
    ]


def read_each(files: Sequence[InputFile], report: Report, progress: Progress = iter) -> list[FileEvents]:
    """Read several files, on all cores if that is faster; one that cannot be read, for whatever reason, is left out.

    Raises:
        HachimachiError: None could be read.
    """
    plugin = any(file.path.suffix.lower() in FORMATS for file in files)  # which other processes do not load
    count = min(cores(), len(files)) if sum(file.size for file in files) >= APART and not plugin else 1
    outcomes = parallel_map(_try, files, _lose, count) if count > 1 else (_try(file) for file in files)
    found: list[FileEvents] = []
    with closing(outcomes):
        for file, _ in zip(files, progress([file.path for file in files]), strict=True):
            sequences, of_file = next(outcomes)
            report.add(of_file)
            found += [FileEvents(file.name, sequences, file.notes)] if sequences else []
    if not found:
        first = next(iter(report.refused.items()))
        raise HachimachiError(f"none of {len(files):,} files could be read; the first: {': '.join(first)}")
    return found


def _try(file: InputFile) -> tuple[list[EventSequence], Report]:
    """Return what a file gives, nothing where it cannot be read, and what happened to it."""
    report = Report()
    try:
        return read_one(file, report), report
    except HachimachiError as error:
        report.refuse(file.name, str(error).removeprefix(f"{file.path}: "))
    except Exception as error:
        reason = f"cannot be read, through a mistake of hachimachi's: {error!r}; please report it with the file"
        report = Report(refused={file.name: reason})
    return [], report


def _lose(file: InputFile) -> tuple[list[EventSequence], Report]:
    reason = f"the process that read it died; is there memory enough for a file of {file.size:,} bytes?"
    return [], Report(refused={file.name: reason})


_DECLARED = ("kind", "min", "max", "resolution")
Features = tuple[Feature, ...]


@dataclass
class _FeatureGroup:
    """Files that agree in features, and what all of them together declare."""

    features: Features
    temporal: bool
    files: list[FileEvents]

    @property
    def columns(self) -> str:
        """The names of the columns, with their marks as in CSV."""
        names = ("~" * f.masked + f.name + "#" * (f.kind == "categorical") for f in self.features)
        return ",".join([TIME] * self.temporal + list(names))

    def difference(self, expected: _FeatureGroup) -> str:
        """Say in what these files differ from what is expected."""
        if self.columns != expected.columns:
            return f"found the columns {self.columns}, expected {expected.columns}"
        for one, other in zip(self.features, expected.features, strict=True):
            for key in _DECLARED:
                value, wanted = getattr(one, key), getattr(other, key)
                if None not in (value, wanted) and value != wanted:
                    return f"{one.name!r}: found {key} {value}, expected {wanted}"
        return "found bounds that exclude those"


def keep_agreeing(found: Sequence[FileEvents], report: Report) -> list[FileEvents]:
    """Return the files that agree in features with most others, with the same features in all of them.

    Names, masks and whether there is time must be the same, and what is declared of a feature must not differ: what one
    file leaves open, as CSV does, another may say.

    Args:
        found: At least one.
        report: Takes note of the others.

    Raises:
        HachimachiError: No set of features has more files than any other.
    """
    alike: dict[tuple[Features, bool], list[FileEvents]] = {}
    for each in found:
        alike.setdefault((each.features, each.temporal), []).append(each)
    groups: list[_FeatureGroup] = []
    for (features, temporal), files in sorted(alike.items(), key=lambda item: -len(item[1])):
        for group in groups:
            if group.temporal == temporal and (merged := _merge(group.features, features)):
                group.features = merged
                group.files += files
                break
        else:
            groups.append(_FeatureGroup(features, temporal, list(files)))
    index = {id(each): i for i, each in enumerate(found)}
    for group in groups:
        group.files.sort(key=lambda each: index[id(each)])
    most, *others = sorted(groups, key=lambda group: -len(group.files))
    if others and len(others[0].files) == len(most.files):
        pair = f"{others[0].files[0].name} and {most.files[0].name} differ in features"
        difference = others[0].difference(most)
        raise HachimachiError(f"{pair}: {difference}; as many files are of the one as of the other: read them apart")
    for group in others:
        difference = group.difference(most)
        for each in group.files:
            report.refuse(each.name, f"{difference} as in {len(most.files):,} of {len(found):,} files")
    return [
        each
        if each.features == most.features
        else replace(each, sequences=[replace(sequence, features=most.features) for sequence in each.sequences])
        for each in most.files
    ]


def _merge(one: Features, other: Features) -> Features | None:
    """Return what two files declare together, or ``None`` if they contradict each other."""
    if [(f.name, f.masked) for f in one] != [(f.name, f.masked) for f in other]:
        return None
    merged = []
    for a, b in zip(one, other, strict=True):
        values = {key: (getattr(a, key), getattr(b, key)) for key in _DECLARED}
        if any(None not in pair and pair[0] != pair[1] for pair in values.values()):
            return None
        if "categorical" in values["kind"] and None in values["kind"]:  # every format can say that a column is one
            return None
        declared = {key: second if first is None else first for key, (first, second) in values.items()}
        try:
            merged.append(replace(a, **declared))
        except HachimachiError:  # bounds that exclude each other
            return None
    return tuple(merged)


SPLIT = "split.json"
"""Lists names under train, valid and test; it stands beside data and is none itself."""
Identity = tuple[int, int]
"""Device and number of a file or folder: the same however it is reached."""


def find_files(
    sources: Sequence[Path], suffixes: Collection[str], report: Report, without: Collection[Path] = ()
) -> list[Path]:
    """Return files as they are and, for a folder, every file below it that has one of the suffixes; each once.

    Below folders, links are followed, each folder once; hidden files and ``split.json`` are passed over.

    Args:
        sources: Files, folders, or patterns such as ``midi/*.mid``, which not every shell expands.
        suffixes: In lower case, with the dot.
        report: Takes note of files with other suffixes, and of folders that cannot be looked into.
        without: Files to pass over below folders and among those that fit a pattern.

    Raises:
        HachimachiError: No sources, a folder without such files, or a pattern that fits nothing.
    """
    apart = {identity for path in without if (identity := _identity(path))}
    files: dict[str, Path] = {}
    for given in sources:
        for path in _expand(given):
            if path == given or _identity(path) not in apart:
                found = _below(path, suffixes, report, apart) if is_dir(path) else [path]
                files.update({os.path.abspath(each): each for each in found})  # noqa: PTH100  (links stay links)
    if not files:
        raise HachimachiError("no files to read: name at least one file or folder")
    return list(files.values())


def names_of(files: Sequence[Path], sources: Sequence[Path]) -> list[str]:
    """Return what each file is called: its path relative to the folder, or to what all sources lie in."""
    folders = [_whole(path if is_dir(path) else path.parent) for source in sources for path in _expand(source)]
    try:
        base = Path(os.path.commonpath(folders))
        return [_readable(_whole(path).relative_to(base)) for path in files]
    except ValueError:  # on several drives
        return [_readable(_whole(path)) for path in files]


def _readable(path: Path) -> str:
    """Return a name that text can hold, where the file's is no UTF-8."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _expand(source: Path) -> list[Path]:
    text = str(source)
    if not glob.has_magic(text) or os.path.lexists(text):
        return [source]
    found = [Path(name) for name in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207  (an absolute pattern works)
    if not found:
        raise HachimachiError(f"{text}: no file fits this pattern")
    return found


def _below(folder: Path, suffixes: Collection[str], report: Report, apart: Collection[Identity]) -> list[Path]:
    """Return the files below a folder, sorted by their path."""
    found: list[tuple[str, Path]] = []
    for path in _walk(folder, report):
        if path.name.startswith(".") or path.name == SPLIT or _identity(path) in apart:
            continue
        if path.suffix.lower() in suffixes and (path.is_file() or path.is_symlink()):  # no pipe, which would not end
            found.append((path.relative_to(folder).as_posix(), path))
        else:
            report.passed[path.suffix.lower()] += 1
    if why := report.refused.get(_readable(folder)):
        raise HachimachiError(f"{folder}: {why}")
    if not found:
        raise HachimachiError(f"{folder}: no files ending in {' '.join(suffixes)} below this folder")
    return [path for _, path in sorted(found)]


def _walk(top: Path, report: Report) -> Iterator[Path]:
    """Give everything below a folder that is no folder; what lies in it goes before what links lead to."""
    seen: set[Identity | None] = set()
    waiting = deque([top])
    while waiting:
        folder = waiting.popleft()
        if (identity := _identity(folder)) in seen:  # links may go round in circles
            continue
        seen.add(identity)
        for entry in _look_into(folder, report):
            if not entry.is_dir():
                yield Path(entry.path)
            elif entry.is_symlink():
                waiting.append(Path(entry.path))
            elif not entry.name.startswith("."):
                waiting.appendleft(Path(entry.path))


def _look_into(folder: Path, report: Report) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        report.refuse(_readable(folder), f"cannot be looked into: {error.strerror or error}")
        return []


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (names stay as given: links are not followed)
