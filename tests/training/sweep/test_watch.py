"""What is shown of jobs in other processes."""

import io
from pathlib import Path

from rich.console import Console

from hachimachi.training.sweep.results import Score
from hachimachi.training.sweep.search import Watch
from tests.training.sweep.test_report import begin, finish


def screen(folder: Path) -> tuple[Watch, io.StringIO]:
    text = io.StringIO()
    return Watch(folder, Console(file=text, width=80, highlight=False, markup=False)), text


def test_each_job_that_ends_is_told_once(tmp_path: Path) -> None:
    watch, text = screen(tmp_path)
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
