"""`hxmx format` on whole corpora: no note is lost in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hachimachi.cli import main
from hachimachi.io import read


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["format", *map(str, words)])
    return int(caught.value.code or 0)


def count_note_ons(path: Path) -> int:
    from mido import MidiFile

    return sum(m.type == "note_on" and m.velocity > 0 for track in MidiFile(path).tracks for m in track)


@pytest.mark.parametrize("corpus", ["groove_dev/midi", "freedoom_small/midi", "piano_midi_de_small/midi"])
@pytest.mark.parametrize(
    "words", [[], ["--min-length", "40", "--max-gap", "2", "--drop-duplicates"], ["--split-tracks"]], ids=" ".join
)
def test_every_note_of_a_corpus_is_written_or_counted(
    shared_data: Path, tmp_path: Path, corpus: str, words: list[str], notes_in: Callable[[Path], int]
) -> None:
    files = sorted((shared_data / corpus).iterdir())[::12]
    assert run(*files, tmp_path / "data.json", *words, "--report", tmp_path / "r.json") == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert not report["left_out"]
    dropped = sum(times for files in report["events_left_out"].values() for times in files.values())
    written = sum(map(len, read(tmp_path / "data.json")))
    assert written == report["events"]
    assert written + dropped == sum(map(notes_in, files))
    if "--min-length" in words and corpus.startswith("groove"):
        assert dropped


@pytest.fixture(scope="module")
def notes_in() -> Callable[[Path], int]:
    """Count the note-ons of a file by another reader, each file once."""
    known: dict[Path, int] = {}

    def count(path: Path) -> int:
        if path not in known:
            known[path] = count_note_ons(path)
        return known[path]

    return count
