"""What `make bench-start` counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.start import ROOT, Row, measure

# in a process of its own: a child's peak counts what its parent held
WEIGH = """
import json, pathlib
from benchmarks.start import Row, measure
words = "pass", "b'x' * 200_000_000"
print(json.dumps([measure(Row("", ("-c", each)), pathlib.Path.cwd()).megabytes for each in words]))
"""


def test_the_peak_is_that_of_the_command(python_process: Callable[..., Any], monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = python_process("-c", WEIGH, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    little, much = json.loads(done.stdout)
    assert 150 < much - little < 210  # a system may take back what is not looked at


def test_a_command_that_fails_is_not_counted(tmp_path: Path) -> None:
    assert measure(Row("", ("-c", "pass")), tmp_path).seconds > 0
    with pytest.raises(RuntimeError, match="no such module: exit status 1"):
        measure(Row("no such module", ("-c", "import nowhere_at_all")), tmp_path)
