"""Reading several files: finding them, reading on all cores, and keeping those with the same features."""

from __future__ import annotations

import glob
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature, check_alike
from hachimachi.io.atomic import is_dir
from hachimachi.io.csv_format import mark
from hachimachi.io.formats import FORMATS, READERS, find_module, is_midi
from hachimachi.io.midi import MidiOptions
from hachimachi.io.report import Report
from hachimachi.io.transform import PART

if TYPE_CHECKING:  # slow to import, and most commands read one file
    from concurrent.futures import Future, ProcessPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], lost: Callable[[Item], Result], count: int
) -> Generator[Result]:
    """Yield ``function(item)`` for each item, in order, from ``count`` processes, or this one if none can be started;
    closing the generator kills them. Once a process dies, a single one does the rest, so that it is known which item
    kills it; ``lost`` gives its result."""
    from concurrent.futures import BrokenExecutor

    done = 0
    while done < len(items):
        try:
            with _pool(count) as pool:
                for future in _submit(pool, function, items[done:]):
                    yield future.result()
                    done += 1
        except (BrokenExecutor, OSError, NotImplementedError):
            try:
                with _pool(1) as pool:
                    started = any(future.result() for future in _submit(pool, abs, [1]))
            except (BrokenExecutor, OSError, NotImplementedError):
                started = False
            if not started:
                yield from map(function, items[done:])
                return
            if count == 1:
                yield lost(items[done])
                done += 1
            count = 1


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool whose processes are killed if the block ends by an exception."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

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
    """Submit all items to a pool, or as many as possible before a process dies. New processes must not import this
    one's script, which may have no ``if __name__ == "__main__"``, nor may Ctrl-C reach them: their parent ends them."""
    from concurrent.futures import BrokenExecutor

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
    """Ignore Ctrl-C, and end with the parent."""
    from multiprocessing import parent_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


DEFAULT = MidiOptions()
APART = 3_000_000  # bytes above which files are read by several processes
Progress = Callable[[Sequence[Path]], Iterable[Path]]


class InputFile(NamedTuple):
    """A file to read, the name of its sequences, and options if it is MIDI."""

    path: Path
    name: str
    midi: MidiOptions = DEFAULT

    @property
    def notes(self) -> bool:
        """Whether it is a MIDI file read with the default columns."""
        return is_midi(self.path) and self.midi.columns is None and not self.midi.controls

    @property
    def size(self) -> int:
        """Bytes; 0 if it does not exist."""
        return self.path.stat().st_size if os.path.exists(self.path) else 0  # noqa: PTH110  (as in read_one)


@dataclass(frozen=True)
class FileEvents:
    """The sequences of a file."""

    name: str
    sequences: list[EventSequence]  # at least one, all with the same features
    notes: bool = False  # whether they are notes of a MIDI file with the default columns


def read_one(file: InputFile, report: Report) -> list[EventSequence]:
    """Read one file; unnamed sequences get its name, with a number if there are several. The message of any
    HachimachiError begins with the path."""
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
    """Read several files, on all cores if that is faster; those that cannot be read are reported, unless all cannot."""
    plugin = any(file.path.suffix.lower() in FORMATS for file in files)  # other processes do not load it
    count = min(cores(), len(files)) if sum(file.size for file in files) >= APART and not plugin else 1

    def lost(file: InputFile) -> tuple[list[EventSequence], Report]:
        reason = f"the process that read it died; is there memory enough for a file of {file.size:,} bytes?"
        return [], Report(refused={file.name: reason})

    outcomes = parallel_map(_try, files, lost, count) if count > 1 else (_try(file) for file in files)
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
    report = Report()
    try:
        return read_one(file, report), report
    except HachimachiError as error:
        report.refused[file.name] = str(error).removeprefix(f"{file.path}: ")
    except Exception as error:
        reason = f"cannot be read, through a mistake of hachimachi's: {error!r}; please report it with the file"
        report = Report(refused={file.name: reason})
    return [], report


_DECLARED = ("kind", "min", "max", "resolution")
Features = tuple[Feature, ...]


@dataclass
class _FeatureGroup:
    """Files with the same features, and their combined declarations."""

    features: Features
    temporal: bool
    files: list[FileEvents]

    def difference(self, expected: _FeatureGroup) -> str:
        """Describe how these files differ from the expected ones."""
        columns, wanted = (
            ",".join([TIME] * group.temporal + [mark(feature) for feature in group.features])
            for group in (self, expected)
        )
        if columns != wanted:
            return f"found the columns {columns}, expected {wanted}"
        for one, other in zip(self.features, expected.features, strict=True):
            for key in _DECLARED:
                value, wanted = getattr(one, key), getattr(other, key)
                if None not in (value, wanted) and value != wanted:
                    return f"{one.name!r}: found {key} {value}, expected {wanted}"
        return "found bounds that exclude those"


def keep_agreeing(found: Sequence[FileEvents], report: Report) -> list[FileEvents]:
    """Return the largest group of files with the same features, with their combined declarations; the report takes the
    others. Names, masks and presence of time must be the same, and declarations must not contradict each other, but one
    file may declare what another, such as CSV, leaves open. HachimachiError where no group is the largest."""
    alike: dict[tuple[Features, bool], list[FileEvents]] = {}
    for each in found:
        alike.setdefault((each.sequences[0].features, each.sequences[0].temporal), []).append(each)
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
            report.refused[each.name] = f"{difference} as in {len(most.files):,} of {len(found):,} files"
    return [
        each
        if each.sequences[0].features == most.features
        else replace(each, sequences=[replace(sequence, features=most.features) for sequence in each.sequences])
        for each in most.files
    ]


def _merge(one: Features, other: Features) -> Features | None:
    """Return the combined declarations of two files, or ``None`` if they contradict each other."""
    if [(f.name, f.masked) for f in one] != [(f.name, f.masked) for f in other]:
        return None
    merged = []
    for a, b in zip(one, other, strict=True):
        values = {key: (getattr(a, key), getattr(b, key)) for key in _DECLARED}
        if any(None not in pair and pair[0] != pair[1] for pair in values.values()):
            return None
        if "categorical" in values["kind"] and None in values["kind"]:  # every format can declare it
            return None
        declared = {key: second if first is None else first for key, (first, second) in values.items()}
        try:
            merged.append(replace(a, **declared))
        except HachimachiError:  # bounds that exclude each other
            return None
    return tuple(merged)


SPLIT = "split.json"  # file beside the data that lists names under train, valid and test
Identity = tuple[int, int]  # device and inode of a file or folder


def find_files(
    sources: Sequence[Path], suffixes: Collection[str], report: Report, without: Collection[Path] = ()
) -> list[Path]:
    """Return the files given, by name or pattern, and those below folders that have one of the suffixes, each once.

    Below folders, links are followed, each folder once; hidden files and ``split.json`` are skipped, and what is
    ``without``, as among those that fit a pattern. The report counts files with other suffixes, and takes folders that
    cannot be read. HachimachiError for no sources, a folder without such files, or a pattern that fits nothing.
    """
    apart = {_identity(path) for path in without} - {None}
    files: dict[Path, Path] = {}
    for given in sources:
        for path in _expand(given):
            if path == given or _identity(path) not in apart:
                found = _below(path, suffixes, report, apart) if is_dir(path) else [path]
                files.update({_whole(each): each for each in found})
    if not files:
        raise HachimachiError("no files to read: name at least one file or folder")
    return list(files.values())


def names_of(files: Sequence[Path], sources: Sequence[Path]) -> list[str]:
    """Return the name of each file: its path relative to the folder, or to the common parent of all sources."""
    folders = [_whole(path if is_dir(path) else path.parent) for source in sources for path in _expand(source)]
    try:
        base = Path(os.path.commonpath(folders))
        return [_readable(_whole(path).relative_to(base)) for path in files]
    except ValueError:  # on several drives
        return [_readable(_whole(path)) for path in files]


def _readable(path: Path) -> str:
    """Return a path as text, with replacement characters where it is not UTF-8."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _expand(source: Path) -> list[Path]:
    text = str(source)
    if not glob.has_magic(text) or os.path.lexists(text):
        return [source]
    # folders that are there are no patterns, whatever their names; nor are brackets, unless something fits them
    folder = next((each for each in source.parents if is_dir(each)), Path())
    rest = str(source.relative_to(folder))
    for form in (rest, rest.replace("[", "[[]")):
        pattern = os.path.join(glob.escape(str(folder)), form)  # noqa: PTH118
        if found := sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207  (an absolute pattern works)
            return list(map(Path, found))
    raise HachimachiError(f"{text}: no file fits this pattern")


def _below(folder: Path, suffixes: Collection[str], report: Report, apart: Collection[Identity | None]) -> list[Path]:
    """Return the files below a folder, sorted by path."""
    found: list[Path] = []
    for path in _walk(folder, report):
        if path.name.startswith(".") or path.name == SPLIT or _identity(path) in apart:
            continue
        if path.suffix.lower() in suffixes and (path.is_file() or path.is_symlink()):  # not a pipe
            found.append(path)
        else:
            report.passed[path.suffix.lower()] += 1
    if why := report.refused.get(_readable(folder)):
        raise HachimachiError(f"{folder}: {why}")
    if not found:
        raise HachimachiError(f"{folder}: no files ending in {' '.join(suffixes)} below this folder")
    return sorted(found, key=Path.as_posix)


def _walk(top: Path, report: Report) -> Iterator[Path]:
    """Yield everything below a folder that is not a folder, linked folders last."""
    seen: set[Identity | None] = set()
    waiting = deque([top])
    while waiting:
        folder = waiting.popleft()
        if (identity := _identity(folder)) in seen:  # links may form a cycle
            continue
        seen.add(identity)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            report.refused[_readable(folder)] = f"cannot be looked into: {error.strerror or error}"
            continue
        for entry in entries:
            if not entry.is_dir():
                yield Path(entry.path)
            elif entry.is_symlink():
                waiting.append(Path(entry.path))
            elif not entry.name.startswith("."):
                waiting.appendleft(Path(entry.path))


def _identity(path: Path) -> Identity | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (names stay as given: links are not followed)
