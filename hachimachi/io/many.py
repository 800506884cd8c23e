"""Reading files, one or many: on all cores, in their order, and none of them ends the others."""

from __future__ import annotations

import glob
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, NamedTuple, TypeVar

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, check_alike
from hachimachi.io.agreement import Found
from hachimachi.io.atomic import is_dir
from hachimachi.io.formats import FORMATS, READERS, find_module, is_midi
from hachimachi.io.midi import MidiOptions
from hachimachi.io.report import Report
from hachimachi.io.transform import PART

Item = TypeVar("Item")
Result = TypeVar("Result")
Process = subprocess.Popen[bytes]

_FROM = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer)"
_START = f"{_FROM}; from hachimachi.io.many import serve; serve()"
_READY = b"ready\n"
# each has a core of its own: threads of linear algebra would only be in each other's way
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(
    function: Callable[[Item], Result], items: Iterable[Item], lost: Callable[[Item, str], Result], count: int
) -> Generator[Result]:
    """Give ``function(item)`` for each item, in their order. To close the iterator ends the processes at once.

    Args:
        function: Of a module's top level; it should return what is wrong, for an exception is the end of its process.
        items: What can be pickled.
        lost: From an item whose process died, and how it died, to what stands for its result.
        count: How many processes. Where none can be started, the work is done here.
    """
    team = _Team(function, lost, count)
    threads = ThreadPoolExecutor(count)
    try:
        yield from threads.map(team.ask, items)
    finally:  # after Ctrl-C too
        team.dismiss()
        threads.shutdown(cancel_futures=True)
        team.close()


def serve() -> None:
    """Be such a process: answer what comes through the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints must not come between the answers
    answers.write(_READY)
    answers.flush()
    while True:
        try:
            function, item = pickle.load(requests)
        except EOFError:
            return
        answer = pickle.dumps(function(item), protocol=5)
        sys.stdout.flush()  # once all is answered it may be ended at any moment
        answers.write(answer)
        answers.flush()


class _Team:
    """Processes, each of which works for one thread at a time."""

    def __init__(self, function: Callable[[Any], Any], lost: Callable[[Any, str], Any], count: int) -> None:
        self.function, self.lost = function, lost
        self.closed, self.can_start, self.lock = False, bool(sys.executable), threading.Lock()
        self.started: list[Process] = []
        self.idle: SimpleQueue[Process | None] = SimpleQueue()
        for _ in range(count):
            self.idle.put(None)

    def ask(self, item: Any) -> Any:
        """Have one item worked on, by whoever is idle."""
        process = self.idle.get()
        try:
            process = process or self._start()
            return self.function(item) if process is None else self._exchange(process, item)
        except (EOFError, OSError, pickle.UnpicklingError):
            if process is None:  # the function's own
                raise
            how, process = _tell_end(process), None
            return self.lost(item, how)
        finally:
            self.idle.put(process)

    def dismiss(self) -> None:
        """End all processes, in the middle of what they do."""
        with self.lock:
            self.closed = True
            for process in self.started:
                process.kill()

    def close(self) -> None:
        """Give back what the processes took; nobody asks any more."""
        for process in self.started:
            process.wait()
            for pipe in (_stdin(process), _stdout(process)):
                with suppress(OSError):  # what was still to be sent
                    pipe.close()

    def _start(self) -> Process | None:
        try:
            with self.lock:
                if self.closed:
                    raise CancelledError
                process = _open() if self.can_start else None
                self.started += [process] if process else []
            if process and _greet(process):
                return process
        except OSError:
            pass
        if self.closed:  # while it started
            raise CancelledError
        self.can_start = False
        return None

    def _exchange(self, process: Process, item: Any) -> Any:
        pickle.dump((self.function, item), _stdin(process))
        _stdin(process).flush()
        return pickle.load(_stdout(process))


def _open() -> Process:
    """Start a process that the Ctrl-C of a terminal does not reach: whoever started it ends it."""
    return subprocess.Popen(
        [sys.executable, "-c", _START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **_ALONE},
        start_new_session=os.name != "nt",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _greet(process: Process) -> bool:
    """Tell a process where to find everything; return whether it is ready."""
    pickle.dump(sys.path, _stdin(process))
    _stdin(process).flush()
    return _stdout(process).readline() == _READY


def _stdin(process: Process) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def _stdout(process: Process) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _tell_end(process: Process) -> str:
    """Say how a process ended that answers no more."""
    try:
        status = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    return f"killed by signal {-status}" if status < 0 else f"ended with status {status}"


DEFAULT = MidiOptions()
APART = 6_000_000
"""Bytes from which on it is worth while to start processes that read."""
TOGETHER = 200_000
"""Bytes of files that are read together: more of them would keep the other cores waiting at the end."""
Progress = Callable[[Sequence[Path]], Iterable[Path]]


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
        return is_midi(self.path) and self.midi.columns is None and not self.midi.controls

    @property
    def size(self) -> int:
        """Bytes; 0 for what is not there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


Batch = Sequence[Job]
Outcome = tuple[list[list[EventSequence]], Report]
"""What each file of a batch gave, nothing where it was left out; and what happened to them."""


def read_one(job: Job, report: Report) -> list[EventSequence]:
    """Read one file.

    Raises:
        HachimachiError: It cannot be read, or holds no events that can; the message begins with its path.
    """
    try:
        _check_there(job.path)
        format_module = find_module(job.path, READERS, "read")
        options = {"options": job.midi} if is_midi(job.path) else {}
        return _name(job, format_module.parse(_load(job), job.name, report, **options))
    except HachimachiError as error:
        raise HachimachiError(f"{job.path}: {str(error).removeprefix(f'{job.path}: ')}") from error


def read_each(jobs: Sequence[Job], report: Report, progress: Progress = iter) -> list[Found]:
    """Read several files; one that cannot be read, for whatever reason, is left out.

    Raises:
        HachimachiError: None could be read.
    """
    found: list[Found] = []
    with closing(_outcomes(jobs, report)) as outcomes:
        for job, _ in zip(jobs, progress([job.path for job in jobs]), strict=True):
            sequences = next(outcomes)
            found += [Found(job.name, sequences, job.notes)] if sequences else []
    if not found:
        first = next(iter(report.refused.items()))
        raise HachimachiError(f"none of {len(jobs):,} files could be read; the first: {': '.join(first)}")
    return found


def _outcomes(jobs: Sequence[Job], report: Report) -> Generator[list[EventSequence]]:
    """Give what each file gave, in their order: read here, or on all cores if that is faster."""
    batches = list(_batches(jobs))
    own = any(job.path.suffix.lower() in FORMATS for job in jobs)  # of a plug-in, which other processes do not load
    count = min(cores(), len(batches)) if sum(job.size for job in jobs) >= APART and not own else 1
    results = spread(_try, batches, _lose, count) if count > 1 else (_try(batch) for batch in batches)
    with closing(results):
        for sequences, of_batch in results:
            report.add(of_batch)
            yield from sequences


def _batches(jobs: Sequence[Job]) -> Iterator[Batch]:
    """Put MIDI files that follow each other together, for those are read faster so; others go one by one."""
    batch: list[Job] = []
    size = 0
    for job in jobs:
        if batch and not (is_midi(job.path) and is_midi(batch[-1].path) and size + job.size <= TOGETHER):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += job.size
    yield batch


def _try(batch: Batch) -> Outcome:
    """Read files; say of each that cannot be read why."""
    report = Report()
    try:
        return [_settle(job, result, report) for job, result in _parse(batch, report)], report
    except Exception as error:
        if len(batch) > 1:
            return _merge([_try([job]) for job in batch])
        reason = f"cannot be read, through a mistake of hachimachi's: {error!r}; please report it with the file"
        return [[]], Report(refused={batch[0].name: reason})


def _parse(batch: Batch, report: Report) -> Iterator[tuple[Job, list[EventSequence] | HachimachiError]]:
    if len(batch) == 1:
        try:
            yield batch[0], read_one(batch[0], report)
        except HachimachiError as error:
            yield batch[0], error
        return
    from hachimachi.io.midi.read import parse_many

    loaded = [(job, _try_load(job)) for job in batch]
    whole = [(data, job.name) for job, data in loaded if isinstance(data, bytes)]
    parsed = parse_many(whole, report, batch[0].midi)
    for job, data in loaded:
        result = data if isinstance(data, HachimachiError) else next(parsed)
        yield job, result if isinstance(result, HachimachiError) else _name(job, result)


def _settle(job: Job, result: list[EventSequence] | HachimachiError, report: Report) -> list[EventSequence]:
    if not isinstance(result, HachimachiError):
        return result
    report.refuse(job.name, str(result).removeprefix(f"{job.path}: "))
    return []


def _merge(outcomes: Iterable[Outcome]) -> Outcome:
    whole, report = [], Report()
    for sequences, of_part in outcomes:
        whole += sequences
        report.add(of_part)
    return whole, report


def _lose(batch: Batch, how: str) -> Outcome:
    """Say that a process died of a file; of several, find out which, so that no more than one is lost."""
    if len(batch) > 1:
        return _merge(spread(_try, [[job] for job in batch], _lose, 1))
    reason = f"the process that read it died ({how}); is there memory enough for a file of {batch[0].size:,} bytes?"
    return [[]], Report(refused={batch[0].name: reason})


def _check_there(path: Path) -> None:
    if not os.path.exists(path):  # noqa: PTH110  (Path.exists raises for a name too long)
        raise HachimachiError("the link leads nowhere" if os.path.lexists(path) else "there is no such file or folder")


def _load(job: Job) -> bytes:
    _check_there(job.path)
    try:
        data = job.path.read_bytes()
    except OSError as error:
        raise HachimachiError(f"cannot be read: {error.strerror or error}") from error
    if not data:
        raise HachimachiError("the file is empty")
    return data


def _try_load(job: Job) -> bytes | HachimachiError:
    try:
        return _load(job)
    except HachimachiError as error:
        return error


def _name(job: Job, sequences: list[EventSequence]) -> list[EventSequence]:
    """Call sequences that have no name as their file, with a number if there are several."""
    check_alike(sequences)
    several = len(sequences) > 1
    return [
        sequence if sequence.name else replace(sequence, name=f"{job.name}{PART}{number}" if several else job.name)
        for number, sequence in enumerate(sequences, 1)
    ]


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
