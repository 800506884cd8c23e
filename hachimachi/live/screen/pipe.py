"""A pipe that never holds up its writer: what does not fit is not written."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time
from io import RawIOBase
from typing import Protocol


class LinePipe(Protocol):
    """Lines for another process."""

    @property
    def ready(self) -> bool:
        """Whether a line would be taken now; never again once the other end has closed."""
        ...

    def write(self, line: bytes) -> None:
        """Write a line, or as much of it as fits and the rest later. Call when ready."""
        ...

    def finish(self, line: bytes, seconds: float) -> None:
        """Write a last line and close, in this time at most."""
        ...


def open_pipe(stream: RawIOBase) -> LinePipe:
    """Return what suits this system: Windows has pipes that never block only since Python 3.12."""
    return ThreadPipe(stream) if os.name == "nt" else DirectPipe(stream)


class DirectPipe:
    """Written to without a thread, so that no lock changes hands while a note is due."""

    def __init__(self, stream: RawIOBase) -> None:
        os.set_blocking(stream.fileno(), False)
        self._stream = stream
        self._rest = b""
        self._broken = False

    @property
    def ready(self) -> bool:
        """See `LinePipe`."""
        self._push()
        return not (self._rest or self._broken)

    def write(self, line: bytes) -> None:
        """See `LinePipe`."""
        self._rest += line
        self._push()

    def finish(self, line: bytes, seconds: float) -> None:
        """See `LinePipe`."""
        until = time.monotonic() + seconds
        self.write(line)
        while self._rest and not self._broken and (left := until - time.monotonic()) > 0:
            select.select([], [self._stream], [], left)
            self._push()
        with contextlib.suppress(OSError):
            self._stream.close()

    def _push(self) -> None:
        if self._rest and not self._broken:
            try:
                written = self._stream.write(self._rest) or 0  # None where it is full
            except OSError:
                self._broken = True
            else:
                self._rest = self._rest[written:]


class ThreadPipe:
    """Written to by a thread, one line at a time."""

    def __init__(self, stream: RawIOBase) -> None:
        self._stream = stream
        self._lines: queue.Queue[bytes | None] = queue.Queue(maxsize=1)
        self._broken = False
        self._thread = threading.Thread(target=self._run, name="panel pipe", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """See `LinePipe`."""
        return not (self._broken or self._lines.full())

    def write(self, line: bytes) -> None:
        """See `LinePipe`."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line)

    def finish(self, line: bytes, seconds: float) -> None:
        """See `LinePipe`. What is stuck in it is left to the thread."""
        until = time.monotonic() + seconds
        with contextlib.suppress(queue.Full):
            for item in (line, None):
                self._lines.put(item, timeout=max(0.0, until - time.monotonic()))
        self._thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                rest = line
                while rest:
                    rest = rest[self._stream.write(rest) or 0 :]
        except OSError:
            self._broken = True
            while self._lines.get() is not None:  # whoever finishes is not kept waiting
                pass
        with contextlib.suppress(OSError):
            self._stream.close()
