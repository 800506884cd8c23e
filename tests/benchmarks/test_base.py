"""What a base model is worth, and how one is made: pieces, tables, and what is gathered and left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import base, base_models
from hachimachi import io
from hachimachi.checkpoint import read_summary
from hachimachi.events import make_sequence
from hachimachi.io.split import read_split


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """Two corpora as piano bases have them, three small pieces each, one of them for the test."""
    for source in base_models.SOURCES["piano"]:
        folder = tmp_path / source.folder / "midi"
        folder.mkdir(parents=True)
        names = [f"{source.folder}_{i}.mid" for i in range(3)] + list(source.left_out)
        for i, name in enumerate(names):
            rows = [[40 + (i * 7 + j) % 40, 64, 0.2] for j in range(80)]
            io.write(folder / name, make_sequence(rows, [j / 4 for j in range(80)], ["pitch", "velocity", "duration"]))
        split = {"train": [names[0], *names[3:]], "valid": [names[1]], "test": [names[2]]}
        (tmp_path / source.folder / "split.json").write_text(json.dumps(split))
    return tmp_path


def test_what_figures_are_taken_on_is_left_out_of_a_base(corpora: Path, tmp_path: Path) -> None:
    data, split = base_models.gather("piano", corpora, tmp_path / "made")
    names = {sequence.name for sequence in io.read(data)}
    assert names == {f"{s.folder}_{i}.mid" for s in base_models.SOURCES["piano"] for i in (0, 1)}
    parts = read_split(split).parts
    assert {part: len(listed) for part, listed in parts.items()} == {"train": 2, "valid": 2}
    card = base_models.make_card("piano", {"steps": 7})
    assert card["licence"] == "CC-BY-SA-3.0-DE AND CC-BY-4.0"
    assert len(card["attributions"]) == 2
    assert any("Liszt__liz_rhap09.mid" in text for text in card["left_out"])


@pytest.mark.parametrize("name", ["piano", "drums", "ensemble"])
def test_the_bases_of_the_package_tell_what_they_are(name: str) -> None:
    summary = read_summary(name)
    assert summary["base"]["licence"]
    assert summary["base"]["attributions"]
    assert summary["base"]["held_out"] < summary["held_out"]["marginal"] - 2
    file = Path(base_models.bases.__file__).parent / f"{name}.pt"
    assert file.stat().st_size < 3e6
    assert (file.parent / "licences" / f"{name}.txt").is_file()


def test_pieces_are_those_of_the_test_part_with_notes_enough(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LEAST", 80)
    [piece] = base.list_pieces("giantmidi_part", corpora)
    assert piece.name == "giantmidi_part_2.mid"
    assert [len(part) for part in piece.read(corpora)] == [64, 16]
    monkeypatch.setattr(base, "LEAST", 81)
    assert base.list_pieces("giantmidi_part", corpora) == []


def test_what_is_worse_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def figures(piece: str, way: str, nats: float) -> dict[str, Any]:
        playing = {"T 0.9": {"key": 0.8, "density": 5.0}}
        found = {
            "nats": nats,
            "seconds": 9.0,
            "init": "piano",
            "source": {"key": 0.7, "density": 5.0},
            "playing": playing,
        }
        return {"corpus": "giantmidi_part", "piece": piece, "way": way, "seed": 0} | found

    results = [figures("a", "none", 10), figures("a", "auto", 9), figures("b", "none", 10), figures("b", "auto", 10.5)]
    base.show(results, Console(width=120, highlight=False))
    said = capsys.readouterr().out
    assert "worse: giantmidi_part b: 10.00 → 10.50 (began with piano)" in said
    assert "0.25 ± 0.75" in said
    assert "giantmidi_part, source" in said
