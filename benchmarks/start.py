"""How long commands take from prompt to prompt, and how much memory they need: `make bench-start`.

    make bench-start
    make bench-start ARGS="--rounds 30"

The model is of the size that a performance gets, untrained, on a piano piece; nothing is on a terminal. The rounds go
through all rows in turn, so that a machine that is busy for a while slows all alike; the table shows medians, and the
largest memory of any round. Beside them stand processes that only import what every command needs. Of `hxmx run` the
time is that until `/status ready`. The last row is what a player without torch plays in a second of processor time.

This process imports neither NumPy nor torch: a child's peak counts what its parent held when it was started.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

ROUNDS = 10
PATIENCE = 60.0
"""Seconds after which a command is given up."""
ROOT = Path(__file__).resolve().parents[1]
HXMX = "from hachimachi.cli import main; main()"  # as the installed script does
MODEL = """
import torch
from hachimachi import build_model, save_model
from hachimachi.models.backbones import choose_size
from hachimachi.prelude import play_prelude
torch.manual_seed(0)
data = play_prelude()
size, layers = choose_size("gru", "auto", None, len(data))
save_model(build_model([data], {"name": "gru", "size": size, "layers": layers}), "model.pt")
"""
STEPS = """
import os, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as hxmx run has it
from hachimachi import load_player
player = load_player("model.pt")
def per_second(steps):
    before = time.process_time()
    for _ in range(steps):
        player.observe(player.sample())
    return steps / (time.process_time() - before)
per_second(500)
print(sorted(per_second(500) for _ in range(9))[4])
"""


class Row(NamedTuple):
    """What is measured, and what it is to reach.

    Args:
        name: How it is shown.
        words: What Python is called with.
        seconds: To reach, 0 where nothing is asked.
        megabytes: To reach.
    """

    name: str
    words: tuple[str, ...]
    seconds: float = 0.0
    megabytes: float = 0.0


ROWS = (
    Row("import numpy", ("-c", "import numpy")),
    Row("import numpy, click, rich, pythonosc", ("-c", "import numpy, click, rich.console, pythonosc.osc_message")),
    Row("hxmx gen model.pt out.csv -n 100", ("-c", HXMX, "gen", "model.pt", "out.csv", "-n", "100"), 0.45, 75),
    Row("hxmx run model.pt, until ready", ("-c", HXMX, "run", "model.pt", "--in-port", "0"), 0.45),
    Row("hxmx info model.pt", ("-c", HXMX, "info", "model.pt"), 0.35),
)
PER_SECOND = 10_000
"""Events to reach in a second."""


class Cost(NamedTuple):
    """Seconds on the clock, and the most memory, in MB."""

    seconds: float
    megabytes: float


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="make bench-start", description="How soon commands are ready.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-c", MODEL], cwd=folder, env=environment(), check=True)
        for row in ROWS:  # compiles what is imported, and brings it into memory
            measure(row, folder)
        costs = [[measure(row, folder) for row in ROWS] for _ in range(rounds)]
        done = subprocess.run(
            [sys.executable, "-c", STEPS], cwd=folder, env=environment(), check=True, capture_output=True, text=True
        )
    print(f"{f'median of {rounds}':40}{'s':>6}{'to reach':>10}{'MB':>8}{'to reach':>10}")
    for row, *column in zip(ROWS, *costs, strict=True):
        seconds, megabytes = statistics.median(cost.seconds for cost in column), max(cost.megabytes for cost in column)
        limits = (f"{limit:g}" if limit else "" for limit in (row.seconds, row.megabytes))
        print("{:40}{:6.2f}{:>10}{:8.0f}{:>10}".format(row.name, seconds, *[next(limits)], megabytes, *limits))
    print(f"events a second, without torch: {float(done.stdout):,.0f}; to reach {PER_SECOND:,}")


def measure(row: Row, folder: Path) -> Cost:
    """Run a command to its end, or until it is ready to play.

    Raises:
        RuntimeError: It failed, or was not ready in time.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(PATIENCE)
        words, live = row.words, "run" in row.words
        if live:
            words = (*words, "--out-port", str(wire.getsockname()[1]), "--log", "none")
        quiet = subprocess.DEVNULL
        began, seconds = perf_counter(), 0.0
        process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=environment(), stdin=quiet, stdout=quiet, stderr=quiet
        )
        if live:
            while b"ready" not in wire.recv(65_536):
                pass
            seconds = perf_counter() - began
            process.send_signal(signal.SIGINT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if not live:
            seconds = perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{row.name}: exit status {process.returncode}")
    return Cost(seconds, usage.ru_maxrss / (1000 if sys.platform == "linux" else 1_000_000))


def environment() -> dict[str, str]:
    """Return the environment of what is measured: this checkout is what is imported."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    main()
