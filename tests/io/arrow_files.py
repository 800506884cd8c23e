"""Events for tests of Arrow files, and tables saved as other programs save them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from hachimachi.events import EventSequence, Feature

NOTES = (
    Feature("pitch", kind="integer", min=0, max=127),
    Feature("duration", masked=True),
    Feature("hand", "categorical"),
)


def take(events: int, name: str = "", seed: int = 0) -> EventSequence:
    random = np.random.default_rng(seed)
    columns = [random.integers(0, 128, events), random.random(events), random.integers(0, 2, events)]
    return EventSequence(NOTES, np.column_stack(columns), np.sort(random.random(events)) * 9, name)


def save(table: pa.Table, path: Path) -> Path:
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    return path
