"""Ten minutes on stage: a player, a patch that steers, nonsense on the wire, and models that take turns."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import pytest

from hachimachi.io import read

from .patch import Patch

SECONDS = 600.0
GROWTH = 8 << 20
"""Bytes that the process may grow by once it is warm: buffers come and go."""
STEERING: tuple[tuple[Any, ...], ...] = (
    ("/mode", "loop"),
    ("/mode", "duet"),
    ("/mode", "respond"),
    ("/mode", "follow"),
    ("/start",),
    ("/start",),
    ("/start",),
    ("/pause",),
    ("/temperature", 0.7),
    ("/temperature", "pitch", 1.3),
    ("/constrain", "pitch", "scale", "D dorian"),
    ("/constrain", "velocity", "range", 60, 80),
    ("/release",),
    ("/polyphony", 3),
    ("/polyphony", 0),
    ("/speed", 2.0),
    ("/speed", 1.0),
    ("/load", "second"),
    ("/load", "temporal"),
    ("/prime", "last", 5.0),
    ("/panic",),
    ("/reset",),
    ("/status",),
)


@pytest.mark.slow
def test_ten_minutes_leave_it_as_it_was(models: dict[bool, Path], patch: Patch, tmp_path: Path) -> None:
    second = tmp_path / "second.pt"
    second.write_bytes(models[True].read_bytes())
    patch.start(models[True], "--note-offs", "--standby", str(second), "--log", "night.json")
    patch.socket.setblocking(False)
    chance, sent = random.Random(0), 0
    began, warm, outputs, next_steering = time.monotonic(), 0, 0, 0.0
    while (passed := time.monotonic() - began) < SECONDS:
        outputs += drain(patch)
        if chance.random() < 0.2:
            patch.send("/input", float(chance.randrange(40, 90)), float(chance.randrange(1, 128)))
            sent += 1
        if chance.random() < 0.05:
            patch.socket.sendto(chance.randbytes(chance.randrange(200)), patch.model)
        if passed > next_steering:
            patch.send(*chance.choice(STEERING))
            next_steering = passed + 0.5
        if not warm and passed > SECONDS / 5:
            warm = resident(patch)
        time.sleep(0.01)
    grown = resident(patch) - warm
    patch.send("/panic")
    time.sleep(0.2)
    outputs += drain(patch)
    patch.send("/stop")
    status, rest = patch.end()
    assert status == 0, rest
    assert "Traceback" not in rest
    assert grown < GROWTH
    assert outputs > 1000
    kept = read(tmp_path / "night.json")
    mine = sum(int((sequence.column("player") == 0).sum()) for sequence in kept)
    assert mine <= sent  # some equal an output, and are its echo
    assert mine > 0.99 * sent
    assert all(math.isfinite(sequence.seconds) for sequence in kept)


def drain(patch: Patch) -> int:
    outputs = 0
    while True:
        try:
            outputs += patch.hear()[0] == "/output"
        except BlockingIOError:
            return outputs


def resident(patch: Patch) -> int:
    """Bytes of memory that the process holds; 0 where the system does not tell so."""
    status = Path(f"/proc/{patch.process.pid}/status")
    if not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
