"""What is shown of jobs in other processes."""

import io
import re
from pathlib import Path

from rich.console import Console

from hachimachi.training.sweep.results import CURVE, Score
from hachimachi.training.sweep.search import Watch
from tests.training.sweep.test_report import begin, finish


def screen(folder: Path, *, terminal: bool) -> tuple[Watch, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=80, color_system=None, highlight=False, markup=False)
    return Watch(folder, console), text


def test_each_job_that_ends_is_told_once(tmp_path: Path) -> None:
    watch, text = screen(tmp_path, terminal=False)
    watch.look()
    finish(tmp_path / "0", ["seed=0"], 3.0)
    begin(tmp_path / "1", ["seed=1"])
    watch.look()
    watch.look()
    Score(4.0, pruned=10).write(tmp_path / "1")
    finish(tmp_path / "2", ["seed=2"], None, error="too [small]")
    watch.start()
    watch.end()
    assert text.getvalue().splitlines() == [
        "job 0: 3.0000  seed=0",
        "job 1 (pruned): 4.0000  seed=1",
        "job 2 (failed): too [small]  seed=2",
    ]


def test_on_a_terminal_what_runs_is_seen(tmp_path: Path) -> None:
    finish(tmp_path / "0", ["seed=0", "x=1"], 3.0)
    begin(tmp_path / "1", ["seed=1", "x=" + "1" * 100])
    (tmp_path / "1" / CURVE).write_text("step,seconds,nats\n10,1.0,5.25\n")
    watch, text = screen(tmp_path, terminal=True)
    watch.start()
    watch.end()
    said = text.getvalue()
    assert "1 job done, 1 running, best 3.00 (job 0)" in said
    assert "5.25  seed=1" in said
    lines = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", said).replace("\r", "\n").split("\n")
    assert max(map(len, lines)) <= 80
