"""The benchmark of learning on stage: which performances it takes, and what its table says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import learn
from hachimachi import io
from hachimachi.events import make_sequence


def test_performances_are_those_that_are_long_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "HALF", 20)
    lengths = {"a.mid": 40, "b.mid": 39, "c.mid": 50, "d.mid": 60}
    (tmp_path / "groove_dev/midi").mkdir(parents=True)
    for name, length in lengths.items():
        notes = [[40 + i % 20, 80, 0.2] for i in range(length)]
        piece = make_sequence(notes, [i / 4 for i in range(length)], ["pitch", "velocity", "duration"])
        io.write(tmp_path / "groove_dev/midi" / name, piece)
    (tmp_path / "groove_dev/split.json").write_text(json.dumps({"test": list(lengths)}))
    found = learn.list_performances(tmp_path, "groove_dev", 2)
    assert [(name, len(piece), len(other)) for name, piece, other in found] == [("a.mid", 40, 50), ("c.mid", 50, 60)]


def test_the_table_has_means_and_what_it_forgot() -> None:
    same = {"corpus": "groove_dev", "way": "own", "known_old": 5.0, "known_new": 5.06, "seconds": 20.0}
    results = [
        {"performance": "a", "before": 9.0, "after": 8.0, "better": True, **same},
        {"performance": "b", "before": 8.0, "after": 8.0, "better": False, **same},
        {"performance": "a", "corpus": "groove_dev", "way": "alone", "after": 8.75},
    ]
    console = Console(width=120, record=True)
    learn.show(results, console)
    cells = console.export_text().splitlines()[1].split("  ")
    row = [cell.strip() for cell in cells if cell.strip()]
    assert row == ["groove_dev, own", "2", "8.50", "8.00", "0.50 ± 0.50", "1 of 2", "5.00", "5.06", "8.75", "20"]
