"""Real-time scheduling: that the system wakes the playing thread first, however busy the machine is. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PRIORITY = 40
"""Above all that is not real-time, below the interrupts (50) and what moves the sound itself (JACK, PipeWire)."""
NICE = -11
"""Where FIFO is not permitted: what PipeWire asks for."""
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
CAP_IPC_LOCK = 14
ADVICE = (
    "to allow it, put the line '@audio - rtprio 95' into /etc/security/limits.d/audio.conf, join the group audio and "
    "log in again ('ulimit -r' then says 95), or run 'sudo setcap cap_sys_nice=ep {python}'"
)


def request_realtime() -> str:
    """Ask for real-time scheduling of the calling thread, until it ends.

    Threads and processes that it starts do not inherit it.

    Returns:
        One plain sentence: what was granted, or why it was not, and what a person can do. Nothing is raised.
    """
    return _request(sys.platform, ExitStack())


@contextmanager
def realtime() -> Iterator[str]:
    """Do the same for a while: yields the sentence, and puts everything back at the end."""
    with ExitStack() as undo:
        yield _request(sys.platform, undo)


def _request(platform: str, undo: ExitStack) -> str:
    """Ask for SCHED_FIFO, else a lower nice value, and for memory that is not paged out; sched(7), mlockall(2)."""
    if platform != "linux":
        return f"Real-time scheduling: hxmx asks for it on Linux only, not on {platform}; it plays on without it."
    try:
        granted = _request_fifo(undo)
        nice = None if granted else _request_nice(undo)
        memory = "memory stays in RAM" if _lock_memory(undo) else "memory may be paged out"
    except (OSError, AttributeError) as error:  # there is no such call, or the system refuses
        return f"Real-time scheduling: not granted ({error}); hxmx plays on without it."
    if granted:
        return f"Real-time scheduling: granted, SCHED_FIFO at priority {granted}; {memory}."
    instead = f"it runs at nice {nice} instead" if nice is not None else "it runs like any other program"
    advice = ADVICE.format(python=os.path.realpath(sys.executable))
    return f"Real-time scheduling: not permitted, {instead}; {memory}; {advice}."


def _request_fifo(undo: ExitStack) -> int | None:
    """Return the priority that was granted: the one wanted, or as much of it as the limit allows."""
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)

    def put_back() -> None:
        try:
            os.sched_setscheduler(0, policy, param)
        except PermissionError:  # only a privileged thread may take this flag back
            os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, param)

    for priority in dict.fromkeys((PRIORITY, min(PRIORITY, _limit("RLIMIT_RTPRIO")))):
        with contextlib.suppress(OSError, ValueError):
            # what is started from here, such as the panel, must not be real-time too
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
            undo.callback(put_back)
            return priority
    return None


def _request_nice(undo: ExitStack) -> int | None:
    """Return the nice value that was granted, if it is better than before."""
    before = os.getpriority(os.PRIO_PROCESS, 0)  # here 0 is the calling thread
    for nice in dict.fromkeys((NICE, max(NICE, 20 - _limit("RLIMIT_NICE")))):
        if nice < before:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, 0, nice)
                undo.callback(os.setpriority, os.PRIO_PROCESS, 0, before)
                return nice
    return None


def _lock_memory(undo: ExitStack) -> bool:
    """Keep every page that is touched from being paged out; not all that is mapped, which is much more."""
    libc = ctypes.CDLL(None)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    privileged = bool(int(status.get("CapEff", "0"), 16) >> CAP_IPC_LOCK & 1)
    # under a limit, what is allocated later would fail
    future = MCL_FUTURE if privileged or _limit("RLIMIT_MEMLOCK") < 0 else 0
    if libc.mlockall(MCL_CURRENT | MCL_ONFAULT | future):
        return False
    undo.callback(libc.munlockall)
    return True


def _limit(name: str) -> int:
    """Return the soft limit of a resource, −1 for none."""
    import resource  # there is none on Windows

    return resource.getrlimit(getattr(resource, name))[0]
