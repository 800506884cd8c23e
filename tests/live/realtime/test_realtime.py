from __future__ import annotations

import ctypes
import os
import sys
from contextlib import ExitStack
from typing import Any

import pytest

from hachimachi.live.realtime import linux, macos, windows
from hachimachi.live.realtime.request import _ask, realtime, request_realtime

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks the system of Linux")


class FakeLibrary:
    """Functions that note how they were called and return what they are told, else 0."""

    def __init__(self, **returns: int) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._returns = returns

    def __getattr__(self, name: str) -> Any:
        def function(*values: Any) -> int:
            self.calls.append((name, *values))
            return self._returns.get(name, 0)

        setattr(self, name, function)  # ctypes functions have attributes, and are the same each time
        return function

    def names(self) -> list[str]:
        return [name for name, *_ in self.calls]


def is_a_sentence(text: str) -> bool:
    return text.startswith("Real-time scheduling: ") and text.endswith(".") and text.isprintable()


@on_linux
def test_everything_is_put_back() -> None:
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.getpriority(os.PRIO_PROCESS, 0)
    with realtime() as text:
        assert is_a_sentence(text)
        if "granted, SCHED_FIFO" in text:
            assert os.sched_getscheduler(0) == os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.getpriority(os.PRIO_PROCESS, 0)) == before


AS_NOBODY = """
import os, resource
from hachimachi.live.realtime import linux as realtime_linux  # while it can be read
from hachimachi.live.realtime.request import realtime
for what in ("RTPRIO", "NICE", "MEMLOCK"):
    resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (0, 0))
os.setpriority(os.PRIO_PROCESS, 0, 0)
os.setuid(65534)
with realtime() as text:
    print(text)
    print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))
"""


@on_linux
def test_somebody_without_rights_is_told_what_to_do(python_process: Any, tmp_path: Any) -> None:
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    done = python_process("-c", AS_NOBODY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text, during = done.stdout.splitlines()
    assert is_a_sentence(text)
    assert "not permitted, it runs like any other program; memory may be paged out; to allow it" in text
    assert "limits.d" in text
    assert "setcap" in text
    assert during == "0 0"


@on_linux
@pytest.mark.parametrize(
    ("limits", "text", "calls"),
    [
        ({"RLIMIT_RTPRIO": 10}, "granted, SCHED_FIFO at priority 10; memory may", ["fifo 10", "policy 0"]),
        ({"RLIMIT_NICE": 25}, "not permitted, it runs at nice -5 instead; memory may", ["nice -5", "nice 0"]),
        ({"RLIMIT_MEMLOCK": -1}, "like any other program; memory stays in RAM", ["lock 7", "unlock"]),
    ],
    ids=["a limit below what is wanted", "nice only", "nothing but memory"],
)
def test_as_much_as_the_limits_allow(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], text: str, calls: list[str]
) -> None:
    done: list[str] = []

    def note(call: str, allowed: bool) -> int:
        if not allowed:
            raise PermissionError(1, "Operation not permitted")
        done.append(call)
        return 0

    def schedule(_: int, policy: int, param: os.sched_param) -> None:
        fifo, priority = policy & os.SCHED_FIFO, param.sched_priority
        note(
            f"fifo {priority}" if fifo else f"policy {policy}",
            not fifo or 0 < priority <= limits.get("RLIMIT_RTPRIO", 0),
        )

    class Libc:
        def mlockall(self, flags: int) -> int:
            return note(f"lock {flags}", True) if limits.get("RLIMIT_MEMLOCK") else -1

        def munlockall(self) -> int:
            return note("unlock", True)

    monkeypatch.setattr(os, "sched_getscheduler", lambda _: 0)
    monkeypatch.setattr(os, "sched_setscheduler", schedule)
    monkeypatch.setattr(os, "getpriority", lambda *_: 0)
    monkeypatch.setattr(
        os, "setpriority", lambda _, __, nice: note(f"nice {nice}", nice >= min(20 - limits.get("RLIMIT_NICE", 0), 0))
    )
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc())
    monkeypatch.setattr(linux, "_limit", lambda name: limits.get(name, 0))
    with ExitStack() as undo:
        assert text in linux.ask(undo)
    assert done == calls


def test_a_system_without_such_calls_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getscheduler", raising=False)
    with ExitStack() as undo:
        text = _ask("linux", undo)
    assert is_a_sentence(text)
    assert "sched_getscheduler" in text
    assert is_a_sentence(_ask("win32" if sys.platform != "win32" else "linux", ExitStack()))
    assert "freebsd14" in _ask("freebsd14", ExitStack())


def test_asking_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: ExitStack) -> str:
        raise PermissionError(1, "Operation not permitted")

    for system in (linux, macos, windows):
        monkeypatch.setattr(system, "ask", refuse)
    assert is_a_sentence(request_realtime())


@pytest.mark.parametrize(
    ("returns", "text", "last"),
    [
        ({}, "granted, a time-constraint policy", "thread_policy_set"),
        ({"thread_policy_set": 46}, "in the class user-interactive instead", "pthread_set_qos_class_self_np"),
        ({"thread_policy_set": 46, "pthread_set_qos_class_self_np": 1}, "like any other program", None),
    ],
)
def test_macos(monkeypatch: pytest.MonkeyPatch, returns: dict[str, int], text: str, last: str | None) -> None:
    library = FakeLibrary(**returns)

    def tell(base: Any) -> None:
        base._obj.numer, base._obj.denom = 125, 3

    monkeypatch.setattr(library, "mach_timebase_info", tell, raising=False)
    with ExitStack() as undo:
        sentence = macos.ask_system(library, undo)
        asked = len(library.calls)
    assert text in sentence
    assert is_a_sentence(sentence)
    [policy] = [values for name, *values in library.calls[:asked] if name == "thread_policy_set"]
    wanted = policy[2]._obj
    assert [wanted.period, wanted.computation, wanted.constraint] == [120_000, 24_000, 48_000]  # 3/125 of a nanosecond
    assert policy[3] * ctypes.sizeof(ctypes.c_int) == ctypes.sizeof(wanted)
    assert library.names()[asked:] == ([last] if last else [])


@pytest.mark.parametrize("granted", [True, False])
def test_windows(granted: bool) -> None:
    kernel = FakeLibrary(GetPriorityClass=0x20, SetPriorityClass=granted, SetThreadPriority=granted)
    timers = FakeLibrary(timeBeginPeriod=0 if granted else 97)
    with ExitStack() as undo:
        sentence = windows.ask_system(kernel, timers, undo)
        asked = len(kernel.calls)
    assert is_a_sentence(sentence)
    if granted:
        assert "granted, a time-critical thread" in sentence
        assert kernel.calls[asked:] == [("SetThreadPriority", 0, 0), ("SetPriorityClass", 0, 0x20)]
        assert timers.names() == ["timeBeginPeriod", "timeEndPeriod"]
    else:
        assert "high priority and a time-critical thread and timers of 1 ms missing" in sentence
        assert kernel.calls[asked:] == []
        assert timers.names() == ["timeBeginPeriod"]
