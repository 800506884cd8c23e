"""Learning on stage with the real process: what comes of it, and what is left when something is killed."""

from __future__ import annotations

import time
from pathlib import Path

from .patch import Patch

PATTERN = (60, 64, 67, 72)


def play(patch: Patch, count: int) -> None:
    """Play a pattern that can be learned."""
    for i in range(count):
        patch.send("/input", PATTERN[i % 4], 80)
        time.sleep(0.004)


def until_learned(patch: Patch) -> tuple[list[str], list[object]]:
    """Wait for what comes of learning; return the phases before it."""
    phases = []
    while True:
        message = patch.hear()
        if message[:2] == ["/status", "error"] and message[2] == "learn":
            return phases, message[2:]
        if message[:2] == ["/status", "learn"]:
            if message[2] in ("better", "no better"):
                return phases, message[2:]
            phases.append(message[2])


def until(patch: Patch, *words: object) -> None:
    while patch.hear()[: len(words)] != list(words):
        pass


def test_it_learns_what_was_played_and_goes_on_with_it(models: dict[bool, Path], patch: Patch) -> None:
    patch.start(models[True], "--seed", "1")
    play(patch, 120)
    patch.send("/learn", "mine")
    phases, came = until_learned(patch)
    assert list(dict.fromkeys(phases)) == ["waiting", "preparing", "training", "judging"]
    assert came[0] == "better" and came[1] < came[2]
    until(patch, "/status", "model", "version1")
