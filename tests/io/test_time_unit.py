"""Milliseconds taken for seconds are suspected where they are, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hachimachi.io import Report, read
from hachimachi.io.csv_format import parse
from hachimachi.io.text import MILLISECONDS


def suspected(time: np.ndarray) -> bool:
    report = Report()
    parse(("time,x\n" + "".join(f"{t!r},1\n" for t in time.tolist())).encode(), "a.csv", report)
    return MILLISECONDS in report.remarks


CHANCE = np.random.default_rng(0)
SECONDS = np.cumsum(CHANCE.exponential(0.3, 200))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (SECONDS, False),
        (np.round(SECONDS * 1000), True),
        (SECONDS * 1000, True),
        (np.arange(50.0), False),  # once a second
        (np.arange(50.0) * 10, True),  # a hundred times a second
        (1.7e9 + SECONDS, False),  # seconds since 1970
        (1.7e12 + np.arange(50.0), True),  # milliseconds since 1970, a thousand times a second
        (np.zeros(30), False),
        (np.array([3.0]), False),
        (np.repeat(SECONDS[:20], 9), False),
    ],
)
def test_by_what_lies_between(time: np.ndarray, expected: bool) -> None:
    assert suspected(time) == expected


def test_the_unit_in_the_name_settles_it() -> None:
    report = Report()
    [sequence] = parse(b"time (ms),x\n0,1\n500,1\n1500,2\n", "a.csv", report)
    assert sequence.seconds == 1.5
    assert MILLISECONDS not in report.remarks


def test_json_too_by_file(tmp_path: Path) -> None:
    for name, factor in (("a.json", 1.0), ("b.json", 1000.0)):
        parts = [{"time": (SECONDS * factor).tolist(), "data": [[1]] * 200}] * 2
        (tmp_path / name).write_text(json.dumps({"sequences": parts}))
    report = Report()
    read(tmp_path, report)
    assert report.remarks == {MILLISECONDS: {"b.json": 1}}


def test_no_real_performance_is_suspected(shared_data: Path) -> None:
    for source in ("control_impsy4d_small", "control_roliblock_osc/block-perf1.csv", "single"):
        report = Report()
        if source == "single":
            for path in (shared_data / source).glob("*.json"):
                read(path, report)
        else:
            read(shared_data / source, report)
        assert report.remarks == {}
