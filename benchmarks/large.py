"""Synthetic collections of any size, made quickly: notes that go up and down, held and struck as they come."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hachimachi import io
from hachimachi.events import EventSequence, Feature

SHORTEST, LONGEST = 3, 100_000
"""Events in a sequence; lengths are even on a log scale."""
SHARD = 4_000_000
"""Events made and written at a time."""
FEATURES = (
    Feature("pitch", kind="integer", min=0, max=127, resolution=1),
    Feature("velocity", kind="integer", min=1, max=127, resolution=1),
    Feature("duration", masked=True),
    Feature("instrument", kind="categorical"),
)


@contextmanager
def collection(events: int, seed: int = 0) -> Iterator[Path]:
    """Give a collection in shards, below ``outputs/``, that is there for so long."""
    Path("outputs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="outputs", prefix="large-") as folder:
        path = Path(folder) / "takes.arrow"
        write(path, events, seed)
        yield path


def write(path: Path, events: int, seed: int) -> None:
    """Write a collection, shard after shard."""
    random = np.random.default_rng(seed)
    for first in range(0, events, SHARD):
        io.write(f"{path}/", list(_make(min(SHARD, events - first), first, random)))


def _make(events: int, first: int, random: np.random.Generator) -> Iterator[EventSequence]:
    pitch = 60 + np.abs(np.cumsum(random.integers(-4, 5, events)) % 48 - 24)
    velocity, instrument = 80 + random.integers(-20, 20, events), random.integers(0, 9, events)
    data = np.column_stack([pitch, velocity, random.exponential(0.3, events), instrument]).astype(np.float64)
    between = np.round(random.exponential(0.15, events), 3)
    at = 0
    while at < events:
        length = int(np.exp(random.uniform(np.log(SHORTEST), np.log(LONGEST))))
        stop = events if events - at - length < SHORTEST else at + length
        yield EventSequence(FEATURES, data[at:stop], np.cumsum(between[at:stop]), f"take {first + at}")
        at = stop
