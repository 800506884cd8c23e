"""The benchmark of training measures both loops and tells what it does not know."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks import train
from hachimachi import io


def test_both_loops_are_measured(tmp_path: Path, make_pieces: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "single").mkdir()
    for part in ("train", "test"):
        io.write(tmp_path / "single" / f"piano_{part}.json", make_pieces([60]))
    assert train.main([str(tmp_path), "--backbones", "gru", "--steps", "3", "--rounds", "2"]) == 0
    *_, row = capsys.readouterr().out.splitlines()
    name, bare, ours, ratio = row.split()
    assert name == "gru"
    assert all(float(figure.replace(",", "")) > 0 for figure in (bare, ours, ratio))


def test_the_ratio_is_that_of_rounds_side_by_side() -> None:
    assert train.Pace([100.0, 10.0, 50.0], [50.0, 10.0, 40.0]).ratio == 1.25
    assert math.isclose(train.Pace([3.0], [4.0]).ratio, 0.75)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backbones", "tuba"], "--backbones tuba: expected some of"),
        (["--rounds", "0"], "expected whole numbers from 1"),
    ],
)
def test_a_word_it_does_not_know_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(words)
    assert said in capsys.readouterr().err
