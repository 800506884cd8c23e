from __future__ import annotations

import ctypes
import os
import sys
from contextlib import ExitStack
from typing import Any

import pytest

from hachimachi.live.loop import realtime, request_realtime

resource = pytest.importorskip("resource")  # Windows has none
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks the system of Linux")


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
from hachimachi.live.loop import realtime
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
        ({"RLIMIT_MEMLOCK": -1}, "like any other program; memory stays in RAM", ["lock 7", "unlock"]),
    ],
    ids=["a limit below what is wanted", "nothing but memory"],
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
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc())
    names = {getattr(resource, name): name for name in ("RLIMIT_RTPRIO", "RLIMIT_MEMLOCK")}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits.get(names[kind], 0), 0))
    with ExitStack() as undo:
        assert text in request_realtime(undo, "linux")
    assert done == calls


def test_a_system_without_such_calls_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getscheduler", raising=False)
    with ExitStack() as undo:
        text = request_realtime(undo, "linux")
    assert is_a_sentence(text)
    assert "sched_getscheduler" in text
    assert is_a_sentence(request_realtime(platform="win32" if sys.platform != "win32" else "linux"))
    assert "freebsd14" in request_realtime(platform="freebsd14")


def test_asking_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_getscheduler", refuse, raising=False)
    assert is_a_sentence(request_realtime())
