"""What happens in a performance, on disk as it happens: a crash costs no more than what was not yet written."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.io.files import check_suffix
from hachimachi.io.json_format import describe
from hachimachi.live.protocols import Row
from hachimachi.live.record.dataset import Finished, finish
from hachimachi.live.record.journal_file import FORMAT, SUFFIXES, VERSION, beside, is_locked_here, read_journal

SYNC_SECONDS = 0.05
"""The disk is asked no more often than this to hold what was written."""
REST = 9.0
"""And on a slow disk rests so many times longer than it took: a write may have to wait while it is at work."""


class Journal:
    """Appends events to ``FILE.journal``; `close` makes the data set FILE of them.

    One line a record, as JSON: a header, then ``[seconds since the start, who, value, …]`` with null for what is not
    known. `event`, `begin`, `clear` and `amend` gather lines, `flush` writes them in one call to the system, and a
    thread of its own waits for the disk. Nothing but the constructor and `close` raises.

    Args:
        path: The data set that `close` writes, .json or .csv.
        features: What an event's values are, F of them.
        who: Names of who plays, the person first. With more than one, the data set gets a column for it.
        clock: Seconds that never go back, the same as those of the events.
        temporal: Whether the data set carries time.
        told: Is told, once, that something cannot be written, and why; perhaps in a thread of the journal.
        resume: Go on in the journal that a crash left, as a new sequence.

    Raises:
        HachimachiError: A suffix that is not .json or .csv, a journal that is there already or is in use, one to be
            resumed that has other features, or no place to write.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        features: Sequence[Feature],
        who: Sequence[str] = ("you",),
        clock: Callable[[], float] = time.perf_counter,
        *,
        temporal: bool = True,
        told: Callable[[str], None] = lambda _: None,
        resume: bool = False,
    ) -> None:
        self.path, self.file = Path(path), beside(path)
        self.features, self.who, self.temporal = tuple(features), tuple(who), temporal
        self.events = 0
        """Number of events so far, and so the number that the next one gets."""
        self.lost = 0
        """How many of them could not be written."""
        check_suffix(self.path, SUFFIXES, "write")
        self._told, self._warned, self._broken = told, False, False
        self._lines: list[str] = []
        since = self._resume() if resume else 0.0
        # the last line of one that is resumed may have been cut off
        first = f'\n{{"begin": {self.events}}}\n' if resume else _header(self.features, self.who, temporal)
        self._fd: int | None = _open(self.file, first, resume)
        self._start = clock() - since
        self._opened = self.events
        self._empty = True  # no event since the last marker
        self._dirty, self._closing = threading.Event(), threading.Event()
        self._syncer = threading.Thread(target=self._sync, args=(self._fd,), name="journal", daemon=True)
        self._syncer.start()

    def event(self, at: float, who: int, row: Row) -> int:
        """Note one event.

        Args:
            at: When it happened, in seconds of the clock.
            who: Number of who played it.
            row: Its features, shape (F,); NaN where unknown.

        Returns:
            Its number, counted from 0, for `amend`.
        """
        self._lines.append(self.line(at, who, row))
        self._empty = False
        self.events += 1
        return self.events - 1

    def line(self, at: float, who: int, row: Row) -> str:
        """Return the line of an event."""
        values = ", ".join([_number(value) for value in row.tolist()])
        return f"[{round(at - self._start, 6)}, {who}, {values}]\n"

    def amend(self, event: int, feature: int, value: float) -> None:
        """Say what became known later: a note's duration, at its end."""
        self._lines.append(f'{{"amend": [{event}, {feature}, {_number(value)}]}}\n')

    def begin(self) -> None:
        """A new sequence begins, unless none has begun yet."""
        if not self._empty:
            self._lines.append(f'{{"begin": {self.events}}}\n')
            self._empty = True

    def clear(self) -> None:
        """Drop what was noted since the journal was opened; the lines stay in it until `close`."""
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
        """Write the data set and remove the journal.

        Args:
            append: Add to the sequences that ``path`` has; else what is there is kept and a free name is taken.

        Raises:
            HachimachiError: The data set cannot be written; the journal stays.
        """
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

    def _resume(self) -> float:
        """Go on counting where the journal on disk stops; return its last time."""
        former = read_journal(self.file)
        if (former.features, former.who, former.temporal) != (self.features, self.who, self.temporal):
            raise HachimachiError(f"{self.file}: was recorded with other features, so it cannot be gone on with")
        self.events = former.next
        return former.last

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
            self._told(f"{self.file}: cannot be written: {reason}; it goes on, but what is not on disk is lost")


def _header(features: Sequence[Feature], who: Sequence[str], temporal: bool) -> str:
    described = {str(column): describe(feature) for column, feature in enumerate(features)}
    top = {"format": FORMAT, "version": VERSION, "temporal": temporal, "who": list(who), "features": described}
    return json.dumps(top) + "\n"


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else "null"


def _events(data: bytes) -> int:
    return data.startswith(b"[") + data.count(b"\n[")


def _open(file: Path, first: str, resume: bool) -> int:
    """Return a descriptor that nobody else has, with the first line written."""
    how = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0) | (0 if resume else os.O_CREAT | os.O_EXCL)
    try:
        fd = os.open(file, how, 0o666)
    except FileExistsError as error:
        raise HachimachiError(f"{file}: an earlier recording that was not finished is here; rescue it first") from error
    except OSError as error:
        raise HachimachiError(f"{file}: cannot be written: {error.strerror or error}") from error
    error = None
    if not is_locked_here(fd):
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
