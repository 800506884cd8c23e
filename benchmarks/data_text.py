"""How long text takes to be read, and data to be described: rows of `make bench-data`.

A million events of four numbers each, in seconds of this process; medians. Beside them stands what Python's own parser
of JSON takes, and NumPy's of tables, for the same bytes.
"""

from __future__ import annotations

import io
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from hachimachi.description.describe import describe
from hachimachi.events import EventSequence
from hachimachi.io import Report, csv_format, json_format

EVENTS = 1_000_000
ROUNDS = 3


def rows() -> list[tuple[str, str, str]]:
    """Return what was measured, what came of it and what is wanted."""
    plain, spreadsheet, structured = _texts()
    [sequence] = csv_format.parse(plain, "", Report())
    return [
        ("a CSV of 1 million rows × 4", f"{_seconds(_read, csv_format, plain):.2f} s", "a few seconds"),
        ("  numpy.loadtxt alone", f"{_seconds(_load_table, plain):.2f} s", "–"),
        ("  with ; and decimal commas", f"{_seconds(_read, csv_format, spreadsheet):.2f} s", "a few seconds"),
        ("  as JSON", f"{_seconds(_read, json_format, structured):.2f} s", "a few seconds"),
        ("  json.loads alone", f"{_seconds(json.loads, structured):.2f} s", "–"),
        ("  described, once read", f"{_seconds(describe, sequence):.2f} s", "–"),
    ]


def _texts() -> tuple[bytes, bytes, bytes]:
    """Return the same events as CSV, as a spreadsheet's CSV, and as JSON."""
    chance = np.random.default_rng(0)
    time = np.cumsum(chance.exponential(0.1, EVENTS)).round(6)
    keys = chance.integers(0, 128, EVENTS).astype(np.float64)
    data = np.column_stack([keys, chance.random(EVENTS).round(4), chance.random(EVENTS)])
    sequence = EventSequence(csv_format.parse(b"a,b,c\n1,2,3", "", Report())[0].features, data, time)
    plain = csv_format.render([sequence])
    return plain, plain.replace(b",", b";").replace(b".", b","), json_format.render([sequence])


def _read(reader: object, content: bytes) -> None:
    reader.parse(content, "", Report())  # pyright: ignore[reportAttributeAccessIssue]


def _load_table(content: bytes) -> None:
    np.loadtxt(io.StringIO(content.decode()), delimiter=",", skiprows=1)


def _seconds(work: Callable[..., object], *what: object) -> float:
    """Return the median of the processor's time for some work: other programs do not count."""
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work(*what)
        taken.append(time.process_time() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(row))
