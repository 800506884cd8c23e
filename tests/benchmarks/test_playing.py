"""The benchmark of playing: its list, its table and that it goes on where it was; what it measures is not asserted."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import playing
from benchmarks.playing import CONDITIONS, Piece, list_pieces, show, summarize
from hachimachi import io


def test_the_list_has_ten_of_each_kind_from_training_parts(shared_data: Path) -> None:
    pieces = list_pieces()
    assert Counter(piece.kind for piece in pieces) == dict.fromkeys(("piano", "drums", "ensemble", "control"), 10)
    assert len({piece.name for piece in pieces}) == 40
    for piece in pieces:
        corpus, *_, name = Path(piece.file).parts
        train = json.loads((shared_data / corpus / "split.json").read_text(encoding="utf-8"))["train"]
        assert name in train
        (events,) = io.read(shared_data / piece.file)
        first, last = piece.rows or (0, len(events))
        assert 0 <= first < last <= (train[name][1] if isinstance(train, dict) else len(events))
        assert 500 <= last - first <= 12_500


def result(piece: str, source: dict[str, float | None], played: dict[str, float | None]) -> dict[str, Any]:
    scores = {"kind": "piano", "piece": piece, "nats": 9.0, "marginal": 10.0 + len(piece)}
    return {**scores, "source": source, "playing": dict.fromkeys(CONDITIONS, played)}


RESULTS = [
    result("a", {"key": 0.9, "density": 5.0, "range x": 1.0}, {"key": 0.9, "density": 5.0, "range x": 0.5}),
    result("bb", {"key": 0.8, "density": 4.0, "range x": 1.0}, {"key": 0.5, "density": 6.0, "range x": 0.7}),
    result("ccc", {"key": None, "density": 2.0}, {"key": None, "density": 2.5}),
]


def test_figures_are_means_over_pieces_beside_the_aims() -> None:
    lines = summarize(RESULTS)
    key, density, ranges = (lines[name]["0.8, primed"] for name in ("key", "density", "range"))
    assert (key.mean, key.source) == pytest.approx((0.7, 0.85))
    assert key.stderr == pytest.approx(0.15)
    assert (key.beyond, key.worst, key.most) == (True, "bb", pytest.approx(-0.3))
    assert density.mean == pytest.approx(1.25)
    assert density.source == pytest.approx(11 / 3)
    assert (density.beyond, density.worst, density.most) == (True, "bb", pytest.approx(0.5))
    assert (ranges.mean, ranges.beyond, ranges.most) == (pytest.approx(0.6), True, pytest.approx(-0.5))
    assert "silence" not in lines
    assert math.isnan(summarize(RESULTS[:1])["key"]["1"].stderr)


def test_the_table_is_printed_on_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(RESULTS, Console(width=80, highlight=False, markup=False))
    shown = capsys.readouterr().out
    assert "piano: 3 results, nats 9.00 ± 0.00" in shown
    assert "3.00 ± 0.58, least 2.00 (a)" in shown
    assert any(line.split() == ["key", "0.85", *["0.70±.15!"] * 6] for line in shown.splitlines())
    assert "worst density: +0.50" in shown


def test_it_measures_what_is_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make_pieces: Any
) -> None:
    io.write(tmp_path / "piece.json", make_pieces([120]))
    pieces = [Piece("piano", "piece.json", (20, 120)), Piece("drums", "nothing.json")]
    monkeypatch.setattr(playing, "list_pieces", lambda: pieces)
    monkeypatch.setattr(playing, "FOLDER", tmp_path / "results")
    tiny = ["--override", "model.size=8", "--override", "trainer.max_steps=3", "--takes", "1", "--jobs", "1"]
    words = [str(tmp_path), "--kinds", "piano", *tiny]
    assert playing.main(words) == 0
    [found] = (tmp_path / "results" / "default").glob("piano_*.json")
    figures = json.loads(found.read_text(encoding="utf-8"))
    assert found.name == "piano_piece@20_0.json"
    assert (figures["events"], figures["scored"], figures["steps"]) == (80, 19, 3)
    assert list(figures["playing"]) == CONDITIONS
    written = found.stat().st_mtime_ns
    assert playing.main(words) == 0
    assert "1 of 1 are there already" in capsys.readouterr().out
    assert found.stat().st_mtime_ns == written
    assert playing.main([*words, "--minutes", "1"]) == 1
    assert "has results of other settings; name another --output" in capsys.readouterr().err
    assert playing.main([str(tmp_path)]) == 1
    assert "nothing.json: not there; expected the corpora beside" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kinds", "tuba"], "--kinds tuba: expected some of piano,drums,ensemble,control"),
        (["--pieces", "tuba"], "--pieces tuba: none of the list begins so"),
        (["--seeds", "x"], "expected whole numbers"),
    ],
)
def test_a_word_it_does_not_know_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        playing.main(words)
    assert said in capsys.readouterr().err


def test_quick_takes_two_of_each_kind() -> None:
    chosen = playing._parse(["--quick"])
    assert Counter(piece.kind for piece in chosen.pieces) == dict.fromkeys(("piano", "drums", "ensemble", "control"), 2)
    assert chosen.output == "quick"
