"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from hachimachi.events import EventSequence, Feature

# what is written by tests is none of the user's
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="hxmx-state-")
# how long an example takes says more of what else the machine does than of the code
settings.register_profile("quick", deadline=None, max_examples=25)  # others each time; `make test-all` tries a hundred
settings.register_profile("all", deadline=None)
# small steps on all cores at once wait for each other, twenty times longer where something else runs beside
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples of each property where slow tests are left out."""
    settings.load_profile("quick" if config.option.markexpr == "not slow" else "all")


Process = Callable[..., "subprocess.CompletedProcess[str]"]
Pieces = Callable[[Sequence[int]], "list[EventSequence]"]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"the corpora are not here: no folder {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def python_process() -> Process:
    """Run Python in a process of its own, on 80 columns."""

    def run(*words: str | Path, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, words)]
        environment = {**os.environ, "COLUMNS": "80"}
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=timeout
        )

    return run


@pytest.fixture(scope="session")
def hxmx_process(python_process: Process) -> Process:
    """Run the real command line in a process of its own, on 80 columns."""

    def run(*words: str | Path, python: Sequence[str] = (), **how: Any) -> subprocess.CompletedProcess[str]:
        return python_process(*python, "-m", "hachimachi.cli", *words, **how)

    return run


@pytest.fixture(scope="session")
def make_pieces() -> Pieces:
    """Make notes that can be learned, in sequences of given lengths: a scale, its rhythm, a hand that changes."""
    features = (
        Feature("pitch"),
        Feature("velocity"),
        Feature("duration", masked=True),
        Feature("instrument", kind="categorical"),
    )

    def make(lengths: Sequence[int]) -> list[EventSequence]:
        random, pieces = np.random.default_rng(3), []
        for number, length in enumerate(lengths):
            step = np.arange(length)
            columns = [60 + step % 7, 80 + random.integers(0, 9, length), 0.1 + 0.05 * (step % 3), step // 4 % 2]
            time = np.cumsum(np.where(step % 4 == 3, 0.0, 0.25), dtype=np.float64) + 0.001 * step
            pieces.append(EventSequence(features, np.column_stack(columns), time, f"piece {number}"))
        return pieces

    return make


def chi_square(counts: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """Return Pearson's statistic as a standard normal deviate (Wilson & Hilferty 1931), rare bins taken together."""
    order = np.argsort(p)[::-1]
    counts, expected = counts[order], p[order] * counts.sum()
    group = np.minimum(np.arange(len(p)), max(int((expected >= 10).sum()), 1))
    observed, expected = np.bincount(group, counts), np.bincount(group, expected)
    freedom = max(len(expected) - 1, 1)
    statistic = float(((observed - expected) ** 2 / np.maximum(expected, 1e-3)).sum())
    return ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / (2 / (9 * freedom)) ** 0.5
