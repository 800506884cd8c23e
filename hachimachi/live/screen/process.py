"""The panel as a process of its own: rich takes milliseconds, and one Python has one lock.

`PanelProcess` is the side that plays; it imports no rich. The other side is `main`, also
``python -m hachimachi.live.screen.process``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TextIO

from hachimachi.live.screen.pipe import LinePipe, open_pipe
from hachimachi.live.screen.snapshot import Snapshot

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
    from hachimachi.live.screen.child import PanelScreen

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
