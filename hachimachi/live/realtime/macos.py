"""Real-time scheduling on macOS: the time constraints that Core Audio's own threads have, else a class of service."""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from typing import Any

PERIOD, COMPUTATION, CONSTRAINT = 5_000_000, 1_000_000, 2_000_000
"""Nanoseconds: of every 5 ms the thread wants 1 ms, not spread over more than 2 ms."""
STANDARD, TIME_CONSTRAINT = 1, 2  # THREAD_…_POLICY of mach/thread_policy.h
USER_INTERACTIVE, DEFAULT = 0x21, 0x15  # QOS_CLASS_… of sys/qos.h


class Timebase(ctypes.Structure):
    """``mach_timebase_info``: a tick of the system's clock is numer / denom nanoseconds."""

    _fields_ = (("numer", ctypes.c_uint32), ("denom", ctypes.c_uint32))


class Constraint(ctypes.Structure):
    """``thread_time_constraint_policy``, in ticks."""

    _fields_ = (
        ("period", ctypes.c_uint32),
        ("computation", ctypes.c_uint32),
        ("constraint", ctypes.c_uint32),
        ("preemptible", ctypes.c_int32),
    )


def ask(undo: ExitStack) -> str:
    """See `System`; `man 3 pthread_set_qos_class_self_np` and Apple's Technical Note TN2169, "High Precision Timers in
    iOS / OS X"."""
    return ask_system(ctypes.CDLL(None), undo)


def ask_system(system: Any, undo: ExitStack) -> str:
    """Ask libSystem, loaded by ctypes."""
    system.pthread_self.restype = ctypes.c_void_p
    system.pthread_mach_thread_np.argtypes = [ctypes.c_void_p]
    thread = system.pthread_mach_thread_np(system.pthread_self())
    wanted = _constraint(system)
    refused = system.thread_policy_set(thread, TIME_CONSTRAINT, ctypes.byref(wanted), len(wanted._fields_))
    if not refused:
        undo.callback(system.thread_policy_set, thread, STANDARD, None, 0)
        return "Real-time scheduling: granted, a time-constraint policy of 1 ms in every 5 ms."
    if not system.pthread_set_qos_class_self_np(USER_INTERACTIVE, 0):
        undo.callback(system.pthread_set_qos_class_self_np, DEFAULT, 0)
        instead = "it runs in the class user-interactive instead"
    else:
        instead = "it runs like any other program"
    return f"Real-time scheduling: not granted, error {refused} of thread_policy_set; {instead}; close what is heavy."


def _constraint(system: Any) -> Constraint:
    base = Timebase()
    system.mach_timebase_info(ctypes.byref(base))
    period, computation, constraint = (
        nanoseconds * base.denom // base.numer for nanoseconds in (PERIOD, COMPUTATION, CONSTRAINT)
    )
    return Constraint(period, computation, constraint, 1)
