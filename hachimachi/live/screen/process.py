"""The panel as a process of its own: rich takes milliseconds, and one Python has one lock.

`PanelProcess` is the side that plays; it imports no rich. The other side is `main`, also
``python -m hachimachi.live.screen.process``.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import RawIOBase
from typing import IO, Any, Protocol, TextIO

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType

from hachimachi.errors import HachimachiError
from hachimachi.live.screen.panel import WIDEST, draw_lines
from hachimachi.live.screen.roll import STEP, PanelHistory, column_of
from hachimachi.live.screen.snapshot import ASCII, BLOCKS, Snapshot

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
        self._history = PanelHistory()
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


END_SECONDS = 2.0
"""How long the end may take until the child is made to."""
SHOW_CURSOR = "\x1b[?25h\n"
NICE = 10
_START = """
import sys
sys.path[:] = sys.argv[1:]
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from hachimachi.live.screen.process import main
main()
"""
"""The child finds modules where its parent does: with ``-m``, a random.py lying about would come first."""


def can_draw(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a stream is a terminal on which a cursor can be moved."""
    try:
        terminal = stream.isatty()
    except ValueError:  # closed
        return False
    return terminal and (os.name == "nt" or environment.get("TERM", "") not in ("", "dumb", "unknown"))


class PanelProcess:
    """A panel on standard output: a `hachimachi.live.screen.snapshot.Screen`.

    It starts at once and does not wait until the child is ready. If the child dies the performance goes on
    without a panel.
    """

    interval = 1 / 8

    def __init__(self) -> None:
        self._unsaid: tuple[str, ...] = ()
        self._dropped: Snapshot | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: LinePipe | None = None
        with contextlib.suppress(OSError):
            command = [sys.executable, "-c", _START, *sys.path]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)
            self._pipe = open_pipe(self._process.stdin)  # type: ignore[arg-type]  # unbuffered, so it is raw

    def send(self, snapshot: Snapshot) -> None:
        """Show how things stand; if the child is behind, the next snapshot will."""
        if self._pipe is None:
            return
        snapshot = replace(snapshot, said=(*self._unsaid, *snapshot.said)[-8:]) if self._unsaid else snapshot
        if self._pipe.ready:
            self._pipe.write(snapshot.to_line())
            self._unsaid, self._dropped = (), None
        else:
            self._unsaid, self._dropped = snapshot.said, snapshot

    def close(self) -> None:
        """Draw what came last, end the child and leave the terminal as it should be."""
        if self._process is None or self._pipe is None:
            return
        self._pipe.finish(self._dropped.to_line() if self._dropped else b"", END_SECONDS)
        self._pipe = None
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status != 0 and can_draw(sys.stdout):
            with contextlib.suppress(OSError):
                sys.stdout.write(SHOW_CURSOR)
                sys.stdout.flush()


def main() -> None:
    """Draw the snapshots that come on standard input, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which closes the pipe
    _step_back()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    status = 1
    try:
        PanelScreen().follow(sys.stdin.buffer)
        status = 0
    except OSError:  # the terminal is gone
        pass
    except Exception as error:
        print(f"hxmx: the panel ended with {error!r}; what is played goes on", file=sys.stderr)
    finally:
        os._exit(status)  # a thread may still read standard input, and Python would wait for its lock


def _step_back() -> None:
    """Take no time from the one who plays: a real-time parent hands its priority down."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)


if __name__ == "__main__":
    main()
