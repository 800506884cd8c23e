"""The panel as a process of its own, fed by datagrams on loopback: rich holds Python's one lock for ms.

`PanelProcess` is the side that plays; it imports no rich. The other side is `main`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TextIO

from hachimachi.console import printer
from hachimachi.errors import HachimachiError
from hachimachi.live.screen.snapshot import ASCII, BLOCKS, Snapshot

IDLE_SECONDS = 0.5  # between two looks at the size of a terminal that stands still, and for a player
END_SECONDS = 4.0  # until the child is made to end
BUFFER = 1 << 20  # bytes that wait in the socket of a child that has not begun to read
UNREAD = 512  # snapshots that wait where the terminal takes nothing: a minute of them
END = b""  # the last datagram
SHOW_CURSOR = "\x1b[?25h"
NICE = 10  # children take no time from the process that plays
_START = f"""
import sys
module, descriptor, options = sys.argv[1:4]
sys.path[:] = sys.argv[4:]
import contextlib, importlib, os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends this
with contextlib.suppress(AttributeError, OSError):  # a real-time parent hands its priority down
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
with contextlib.suppress(AttributeError, OSError):
    os.nice({NICE})
importlib.import_module(module).main(int(descriptor), options)
"""
"""The child finds modules where its parent does: with ``-m``, a random.py lying about would come first."""


def can_draw(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a stream is a terminal on which a cursor can be moved."""
    try:
        terminal = stream.isatty()
    except ValueError:  # closed
        return False
    return terminal and (os.name == "nt" or environment.get("TERM", "") not in ("", "dumb", "unknown"))


def start_process(module: str, theirs: socket.socket, options: str = "") -> subprocess.Popen[bytes]:
    """Start a process that runs ``main(descriptor, options)`` of a module, with a socket that it inherits."""
    theirs.set_inheritable(True)
    command = [sys.executable, "-c", _START, module, str(theirs.fileno()), options, *sys.path]
    windows = os.name == "nt"  # where a child inherits all that is inheritable, or nothing
    passed = [] if windows else [theirs.fileno()]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=not windows, pass_fds=passed)


class PanelProcess:
    """A panel on standard output: a `hachimachi.live.screen.snapshot.Screen`. What is sent waits in the child's socket
    until that is ready. If the child dies the performance goes on without."""

    interval = 1 / 8

    def __init__(self) -> None:
        self._unsent: Snapshot | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
            for each, size in ((self._socket, socket.SO_SNDBUF), (theirs, socket.SO_RCVBUF)):
                each.bind(("127.0.0.1", 0))
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, size, BUFFER)
            theirs.connect(self._socket.getsockname())
            self._socket.connect(theirs.getsockname())
            self._socket.setblocking(False)
            self._process = start_process("hachimachi.live.screen.process", theirs)

    def send(self, snapshot: Snapshot) -> None:
        """Show how things stand. What cannot be sent at once is dropped; its lines come with the next snapshot."""
        if self._unsent is not None:
            snapshot = replace(snapshot, lines=(*self._unsent.lines, *snapshot.lines)[-8:])
        self._unsent = snapshot
        with contextlib.suppress(OSError):  # full, or the child is gone
            self._socket.send(snapshot.to_bytes())
            self._unsent = None

    def close(self) -> None:
        """Draw what came last, end the child and leave the terminal as it should be."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                if self._unsent is not None:
                    self._socket.send(self._unsent.to_bytes())
                self._socket.send(END)
            try:
                status = process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            if status != 0 and can_draw(sys.stdout):
                printer(SHOW_CURSOR)
                printer.wait()
        self._socket.close()


class PanelScreen:
    """Draws when the columns of the picture move on, and not at all when nothing changes."""

    def __init__(self) -> None:
        from rich.console import Console

        from hachimachi.live.screen.panel import PanelHistory

        self._console = Console()
        self._history = PanelHistory()
        self._widths: list[int] = []  # columns of each line of the picture on the terminal
        self._size = self._console.size

    def follow(self, receiver: socket.socket) -> None:
        """Draw what comes until the last datagram, or until the sender is gone; the last stays on the terminal."""
        packets: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # a terminal that takes nothing must not keep datagrams from being read
        threading.Thread(target=_receive, args=(receiver, packets), daemon=True).start()
        with self._stoppable():
            try:
                self._loop(packets)
                self._draw(time.perf_counter(), last=True)
            finally:
                self._console.show_cursor(True)

    def _loop(self, packets: queue.SimpleQueue[bytes]) -> None:
        from hachimachi.live.screen.panel import STEP, WIDEST, column_of

        due, changed = time.perf_counter(), False
        while True:
            moving = changed or self._history.moves(time.perf_counter(), min(self._size.width, WIDEST))
            with contextlib.suppress(queue.Empty):
                packet = packets.get(timeout=max(0.0, due - time.perf_counter()) if moving else IDLE_SECONDS)
                while packet != END:
                    with contextlib.suppress(HachimachiError):
                        self._history.add(Snapshot.from_bytes(packet), time.perf_counter())
                        changed = True
                    packet = packets.get_nowait()
                return
            now = time.perf_counter()
            if now >= due and (moving or changed or not self._widths or self._console.size != self._size):
                self._draw(now)
                due, changed = (column_of(now) + 1) * STEP, False

    def _draw(self, now: float, *, last: bool = False) -> None:
        from rich.console import Group
        from rich.control import Control
        from rich.segment import ControlType

        from hachimachi.live.screen.panel import draw_lines

        self._size = self._console.size
        width, height = self._size
        signs = ASCII if self._console.options.ascii_only else BLOCKS
        lines = draw_lines(self._history, now, width, height, signs)
        while last and lines and not lines[-1]:
            lines.pop()
        if not lines:
            return
        # on a terminal that has become narrower the lines of the previous picture have wrapped
        rows = sum(max(1, -(-cells // max(1, width))) for cells in self._widths)
        up = [ControlType.CARRIAGE_RETURN, *[(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * rows]
        with self._console:
            self._console.show_cursor(False)
            self._console.control(Control(*up))
            self._console.print(Group(*lines))
        self._widths = [line.cell_len for line in lines]

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Ctrl-Z gives the cursor back to the shell, and the picture begins anew below it."""
        kind: Any = getattr(signal, "SIGTSTP", None)
        if kind is None or not self._console.is_terminal or threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(*_: object) -> None:
            os.write(sys.stdout.fileno(), SHOW_CURSOR.encode())
            os.kill(os.getpid(), signal.SIGSTOP)
            self._widths = []

        previous = signal.signal(kind, stop)
        try:
            yield
        finally:
            signal.signal(kind, previous)


def _receive(receiver: socket.socket, packets: queue.SimpleQueue[bytes]) -> None:
    receiver.settimeout(IDLE_SECONDS)
    with contextlib.suppress(OSError):
        while True:
            try:
                packet = receiver.recv(65_536)
            except TimeoutError:
                receiver.send(END)  # where nobody has this port any more, the next call fails
                continue
            if packet == END:
                break
            if packets.qsize() < UNREAD:
                packets.put(packet)
    packets.put(END)


def main(descriptor: int, _: str = "") -> None:
    """Draw the snapshots that come to an inherited socket, given its descriptor, until it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    status = 1
    try:
        PanelScreen().follow(socket.socket(fileno=descriptor))
        status = 0
    except OSError:  # the terminal is gone
        pass
    except Exception as error:
        print(f"hxmx: the panel ended with {error!r}; what is played goes on", file=sys.stderr)
    finally:
        os._exit(status)  # without waiting for the thread
