"""`hxmx format` on many files of many kinds: nothing ends it, nothing goes unsaid, nothing is half written."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hachimachi.cli import main
from hachimachi.io import read

NOTE = b"\x00\x90%c\x40\x60\x80%c\x40"


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["format", *map(str, words)])
    return int(caught.value.code or 0)


def make_midi(*tracks: bytes) -> bytes:
    chunks = [b"MTrk" + (len(track) + 4).to_bytes(4, "big") + track + b"\x00\xff\x2f\x00" for track in tracks]
    return b"MThd\0\0\0\6\0\1" + len(tracks).to_bytes(2, "big") + b"\x01\xe0" + b"".join(chunks)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small collection, as people have them: some good files, and one of everything that can be wrong."""
    folder = tmp_path / "my files"
    (folder / "deep").mkdir(parents=True)
    for number in range(5):
        (folder / f"{number}.mid").write_bytes(make_midi(NOTE % (60 + number, 60 + number) * (number + 1)))
    (folder / "deep" / "hang.mid").write_bytes(make_midi(b"\x00\x90\x3c\x40\x60\x90\x3c\x40\x60\x80\x3c\x40"))
    (folder / "broken.mid").write_bytes(b"MThd")
    (folder / "table.csv").write_text("time,pitch,velocity,~duration\n0,60,64,0.5\n9,61,64,0.5\n9.5,62,64,0.5\n")
    (folder / "other.csv").write_text("time,x\n0,1\n")
    (folder / "cover.jpg").touch()
    return folder


def test_one_of_everything(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, tmp_path / "data.json", "--report", tmp_path / "r.csv") == 0
    names = [sequence.name for sequence in read(tmp_path / "data.json")]
    assert names == ["0.mid", "1.mid", "2.mid", "3.mid", "4.mid", "deep/hang.mid", "table.csv"]
    printed = capsys.readouterr().out
    assert "20 events" in printed
    assert "7 sequences, from 7 files" in printed
    expected = (
        r"1 +1  left out: truncated: 4 bytes",
        r"1 +1  left out: found the columns time,x, expected\s+time,pitch,velocity,~duration as in 7 of 8 files",
        r"1 +1  notes struck again before their end",
        r"1 +1  passed over, no data: \.jpg 1",
    )
    for line in expected:
        assert re.search(line, printed), (line, printed)
    for name in ("broken.mid", "other.csv", "deep/hang.mid"):
        assert re.search(rf"^ +{name} *$", printed, re.M)
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["name"] for row in rows if row["what"] == "left out"} == {"broken.mid", "other.csv"}
    assert {row["name"]: row["count"] for row in rows if row["what"] == "total"}["events"] == "20"


def test_strict_writes_the_report_and_nothing_else(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, tmp_path / "data.json", "--strict", "--report", tmp_path / "r.json") == 1
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.count("\n") == 1
    for words in ("strict: ", "left out broken.mid: truncated", "other.csv", "struck again"):
        assert words in printed.err
    assert not (tmp_path / "data.json").exists()
    assert len(json.loads((tmp_path / "r.json").read_text())["left_out"]) == 2
    for name in ("broken.mid", "other.csv", "deep/hang.mid"):
        (folder / name).unlink()
    options = ["--min-length", "2", "--max-gap", "5", "--drop-duplicates"]
    assert run(folder, tmp_path / "data.json", "--strict", *options) == 0  # what is asked for is no fault


def test_gaps_lengths_and_copies(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "copy.mid").write_bytes((folder / "4.mid").read_bytes())
    words = ["--max-gap", "5", "--min-length", "2", "--drop-duplicates", "--report", tmp_path / "r.json"]
    assert run(folder, tmp_path / "data.json", *words) == 0
    names = [sequence.name for sequence in read(tmp_path / "data.json")]
    assert names == ["1.mid", "2.mid", "3.mid", "4.mid", "deep/hang.mid", "table.csv#2"]
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["cut_into_parts"] == {"table.csv": 2}
    assert report["events_left_out"] == {
        "in sequences of fewer than 2": {"0.mid": 1, "table.csv#1": 1},
        "in sequences that tell the same as others": {"copy.mid": 5},
    }
    pairs = [(pair["name"], pair["of"], pair["score"]) for pair in report["near_duplicates"]]
    assert pairs == [("copy.mid", "4.mid", 1.0)]
    printed = capsys.readouterr().out
    assert "100% of copy.mid is in 4.mid" in printed
    assert re.search(r"1 +1  cuts at gaps", printed)


def test_names_are_told_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recordings of one session differ somewhere in the middle of long names."""
    names = [f"drummer1__session{number}__10_jazz-swing_110_beat_4-4.csv" for number in (1, 2)]
    for name in names:
        (tmp_path / name).write_text("time,x\n" + "".join(f"{i},{i * i % 17}\n" for i in range(40)))
    assert run(tmp_path, tmp_path / "data.json") == 0
    message = capsys.readouterr().out
    assert f"  100% of {names[1]}\n    is in {names[0]}\n" in message


def test_a_folder_of_tables_and_a_split_by_piece(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hachimachi.io.split import read_split, select

    assert run(folder, f"{tmp_path}/tables/", "--max-gap", "5") == 0
    assert (tmp_path / "tables" / "deep" / "hang.csv").is_file()
    (tmp_path / "split.json").write_text('{"train": ["table.csv", "deep/hang.mid"], "test": ["table#2"]}')
    split, data = read_split(tmp_path / "split.json"), read(tmp_path / "tables")
    assert [piece.name for piece in select(data, split, "train")] == [
        "table.csv#1.csv",
        "table.csv#2.csv",
        "deep/hang.csv",
    ]
    assert run("no file at all", tmp_path / "tables") == 1  # said before anything is read
    assert "there is something in this folder" in capsys.readouterr().err


def test_tracks_are_selected_by_their_file(tmp_path: Path) -> None:
    from hachimachi.io.split import read_split, select

    (tmp_path / "a.mid").write_bytes(make_midi(NOTE % (60, 60), NOTE % (40, 40)))
    (tmp_path / "b.mid").write_bytes(make_midi(NOTE % (60, 60), NOTE % (40, 40)))
    assert run(tmp_path / "a.mid", tmp_path / "b.mid", tmp_path / "data.json", "--split-tracks") == 0
    data = read(tmp_path / "data.json")
    assert len(data) == 4
    (tmp_path / "split.json").write_text(json.dumps({"train": ["a.mid"], "test": [data[2].name]}))
    split = read_split(tmp_path / "split.json")
    assert select(data, split, "train") == data[:2]
    assert select(data, split, "test") == data[2:3]


def test_columns_and_beats_and_controls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(
        make_midi(b"\x00\xb0\x01\x05\x60\xb0\x40\x7f" + NOTE % (60, 60) + b"\x83\x60" + (NOTE % (62, 62))[1:])
    )
    assert run(path, tmp_path / "a.csv", "--columns", "pitch, channel") == 0
    assert (tmp_path / "a.csv").read_text().startswith("time,pitch,channel#\n")
    assert run(path, tmp_path / "b.csv", "--time", "beats", "--columns", "pitch") == 0
    first, second = (row.split(",") for row in (tmp_path / "b.csv").read_text().splitlines()[1:])
    assert float(second[0]) - float(first[0]) == pytest.approx(1.2)
    assert "beats" in capsys.readouterr().out
    assert run(path, tmp_path / "c.csv", "--controls", "1,64") == 0
    assert (tmp_path / "c.csv").read_text().splitlines()[0] == "time,control#,value"
    assert [line.split(",")[1:] for line in (tmp_path / "c.csv").read_text().splitlines()[1:]] == [
        ["1", "5"],
        ["64", "127"],
    ]


WRONG = [
    (["--columns", "velocity"], 2, "notes need pitch"),
    (["--columns", "pitch,tempo"], 2, "'tempo'"),
    (["--controls", "x"], 2, "expected numbers of controllers"),
    (["--controls", ","], 2, "name at least one controller"),
    (["--controls", "128"], 2, "0 to 127"),
    (["--time", "bars"], 2, "seconds"),
    (["--max-gap", "0"], 2, "--max-gap"),
    (["--max-gap", "nan"], 2, "--max-gap"),
    (["--min-length", "0"], 2, "--min-length"),
    (["--min-length", "99"], 1, "--min-length: no sequence has 99 events; the longest has 3"),
    (["--report", "r.txt"], 1, "a report ends in .csv or .json"),
    (["--report", "table.csv"], 1, "is what it is to be made from"),
    (["--report", "./out.json"], 2, "is the output too"),
    (["--report", "no/r.csv"], 1, "there is no folder no to write into"),
    (["--split-tracks"], 1, "split_tracks: this is asked of MIDI files; there is none, but table.csv"),
    (["--time", "beats"], 1, "beats: this is asked of MIDI files"),
]


@pytest.mark.parametrize(
    ("words", "status", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_wrong_calls(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    assert run("table.csv", "out.json", *words) == status
    assert message in " ".join(capsys.readouterr().err.split())
    assert sorted(folder.rglob("*")) == before


def test_an_empty_folder_and_a_folder_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, tmp_path / "out.json") == 1
    (tmp_path / "notes.txt").touch()
    assert run(tmp_path, tmp_path / "out.json") == 1
    assert capsys.readouterr().err.count("no files ending in") == 2


def test_a_corrupt_file_among_a_thousand(tmp_path: Path, hxmx_process: Any) -> None:
    folder = tmp_path / "midi"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number:04}.mid").write_bytes(make_midi(NOTE % (number % 128, number % 128)))
    (folder / "0500.mid").write_bytes(os.urandom(64))
    done = hxmx_process("format", "midi", "data.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "999 sequences, from 999 files" in done.stdout
    assert re.search(r"1 +1  left out: not a MIDI file", done.stdout)
    assert "0500.mid" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not done.stderr
    assert len(read(tmp_path / "data.json")) == 999


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes of this kind")
@pytest.mark.parametrize("megabytes", [0, 7], ids=["here", "on all cores"])
def test_ctrl_c_ends_at_once_and_leaves_nothing(tmp_path: Path, megabytes: int) -> None:
    (tmp_path / "a.json").write_text("x" * (megabytes * 1_000_000 + 1))
    os.mkfifo(tmp_path / "z.csv")  # whoever reads it waits for ever
    words = [sys.executable, "-m", "hachimachi.cli", "format", "a.json", "z.csv", "out.json"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, (tmp_path / "z.csv").open("wb", buffering=0) as pipe:  # opens when it is being read
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        with pytest.raises(BrokenPipeError):  # its reader is gone too
            pipe.write(b"x")
    assert (out, err.strip()) == (b"", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "z.csv"]
