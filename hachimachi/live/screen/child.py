"""The child's side: snapshots from a stream, a picture on the terminal."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType

from hachimachi.errors import HachimachiError
from hachimachi.live.screen.history import STEP, History, column_of
from hachimachi.live.screen.panel import WIDEST, draw_lines
from hachimachi.live.screen.snapshot import Snapshot
from hachimachi.live.screen.text import ASCII, BLOCKS

IDLE_SECONDS = 0.5
"""How often a picture that stands still is compared with the size of its terminal."""


class PanelScreen:
    """Draws when the columns of the picture move on, and not at all when nothing changes.

    Args:
        console: Where; standard output, if not given.
        clock: Seconds that never go back.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._console = console or Console()
        self._clock = clock
        self._history = History()
        self._live: Live | None = None
        self._widths: list[int] = []
        self._size = self._console.size
        self._resumed = False

    def follow(self, stream: IO[bytes]) -> None:
        """Draw what comes, line by line, until the stream ends; the last of it stays on the terminal."""
        # simple queues may be written to by signal handlers and threads alike
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(stream, lines), daemon=True).start()
        with self._stoppable():
            try:
                self._loop(lines)
                self._draw(self._clock(), last=True)
            finally:
                if self._live is not None:
                    self._live.stop()

    def _loop(self, lines: queue.SimpleQueue[bytes]) -> None:
        due, changed = self._clock(), False
        while True:
            moving = changed or self._history.moves(self._clock(), min(self._size.width, WIDEST))
            for line in _wait(lines, max(0.0, due - self._clock()) if moving else IDLE_SECONDS):
                if not line:
                    return
                changed |= self._take(line)
            now = self._clock()
            if now >= due and (moving or changed or self._resumed or self._console.size != self._size):
                self._draw(now)
                due, changed = (column_of(now) + 1) * STEP, False

    def _take(self, line: bytes) -> bool:
        with contextlib.suppress(HachimachiError):  # the parent was killed in the middle of a line
            self._history.add(Snapshot.from_line(line), self._clock())
            return True
        return False

    def _draw(self, now: float, *, last: bool = False) -> None:
        size = self._console.size
        if self._resumed:  # the shell has written below: what was drawn stays, and rich begins anew
            self._console, self._live = Console(file=self._console.file), None
        elif self._live is not None and size != self._size:
            self._take_away(self._live, size.width)
            self._live = None
        self._size, self._resumed = size, False
        signs = ASCII if self._console.options.ascii_only else BLOCKS
        lines = draw_lines(self._history, now, size.width, size.height, signs)
        while last and lines and not lines[-1]:
            lines.pop()
        if not lines:
            return
        self._widths = [line.cell_len for line in lines]
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        self._live.update(Group(*lines), refresh=True)

    def _take_away(self, live: Live, width: int) -> None:
        """Take the picture off a terminal that has changed its width: lines too long for it have wrapped."""
        live.transient = True
        live.stop()
        wrapped = sum(max(0, -(-line // max(1, width)) - 1) for line in self._widths)
        up = [ControlType.CARRIAGE_RETURN, *[(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * wrapped]
        self._console.control(Control(*up))

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Ctrl-Z gives the cursor back to the shell, and the picture begins anew below it."""
        kind: Any = getattr(signal, "SIGTSTP", None)
        if kind is None or not self._console.is_terminal or threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(*_: object) -> None:
            os.write(sys.stdout.fileno(), b"\x1b[?25h\n")
            os.kill(os.getpid(), signal.SIGSTOP)
            self._resumed = True

        former = signal.signal(kind, stop)
        try:
            yield
        finally:
            signal.signal(kind, former)


def _read(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in stream:
            lines.put(line)
    lines.put(b"")


def _wait(lines: queue.SimpleQueue[bytes], seconds: float) -> Iterator[bytes]:
    """Give what comes within this time: the first line, and all that wait behind it."""
    with contextlib.suppress(queue.Empty):
        yield lines.get(timeout=seconds)
        while True:
            yield lines.get_nowait()
