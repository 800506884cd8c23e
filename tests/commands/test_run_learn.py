"""Learning on stage with the real process: what comes of it, and what is left when something is killed."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from hachimachi.checkpoint import load_player
from hachimachi.io import read

from .patch import Patch

pytestmark = pytest.mark.slow  # a process that learns takes seconds to import what it needs
linux = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are found as Linux tells them")
PATTERN = (60, 64, 67, 72)


def play(patch: Patch, count: int) -> None:
    """Play a pattern that can be learned."""
    for i in range(count):
        patch.send("/input", PATTERN[i % 4], 80)
        time.sleep(0.004)


def until(patch: Patch, *words: object) -> None:
    while patch.hear()[: len(words)] != list(words):
        pass


def until_learned(patch: Patch) -> tuple[list[str], list[object]]:
    """Wait for what comes of learning; return the phases before it too."""
    patch.socket.settimeout(300)  # on a busy machine: it has the lowest priority
    phases: list[str] = []
    while True:
        message = patch.hear()
        if message[:3] == ["/status", "error", "learn"]:
            return phases, message[2:]
        if message[:2] == ["/status", "learn"]:
            if message[2] in ("better", "no better"):
                return phases, message[2:]
            phases.append(message[2])


def learners(patch: Patch) -> list[int]:
    """Return the processes that learn for a performance."""
    pid = patch.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in children if b"learner" in Path(f"/proc/{each}/cmdline").read_bytes()]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_learns_what_was_played_and_the_next_evening_goes_on(models: dict, patch: Patch, hxmx_process) -> None:
    patch.start(models[True], "--seed", "1")
    play(patch, 120)
    patch.send("/learn", "mine")
    phases, came = until_learned(patch)
    assert list(dict.fromkeys(phases)) == ["waiting", "preparing", "training", "judging"]
    assert came[0] == "better"
    until(patch, "/status", "model", "version1")
    patch.send("/stop")
    status, screen = patch.end()
    assert status == 0 and "hxmx run outputs/run/last" in " ".join(screen.split())
    last = patch.folder / "outputs/run/last"
    [folder] = [path for path in last.parent.iterdir() if path.is_dir()]
    assert {path.name for path in folder.iterdir()} == {"version1.pt", "version1.json", "version1-split.json"}
    assert last.resolve() == (folder / "version1.pt").resolve()
    told = " ".join(hxmx_process("info", "outputs/run/last", cwd=patch.folder).stdout.split())
    assert re.search(r"learned on stage from \d+ events of what was played to it, beside \d+ that it generated", told)
    assert f"began with {models[True]}" in told

    evening = Patch(patch.folder)
    with evening.socket:
        evening.start(Path("outputs/run/last"), "--from-version", "0")
        evening.send("/status")
        until(evening, "/status", "model", "temporal")
        evening.send("/stop")
        assert evening.end()[0] == 0
    evening = Patch(patch.folder)
    with evening.socket:
        evening.start(Path("outputs/run/last"), "--learn", "--silence", "0.5")
        play(evening, 60)
        assert until_learned(evening)[1][0] in ("better", "no better")
        evening.send("/stop")
        assert evening.end()[0] == 0


@linux
@pytest.mark.parametrize("phase", ["preparing", "training"])
def test_the_process_that_learns_may_be_killed_at_any_moment(models: dict, patch: Patch, phase: str) -> None:
    patch.start(models[True], "--seed", "1")
    play(patch, 100)
    patch.send("/learn")
    until(patch, "/status", "learn", phase)
    time.sleep(0.5)
    [process] = learners(patch)
    os.kill(process, signal.SIGKILL)
    assert until_learned(patch)[1][0] == "learn"
    patch.send("/input", 60, 80)
    until(patch, "/output")
    patch.send("/stop")
    assert patch.end()[0] == 0
    for path in (patch.folder / "outputs/run").rglob("*.pt"):
        load_player(path)  # whole, if it is there


@linux
@pytest.mark.parametrize("phase", ["preparing", "training"])
def test_the_loop_may_be_killed_at_any_moment(models: dict, patch: Patch, phase: str) -> None:
    patch.start(models[True], "--seed", "1")
    play(patch, 100)
    patch.send("/learn")
    until(patch, "/status", "learn", phase)
    time.sleep(0.5)
    running = learners(patch)
    assert running
    patch.process.kill()
    patch.process.wait()
    until_ended = time.monotonic() + 10
    while any(map(is_running, running)) and time.monotonic() < until_ended:
        time.sleep(0.1)
    assert not any(map(is_running, running))
    for path in (patch.folder / "outputs/run").rglob("*.pt"):
        load_player(path)
    again = Patch(patch.folder)
    with again.socket:
        again.start(models[True])
        again.send("/stop")
        assert again.end()[0] == 0
    [rescued] = (patch.folder / "outputs/run").glob("*.json")
    assert sum(map(len, read(rescued))) >= 100
