"""An evening on stage: a player, a patch that steers, nonsense on the wire, and models that take turns."""

from __future__ import annotations

import math
import os
import random
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from hachimachi.io import read
from hachimachi.live.osc import encode, encode_bundle

from .patch import Patch

HOUR = pytest.param(float(os.environ.get("SOAK_SECONDS", "3600")), marks=pytest.mark.slow)
LENGTHS = [15.0, pytest.param(120.0, marks=pytest.mark.slow), HOUR]
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


@pytest.mark.parametrize("seconds", LENGTHS)
def test_an_evening_leaves_it_as_it_was(models: dict[bool, Path], patch: Patch, tmp_path: Path, seconds: float) -> None:
    second = tmp_path / "second.pt"
    second.write_bytes(models[True].read_bytes())
    patch.start(models[True], "--note-offs", "--standby", str(second), "--log", "night.json")
    patch.socket.setblocking(False)
    chance, sent = random.Random(0), 0
    began, outputs, next_steering = time.monotonic(), 0, 0.0
    warm: tuple[int, int, int] | None = None
    while (passed := time.monotonic() - began) < seconds:
        outputs += drain(patch)
        if chance.random() < 0.2:
            patch.send("/input", float(chance.randrange(40, 90)), float(chance.randrange(1, 128)))
            sent += 1
        if chance.random() < 0.05:
            patch.socket.sendto(chance.randbytes(chance.randrange(200)), patch.model)
        if passed > next_steering:
            patch.send(*chance.choice(STEERING))
            next_steering = passed + 0.5
            # from another port each time, by a clock that is wrong; and the file of a model that plays is overwritten
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                tagged = encode_bundle(encode("/start", 0), time.time() + chance.uniform(-1e6, 1e6))
                other.sendto(tagged, patch.model)
            second.write_bytes(b"another" if chance.random() < 0.5 else models[True].read_bytes())
        if warm is None and passed > seconds / 3:
            warm = held(patch)
        time.sleep(0.01)
    after = held(patch)
    assert warm is not None
    print(f"{seconds:g} s: {sent} inputs, {outputs} outputs; memory, handles and threads {warm}, then {after}")
    late = ask(patch, "late")
    patch.send("/panic")
    time.sleep(0.2)
    outputs += drain(patch)
    patch.send("/stop")
    status, rest = patch.end()
    assert status == 0, rest
    assert "Traceback" not in rest
    assert after[0] - warm[0] < GROWTH and after[1:] == warm[1:]
    assert late[1] < 50  # milliseconds, of 99 in 100, whatever else this machine does
    assert outputs > seconds
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


def ask(patch: Patch, key: str) -> list[Any]:
    """Ask for the state, and return one of the answers."""
    patch.socket.settimeout(30)
    patch.send("/status")
    while (message := patch.hear())[:2] != ["/status", key]:
        pass
    patch.socket.setblocking(False)
    return message[2:]


def held(patch: Patch) -> tuple[int, int, int]:
    """Bytes of memory, open files and threads of the process; 0 where the system does not tell so."""
    process = Path(f"/proc/{patch.process.pid}")
    if not process.exists():
        return 0, 0, 0
    lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024, len(list((process / "fd").iterdir())), int(lines["Threads"])
