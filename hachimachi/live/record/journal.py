"""What happens in a performance, on disk as it happens: a crash costs no more than what was not yet written.

A journal is lines of JSON: a header, then a record each. ``[seconds since the start, who, value, …]`` is an event, with
null for what is not known; ``{"amend": [event, feature, value]}`` is what became known of one later; ``{"begin": n}``
and ``{"clear": [from, n]}`` begin a new sequence with event n, and ``clear`` drops those since event ``from``.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hachimachi.errors import HachimachiError, count
from hachimachi.events import EventSequence, Feature
from hachimachi.io import read
from hachimachi.io.files import WRITERS, PathLike, check_suffix
from hachimachi.io.json_format import describe, read_features
from hachimachi.live.protocols import Row
from hachimachi.live.record.dataset import Recorded, make_sequences, save

FORMAT, VERSION = "hachimachi.journal", 1
ENDING = ".journal"
MAGIC = f'{{"format": "{FORMAT}"'.encode()  # how every journal begins
SUFFIXES = {suffix: WRITERS[suffix] for suffix in (".json", ".csv")}  # those that hold any features
LARGEST = 1e300  # larger numbers are damage
SYNC_SECONDS = 0.05  # so seldom is the disk asked to hold what was written
REST = 9.0  # times longer than it took a slow one rests: a write may have to wait while it is at work


def beside(path: PathLike) -> Path:
    """Return the journal of a data set."""
    return Path(f"{os.fspath(path)}{ENDING}")


def free(path: Path, *, with_journal: bool = False) -> Path:
    """Return the path, or ``name-2``… if it is taken or has a journal; itself may have one unless ``with_journal``."""
    number, candidate = 1, path
    while os.path.lexists(candidate) or ((with_journal or number > 1) and os.path.lexists(beside(candidate))):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def find_unfinished(where: PathLike) -> list[Path]:
    """Return the journals that a crash left, of one data set or in a folder, sorted; none that is being written now."""
    path = Path(where)
    unfinished = []
    for journal in sorted(path.glob(f"*{ENDING}")) if path.is_dir() else [beside(path)]:
        try:
            with journal.open("rb") as file:
                head = file.read(len(MAGIC))
        except OSError:
            continue
        if MAGIC.startswith(head) and not in_use(journal):
            unfinished.append(journal)
    return unfinished


def is_empty(journal: Path) -> bool:
    """Return whether a crash came before even the first line was written."""
    with journal.open("rb") as file:
        first = file.readline(1 << 20)
    return MAGIC.startswith(first[: len(MAGIC)]) and not first.endswith(b"\n")


def in_use(journal: Path) -> bool:
    """Return whether a process writes into a journal; always ``False`` where the system has no `flock`."""
    try:
        fd = os.open(journal, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _lock(fd)
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    """Lock an open file against other processes; ``False`` if another has it."""
    try:
        import fcntl
    except ImportError:  # Windows keeps an open file from being removed by itself
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def read_journal(path: PathLike) -> Recorded:
    """Read a journal. A last line that was cut off is passed over; others that cannot be read are skipped and counted.
    Raises `HachimachiError`: a file that cannot be read, or whose first line is not a journal's."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be read: {error.strerror or error}") from error
    first_line, _, rest = data.partition(b"\n")
    try:
        header = json.loads(first_line.decode())
        if header["format"] != FORMAT:
            raise ValueError
        version, who, temporal = header["version"], tuple(map(str, header["who"])), bool(header["temporal"])
        features = read_features(header["features"], len(header["features"]))
    except (ValueError, KeyError, TypeError, RecursionError, HachimachiError) as error:
        expected = f'expected a journal, whose first line has "format": "{FORMAT}"'
        raise HachimachiError(f"{path}: row 1: {expected}; move this file away") from error
    if version != VERSION:
        raise HachimachiError(f"{path}: is a journal of version {version}, expected {VERSION}; use a newer hxmx")
    records: list[tuple[int, int, list[float]]] = []  # number, sequence and line of each event
    amended: list[tuple[int, int, float]] = []
    number = sequence = skipped = cleared = 0
    lines = rest.split(b"\n")
    for i, line in enumerate(lines):
        record = _parse(line, len(features), len(who)) if line else {}
        match record:
            case list():
                records.append((number, sequence, record))
            case {"begin": following}:
                number, sequence = following, sequence + 1
            case {"clear": [first, following]}:
                number, sequence = following, sequence + 1
                kept = next((k for k, (event, *_) in enumerate(records) if event >= first), len(records))
                cleared += len(records) - kept
                del records[kept:]
            case {"amend": [event, column, value]}:
                amended.append((event, column, value))
            case None:
                skipped += i < len(lines) - 1
        number += line.startswith(b"[")
    table = np.array([record for *_, record in records], dtype=np.float64).reshape(-1, 2 + len(features))  # null: NaN
    rows = table[:, 2:]
    indices = {event: i for i, (event, *_) in enumerate(records)} if amended else {}
    for event, column, value in amended:
        if event in indices:  # not where the event was cleared or cannot be read
            rows[indices[event], column] = value
    sequences = np.array([sequence for _, sequence, _ in records], dtype=np.intp)
    player = table[:, 1].astype(np.intp)
    return Recorded(features, who, temporal, table[:, 0], player, rows, sequences, number, skipped, cleared)


def _parse(line: bytes, features: int, players: int) -> Any:
    """Return the record of a line, ``None`` where it is damaged."""
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    match record:
        case [at, int(player), *values]:
            known = all(value is None or _is_number(value) for value in values)
            whole = known and _is_number(at) and type(player) is int and 0 <= player < players
            return record if whole and len(values) == features else None
        case {"begin": int()} | {"clear": [int(), int()]}:
            return record
        case {"amend": [int(), int(column), value]} if 0 <= column < features and _is_number(value):
            return record
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST  # nor NaN


@dataclass(frozen=True)
class Finished:
    """What came of a journal: the data set, ``None`` if nothing was recorded, what was added, and remarks."""

    path: Path | None
    events: int
    sequences: int
    seconds: float
    remarks: tuple[str, ...]


def finish(journal: PathLike, path: PathLike | None = None, *, append: bool = False) -> Finished:
    """Write the data set of a journal, and remove the journal once that is safe on disk. ``path``: The data set, .json
    or .csv; else the journal's path without ``.journal``. What is there is kept, and the next free name taken.
    ``append``: Add to the sequences that the data set has instead. Raises `HachimachiError`: a journal that cannot be
    read or that another process writes, or a data set that cannot be written; the journal stays."""
    journal = Path(journal)
    path = Path(os.fspath(journal).removesuffix(ENDING) if path is None else path)
    if in_use(journal):
        raise HachimachiError(f"{journal}: another hxmx records into it; end that one first")
    finished = Finished(None, 0, 0, 0.0, ())
    try:
        if not is_empty(journal):
            recorded = read_journal(journal)
            sequences, remarks = make_sequences(recorded, one=path.suffix.lower() == ".csv")
            if not is_saved(sequences, path):
                path = path if append else free(path)
                if sequences:
                    save(path, sequences, append=append)
            if recorded.cleared:
                remarks.append(f"{count(recorded.cleared, 'event')} dropped by /reset")
            if recorded.skipped:
                remarks.append(f"{count(recorded.skipped, 'line')} of the journal could not be read and left out")
            events, seconds = sum(map(len, sequences)), sum(sequence.seconds for sequence in sequences)
            finished = Finished(path if sequences else None, events, len(sequences), seconds, tuple(remarks))
        journal.unlink()
    except OSError as error:
        raise HachimachiError(f"{journal}: {error.strerror or error}") from error
    except HachimachiError as error:
        raise HachimachiError(f"{error}; what was recorded stays in {journal}") from error
    return finished


def is_saved(sequences: Sequence[EventSequence], path: Path) -> bool:
    """Return whether a data set ends with these: a crash came after it was written, its journal not yet removed."""
    if not sequences or not path.is_file():
        return False
    try:
        there = read(path)[-len(sequences) :]
        like = [replace(each, features=one.features, name=one.name) for each, one in zip(there, sequences, strict=True)]
    except (HachimachiError, ValueError):  # something else, or less
        return False
    return like == list(sequences)


def settle(path: Path) -> None:
    """Remove the journal of a data set that is saved already; see `is_saved`."""
    for journal in find_unfinished(path):
        with contextlib.suppress(HachimachiError, OSError):
            if is_saved(make_sequences(read_journal(journal), one=path.suffix.lower() == ".csv")[0], path):
                journal.unlink()


class Journal:
    """Appends events to ``FILE.journal``; `close` makes the data set FILE of them. `event`, `begin`, `clear` and
    `amend` gather lines, `flush` writes them in one call, and a thread of its own waits for the disk. Nothing but the
    constructor and `close` raises. ``who``: Names of who plays, the person first; of several, the data set gets a
    column. ``warn``: Is told once what cannot be written, perhaps in a thread of the journal. ``resume``: Go on in the
    journal that a crash left, as a new sequence. Raises `HachimachiError`: a suffix that is not .json or .csv, a
    journal that is there or in use, one to be resumed with other features, or no place to write."""

    def __init__(
        self,
        path: PathLike,
        features: Sequence[Feature],
        who: Sequence[str] = ("you",),
        clock: Callable[[], float] = time.perf_counter,
        *,
        temporal: bool = True,
        warn: Callable[[str], None] = lambda _: None,
        resume: bool = False,
    ) -> None:
        self.path, self.file = Path(path), beside(path)
        self.features, self.who, self.temporal = tuple(features), tuple(who), temporal
        self.events = 0  # number of events so far, and so the number that the next one gets
        self.lost = 0  # how many of them could not be written
        check_suffix(self.path, SUFFIXES, "write")
        self._say, self._warned, self._broken = warn, False, False
        self._lines: list[str] = []
        since = 0.0
        if resume:
            previous = read_journal(self.file)
            if (previous.features, previous.who, previous.temporal) != (self.features, self.who, temporal):
                raise HachimachiError(f"{self.file}: was recorded with other features, so it cannot be gone on with")
            self.events, since = previous.next, float(previous.at.max(initial=0.0))
            first = f'\n{{"begin": {self.events}}}\n'  # the last line may have been cut off
        else:
            described = {str(column): describe(feature) for column, feature in enumerate(self.features)}
            header = {"format": FORMAT, "version": VERSION, "temporal": temporal, "who": who, "features": described}
            first = json.dumps(header) + "\n"
        self._fd: int | None = _open(self.file, first, resume)
        self._start = clock() - since
        self._opened = self.events
        self._empty = True  # no event since the last marker
        self._dirty, self._closing = threading.Event(), threading.Event()
        self._syncer = threading.Thread(target=self._sync, args=(self._fd,), name="journal", daemon=True)
        self._syncer.start()

    def event(self, at: float, who: int, row: Row) -> int:
        """Add one event, features (F,), NaN where unknown, at seconds of the clock; return its number for `amend`."""
        values = ", ".join([_format(value) for value in row.tolist()])
        self._lines.append(f"[{round(at - self._start, 6)}, {who}, {values}]\n")
        self._empty = False
        self.events += 1
        return self.events - 1

    def amend(self, event: int, feature: int, value: float) -> None:
        """Add what became known later: a note's duration, at its end."""
        self._lines.append(f'{{"amend": [{event}, {feature}, {_format(value)}]}}\n')

    def begin(self) -> None:
        """Begin a new sequence, unless the present one is empty."""
        if not self._empty:
            self._lines.append(f'{{"begin": {self.events}}}\n')
            self._empty = True

    def clear(self) -> None:
        """Drop what was added since the journal was opened; the lines stay in it until `close`."""
        self._lines.append(f'{{"clear": [{self._opened}, {self.events}]}}\n')
        self._empty = True

    def flush(self) -> None:
        """Write what was gathered, in one call; never raises and never waits for the disk."""
        if not self._lines:
            return
        data = "".join(self._lines).encode()
        self._lines.clear()
        if self._fd is None:
            return
        if self._broken:  # after a gap another sequence begins; the empty line ends what was written in part
            data = f'\n{{"begin": {self.events - _events(data)}}}\n'.encode() + data
        written, error = _write(self._fd, data)
        self._broken = error is not None
        if error is not None:
            self.lost += _events(data[data.rfind(b"\n", 0, written) + 1 :])
            self._warn(error)
        self._dirty.set()

    def close(self, *, append: bool = False) -> Finished:
        """Write the data set and remove the journal; arguments and errors are those of `finish`."""
        self.abandon()
        return finish(self.file, self.path, append=append)

    def abandon(self) -> None:
        """Flush and let go of the file, as a crash would leave it."""
        self.flush()
        fd, self._fd = self._fd, None
        if fd is not None:
            self._closing.set()
            self._dirty.set()
            self._syncer.join()
            os.close(fd)

    def _sync(self, fd: int) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._dirty.clear()
            began = time.perf_counter()
            try:
                getattr(os, "fdatasync", os.fsync)(fd)
            except OSError as error:
                self._warn(error)
            self._closing.wait(max(SYNC_SECONDS, REST * (time.perf_counter() - began)))

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            reason = error.strerror or error
            self._say(f"{self.file}: cannot be written: {reason}; it goes on, but what is not on disk is lost")


def _format(value: float) -> str:
    return repr(value) if math.isfinite(value) else "null"


def _events(data: bytes) -> int:
    return data.startswith(b"[") + data.count(b"\n[")


def _open(file: Path, first: str, resume: bool) -> int:
    """Return a descriptor that nobody else has, with the first line written."""
    flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0) | (0 if resume else os.O_CREAT | os.O_EXCL)
    try:
        fd = os.open(file, flags, 0o666)
    except FileExistsError as error:
        raise HachimachiError(f"{file}: an earlier recording that was not finished is here; rescue it first") from error
    except OSError as error:
        raise HachimachiError(f"{file}: cannot be written: {error.strerror or error}") from error
    error = None
    if not _lock(fd):
        error = HachimachiError(f"{file}: another hxmx records into it; end that one or name another file")
    elif (reason := _write(fd, first.encode())[1]) is not None:
        error = HachimachiError(f"{file}: cannot be written: {reason.strerror or reason}")
    if error is not None:
        os.close(fd)
        raise error
    return fd


def _write(fd: int, data: bytes) -> tuple[int, OSError | None]:
    """Return how many bytes are written, and why not all are."""
    written = 0
    try:
        while written < len(data):  # once, as long as there is room
            written += os.write(fd, data[written:])
    except OSError as error:
        return written, error
    return written, None
