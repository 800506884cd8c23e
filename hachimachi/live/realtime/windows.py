"""Real-time scheduling on Windows: a time-critical thread of a process of high priority, and timers of 1 ms."""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from typing import Any

HIGH_PRIORITY_CLASS = 0x80
"""The class above it, REALTIME, stands before mouse, disk and network, and is for administrators only."""
TIME_CRITICAL, NORMAL = 15, 0  # THREAD_PRIORITY_…
TIMER_MILLISECONDS = 1


def ask(undo: ExitStack) -> str:
    """See :class:`~hachimachi.live.realtime.request.System`; SetPriorityClass, SetThreadPriority and timeBeginPeriod on
    https://learn.microsoft.com/windows/win32/api/."""
    load: Any = getattr(ctypes, "WinDLL")  # noqa: B009  (nowhere but on Windows is there such a name)
    return ask_system(load("kernel32"), load("winmm"), undo)


def ask_system(kernel: Any, timers: Any, undo: ExitStack) -> str:
    """Ask kernel32 and winmm, loaded by ctypes."""
    for current in (kernel.GetCurrentProcess, kernel.GetCurrentThread):
        current.restype = ctypes.c_void_p
    for asks in (kernel.GetPriorityClass, kernel.SetPriorityClass, kernel.SetThreadPriority):
        asks.argtypes = [ctypes.c_void_p, *([ctypes.c_int] * (asks is not kernel.GetPriorityClass))]
    process, thread = kernel.GetCurrentProcess(), kernel.GetCurrentThread()
    missing: list[str] = []
    before = kernel.GetPriorityClass(process)
    if kernel.SetPriorityClass(process, HIGH_PRIORITY_CLASS):
        undo.callback(kernel.SetPriorityClass, process, before)
    else:
        missing.append("a process of high priority")
    if kernel.SetThreadPriority(thread, TIME_CRITICAL):
        undo.callback(kernel.SetThreadPriority, thread, NORMAL)
    else:
        missing.append("a time-critical thread")
    if timers.timeBeginPeriod(TIMER_MILLISECONDS) == 0:
        undo.callback(timers.timeEndPeriod, TIMER_MILLISECONDS)
    else:
        missing.append("timers of 1 ms")
    if missing:
        return f"Real-time scheduling: not granted in full, {' and '.join(missing)} missing; close what is heavy."
    return "Real-time scheduling: granted, a time-critical thread of a process of high priority, timers of 1 ms."
