"""`hxmx format` through the real command line, on real files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hachimachi.cli import main
from hachimachi.io import read
from hachimachi.io.formats import WRITERS


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["format", *map(str, words)])
    return int(caught.value.code or 0)


@pytest.fixture
def piece(shared_data: Path) -> Path:
    return shared_data / "freedoom_small" / "midi" / "d_e3m9.mid"


def test_midi_json_csv_and_back(piece: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("a.json", "b.csv", "c.json", "d.mid")]
    for source, target in zip([piece, *paths], paths, strict=False):
        assert run(source, target) == 0
    first, _, third, last = (read(path)[0] for path in paths)
    assert first.time is not None
    assert third.time is not None
    assert (first.data == third.data).all()
    assert (first.time == third.time).all()
    assert len(last) == len(first) == 6979
    assert set(json.loads(paths[0].read_text())) == {"features", "time", "data"}
    printed = capsys.readouterr().out
    assert "CSV does not hold the declared kind, bounds or resolution of: pitch, velocity, duration" in printed
    for words in ("6,979 events in 169.8 s", "pitch 20–87", "velocity 4–127", "Drums 2,178"):
        assert printed.count(words) == 4
    assert max(map(len, printed.splitlines())) <= 80 + len(str(tmp_path))


def test_a_folder_becomes_sequences(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shared_data / "piano_midi_de_small", tmp_path / "data.json") == 0
    top = json.loads((tmp_path / "data.json").read_text())
    assert len(top["sequences"]) == 125
    assert top["sequences"][0]["name"].startswith("midi/Albeniz__")
    assert [feature["name"] for feature in top["features"].values()] == ["pitch", "velocity", "duration"]
    printed = capsys.readouterr().out
    assert "180,223 events" in printed
    assert "instrument: Acoustic Grand Piano throughout, so the column is left out" in printed
    assert re.search(r"^ *213 +29  notes struck again before their end", printed, re.M)
    assert re.search(r"^ *1 +1  left out: row 2, column file: found 'Albeniz__alb_esp1.mid'", printed, re.M)
    assert "stats.csv" in printed
    assert max(map(len, printed.splitlines()[:-1])) <= 80


def test_patterns_and_the_bad_file_among_good_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "1.csv").write_text("time,x\n0,1\n1,2\n")
    (tmp_path / "2.csv").write_text("time,x\n0,1\n1\n")
    assert run(tmp_path / "*.csv", tmp_path / "data.json") == 0
    assert len(read(tmp_path / "data.json")[0]) == 2
    printed = capsys.readouterr().out
    assert "left out" in printed
    assert "row 3: found 1 value" in printed
    assert "2.csv" in printed


def test_into_the_folder_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("time,x\n0,1\n1,2\n")
    for _ in range(2):
        assert run(tmp_path, tmp_path / "data.json") == 0
        assert len(read(tmp_path / "data.json")) == 1


REFUSED = [
    (["absent.mid"], "out.json", ["absent.mid", "no such file"]),
    (["empty.mid"], "out.json", ["empty.mid", "empty"]),
    (["text.mid"], "out.json", ["text.mid", "not a MIDI file"]),
    (["short.csv"], "out.json", ["short.csv", "row 3", "found 1"]),
    (["ragged.json"], "out.csv", ["ragged.json", "row 2"]),
    (["good.csv"], "out.txt", ["out.txt", ".txt", " ".join(WRITERS)]),
    (["good.csv"], "out.mid", ["out.mid", "pitch"]),
    (["good.csv"], "no/out.json", ["no/out.json", "no folder"]),
    (["good.csv"], "x" * 300 + ".json", ["cannot be written: File name too long"]),
    (["good.csv"], "no/out.arrow/", ["no/out.arrow", "no folder"]),
    (["good.csv"], "same.csv/", ["same.csv/", "is a file; name a folder"]),
    (["good.csv", "same.csv"], "out.csv", ["out.csv", "one sequence", ".json"]),
    (["good.csv", "other.csv"], "out.json", ["other.csv", "differ in features"]),
    (["short.csv", "ragged.json"], "out.json", ["none of 2 files", "short.csv"]),
    (["?.mid"], "out.json", ["?.mid", "no file fits"]),
]


@pytest.mark.parametrize(("inputs", "output", "words"), REFUSED)
def test_bad_input_leaves_one_message_and_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inputs: list[str], output: str, words: list[str]
) -> None:
    contents = {
        "empty.mid": "",
        "text.mid": "la la la",
        "short.csv": "time,x\n0,1\n1\n",
        "ragged.json": '{"data": [[1, 2], [3]]}',
        "good.csv": "time,x\n0,1\n",
        "same.csv": "time,x\n0,1\n",
        "other.csv": "time,y\n0,1\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    assert run(*(tmp_path / name for name in inputs), f"{tmp_path}/{output}") == 1
    printed = capsys.readouterr()
    assert all(word in printed.err for word in words), printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out
    assert {path.name for path in tmp_path.iterdir()} == set(contents)


def test_output_that_is_an_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,x\n0,1\n")
    assert run(path, tmp_path / "." / "a.csv") == 1
    assert "is what it is to be made from" in capsys.readouterr().err
    assert path.read_text() == "time,x\n0,1\n"


def test_too_few_words_is_a_wrong_call() -> None:
    assert run("only.mid") == 2


def test_format_loads_no_torch(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time,x\n0,1\n")
    code = "import sys, hachimachi.cli as cli\ntry: cli.main()\nfinally: assert 'torch' not in sys.modules"
    words = [sys.executable, "-c", code, "format", str(tmp_path / "a.csv"), str(tmp_path / "b.json")]
    subprocess.run(words, check=True, capture_output=True)
    assert (tmp_path / "b.json").is_file()


LOG = "time,pitch,player#\n0,60,0\n0.5,64,1\n1,62,0\n1.5,65,2\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--only", "player=0", "--drop", "player"], "time,pitch\n0,60\n1,62\n"),
        (["--only", "player=0,2,pitch=60", "--only", "pitch=65"], "time,pitch,player#\n0,60,0\n1.5,65,2\n"),
        (["--drop", "player"], "time,pitch\n0,60\n0.5,64\n1,62\n1.5,65\n"),
        (["--drop", "time,player"], "pitch\n60\n64\n62\n65\n"),
    ],
    ids=" ".join,
)
def test_part_of_a_log(tmp_path: Path, words: list[str], expected: str) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    assert run(tmp_path / "log.csv", tmp_path / "part.csv", *words) == 0
    assert (tmp_path / "part.csv").read_text() == expected


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--only", "player=you"], 2, "'player=you': expected NAME=V,V,…"),
        (["--only", "player"], 2, "NAME=V"),
        (["--only", "who=0"], 1, "no column 'who'; there are pitch, player"),
        (["--only", "player=3"], 1, "player has 0, 1, 2"),
        (["--drop", "who"], 1, "there are time, pitch, player"),
    ],
)
def test_a_part_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, message: str
) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    assert run(tmp_path / "log.csv", tmp_path / "part.csv", *words) == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / "part.csv").exists()


def test_notes_ring_under_the_pedal_where_that_is_asked_for(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    piece = shared_data / "piano_midi_de_small" / "midi" / "Grieg__grieg_zwerge.mid"
    mean: dict[str, float] = {}
    for option, words in (
        ("--no-sustain", r"^ *([\d,]+) +1  messages of the sustain pedal: not heeded; hxmx format"),
        ("--sustain", r"^ *([\d,]+) +1  messages of the sustain pedal: heeded"),
    ):
        assert run(piece, tmp_path / "a.json", option, "--strict") == 0
        mean[option] = float(read(tmp_path / "a.json")[0].column("duration").mean())
        assert re.search(words, capsys.readouterr().out, re.M)
    assert mean["--sustain"] > 1.2 * mean["--no-sustain"]
    assert run(piece, tmp_path / "b.json", "--controls", "64", "--sustain") == 2
    assert "sustain: it lengthens notes" in capsys.readouterr().err
    assert run(tmp_path / "a.json", tmp_path / "c.json", "--sustain") == 1
    assert "sustain: this is asked of MIDI files" in capsys.readouterr().err
