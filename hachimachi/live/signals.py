"""Ctrl-C, SIGTERM and a terminal that is closed: between two events, not within one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from hachimachi.live.osc.loop import Loop


@contextmanager
def ended_by_signals(loop: Loop) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the loop; afterwards they do what they did before."""
    kinds = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    kinds = [kind for kind in kinds if signal.getsignal(kind) != signal.SIG_IGN]  # as nohup wants it
    former = [signal.signal(kind, lambda *_: loop.stop()) for kind in kinds]
    descriptor = signal.set_wakeup_fd(loop.wakeup)  # on Windows nothing else interrupts a wait
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for kind, handler in zip(kinds, former, strict=True):
            signal.signal(kind, handler)
