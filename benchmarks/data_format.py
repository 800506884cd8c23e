"""How long `hxmx format` takes on a real collection, start-up included: rows of `make bench-data`.

Whole processes of the real command line, one form of output after the other in each round, so that a machine that is
busy for a while slows all alike; medians. Beside the time on the clock stands the time on all processors together,
which other programs change less.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks.tasks import BESIDE

CORPUS = BESIDE / "groove_dev"
ROUNDS = 5
OUTPUTS = {"data.json": "5 s", "data.arrow": "3 s", "tables/": "–"}
"""What is written, and how long it may take."""


class Spent(NamedTuple):
    """Seconds on the clock and of all processors together, and the most memory that one process took, in bytes."""

    wall: float
    processor: float
    memory: int


def rows() -> list[tuple[str, str, str]]:
    """Return what was measured, what came of it and what is wanted."""
    if not CORPUS.is_dir() or os.name == "nt":
        return [(f"hxmx format {CORPUS.name}", f"not measured: there is no folder {CORPUS}, or this is Windows", "–")]
    outputs = [name for name in OUTPUTS if not name.endswith(".arrow") or find_spec("pyarrow")]
    runs: dict[str, list[Spent]] = {name: [] for name in ("--help", *outputs)}
    for _ in range(ROUNDS):
        for name, spent in runs.items():
            spent.append(measure(name))
    told = [("hxmx format --help: start-up", _tell(runs.pop("--help")), "–")]
    return told + [(f"hxmx format {CORPUS.name} {name}", _tell(spent), OUTPUTS[name]) for name, spent in runs.items()]


def measure(output: str) -> Spent:
    """Run the command once, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = [output] if output == "--help" else [str(CORPUS), f"{folder}/{output}"]
        command = [sys.executable, "-m", "hachimachi.cli", "format", *words]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)  # what its own processes took is in it
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def _tell(runs: list[Spent]) -> str:
    wall, processor, memory = (statistics.median(values) for values in zip(*runs, strict=True))
    return f"{wall:.2f} s, {processor:.2f} s of processors, {memory / 1e6:,.0f} MB"


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(row))
