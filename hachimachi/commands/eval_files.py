"""The files that `hxmx eval` writes, from which every figure can be checked."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import Evaluation
from hachimachi.evaluation.regrid import regrids
from hachimachi.events import EventSequence
from hachimachi.io.atomic import replacing
from hachimachi.models.event_model import EventModel
from hachimachi.models.sampling import Sampling


def write_surprise(path: Path, result: Evaluation, sequences: Sequence[EventSequence]) -> None:
    """Write −ln P of every column of every scored event."""
    places = [(s, e) for s, sequence in enumerate(sequences) for e in range(1, len(sequence))]
    costs = zip(places, result.surprise.tolist(), strict=True)
    header = ["sequence", "event", *result.names, "total"]
    _write_csv(path, header, ([*place, *cost, math.fsum(cost)] for place, cost in costs))


def find_event(text: str, sequences: Sequence[EventSequence]) -> tuple[EventSequence, int]:
    """Return the event that ``SEQUENCE:EVENT`` names."""
    lengths = {f"{number}": len(sequence) for number, sequence in enumerate(sequences)}
    number, _, event = text.partition(":")
    if not (event.isdecimal() and 0 < int(event) < lengths.get(number, 0)):
        last = f"the data ends at {len(sequences) - 1}:{len(sequences[-1]) - 1}"
        raise HachimachiError(f"--table {text}: expected SEQUENCE:EVENT, from 0 and from 1, such as 0:12; {last}")
    return sequences[int(number)], int(event)


def write_table(
    path: Path,
    model: EventModel,
    sequence: EventSequence,
    event: int,
    *,
    resolution: Mapping[str, float],
    support: Mapping[str, tuple[float, float]],
    sampling: Sampling | None = None,
) -> None:
    """Write P of every bin of every column of one event, given those before it, as foretold or as drawn."""
    rows, restated = sequence.rows(), regrids(model.columns, resolution, support)
    given = dict(zip((column.name for column in model.columns), rows[event].tolist(), strict=True))
    tables = model.table(torch.from_numpy(rows[:event]), given, sampling)
    for regrid in restated.values():
        name = regrid.column.name
        tables[name] = (*regrid.column.bounds(), regrid.table(tables[name][2]))
    lines = (
        [name, number, low, high, p]
        for name, bins in tables.items()
        for number, (low, high, p) in enumerate(zip(*(part.tolist() for part in bins), strict=True))
    )
    _write_csv(path, ["feature", "bin", "low", "high", "p"], lines)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    with replacing(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")
