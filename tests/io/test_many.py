"""Many files: in their order, on all cores or here; what goes wrong with one leaves the others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hachimachi.errors import HachimachiError
from hachimachi.io import Report, many, read
from hachimachi.io.many import InputFile, cores, parallel_map, read_one
from hachimachi.io.midi import MidiOptions

NOTE = b"\x00\x90%c\x40\x60\x80%c\x40"
Bytes = Callable[..., bytes]
KILLER = """
import os
from hachimachi.io.many import _try

def attempt(file):
    if "bad" in file.name:
        os._exit(9)
    return _try(file)
"""
DIE = "__import__('os').kill(__import__('os').getpid(), 9)"
SLEEP = "__import__('time').sleep(60)"
WHERE = "__import__('os').getpid()"
SCRIPT = """
print("begun")
from hachimachi.io import many, read
many.APART, many.cores = 0, lambda: 2
print(len(read("midi")))
"""


HOW = pytest.mark.usefixtures("anywhere")


@pytest.fixture(params=["here", "on all cores"])
def anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(many, "APART", 0 if request.param == "on all cores" else 10**9)
    monkeypatch.setattr(many, "cores", lambda: 2)
    return request.param


def fill(folder: Path, midi_bytes: Bytes, count: int = 40) -> list[str]:
    """Files of one note each, whose pitch is the number of the file."""
    for number in range(count):
        path = folder / f"{number:03}.{'csv' if number % 10 == 7 else 'mid'}"
        if path.suffix == ".csv":
            path.write_text(f"time,pitch,velocity,~duration\n0,{number},64,0.1\n")
        else:
            path.write_bytes(midi_bytes(NOTE % (number, number)))
    return sorted(path.name for path in folder.iterdir())


@HOW
def test_the_order_is_that_of_the_files(tmp_path: Path, midi_bytes: Bytes) -> None:
    names, report = fill(tmp_path, midi_bytes), Report()
    shown: list[Path] = []
    found = read(tmp_path, report, progress=lambda files: (shown.append(path) or path for path in files))
    assert [sequence.name for sequence in found] == names == [path.name for path in shown]
    assert [sequence.column("pitch")[0] for sequence in found] == list(range(40))
    assert (report.files, report.sequences, report.events) == (40, 40, 40)
    assert report.constants == {"instrument": 0.0}


@HOW
def test_one_corrupt_file_among_many(tmp_path: Path, midi_bytes: Bytes) -> None:
    fill(tmp_path, midi_bytes)
    (tmp_path / "012.mid").write_bytes(b"MThd\0\0")
    (tmp_path / "020.mid").write_bytes(b"")
    (tmp_path / "017.csv").write_text("time,pitch\n0,1\n")
    report = Report()
    assert len(read(tmp_path, report)) == 37
    assert list(report.refused) == ["012.mid", "020.mid", "017.csv"]
    assert "truncated" in report.refused["012.mid"]
    assert report.refused["020.mid"] == "the file is empty"
    assert "found the columns time,pitch, expected" in report.refused["017.csv"]


def test_a_process_that_dies_costs_one_file(
    tmp_path: Path, midi_bytes: Bytes, monkeypatch: pytest.MonkeyPatch, anywhere: str
) -> None:
    if anywhere == "here":
        pytest.skip("there is no process to die")
    folder, code = tmp_path / "midi", tmp_path / "code"
    folder.mkdir()
    code.mkdir()
    (code / "killer.py").write_text(KILLER)
    monkeypatch.syspath_prepend(code)
    fill(folder, midi_bytes)
    (folder / "011 bad.mid").write_bytes(midi_bytes(NOTE % (1, 1)))
    from killer import attempt  # pyright: ignore[reportMissingImports]

    monkeypatch.setattr(many, "_try", attempt)
    report = Report()
    assert len(read(folder, report)) == 40
    assert list(report.refused) == ["011 bad.mid"]
    assert "the process that read it died; is there memory enough" in report.refused["011 bad.mid"]
    del sys.modules["killer"]


def test_a_mistake_of_ours_costs_one_file_and_asks_for_a_report(
    tmp_path: Path, midi_bytes: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hachimachi.io.midi import read as midi_read

    fill(tmp_path, midi_bytes, 6)
    real = midi_read.parse

    def fail(data: bytes, name: str, report: Report, **options: MidiOptions) -> object:
        if name == "003.mid":
            raise IndexError("list index out of range")
        return real(data, name, report, **options)

    monkeypatch.setattr(midi_read, "parse", fail)
    report = Report()
    assert len(read(tmp_path, report)) == 5
    assert "mistake of hachimachi's: IndexError" in report.refused["003.mid"]
    assert "please report it" in report.refused["003.mid"]
    with pytest.raises(IndexError):
        read_one(InputFile(tmp_path / "003.mid", "003.mid"), Report())


def test_many_sequences_without_names_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"sequences": [{"data": [[1]]}, {"name": "b", "data": [[2]]}, {"data": [[3]]}]}')
    assert [sequence.name for sequence in read(tmp_path / "a.json")] == ["a.json#1", "b", "a.json#3"]


@HOW
def test_midi_options_reach_the_files_on_all_cores(tmp_path: Path, midi_bytes: Bytes) -> None:
    for number in range(8):
        (tmp_path / f"{number}.mid").write_bytes(midi_bytes(NOTE % (60, 60)))
    found = read(tmp_path, midi=MidiOptions(columns=("pitch", "channel"), beats=True))
    assert [feature.name for feature in found[0].features] == ["pitch", "channel"]


def test_instrument_stays_where_tables_have_it(tmp_path: Path, midi_bytes: Bytes) -> None:
    (tmp_path / "a.mid").write_bytes(midi_bytes(NOTE % (60, 60)))
    (tmp_path / "b.csv").write_text("time,pitch,velocity,~duration,instrument#\n0,1,64,0.1,7\n")
    report = Report()
    found = read(tmp_path, report)
    assert [sequence.column("instrument")[0] for sequence in found] == [0, 7]
    assert not report.constants


@pytest.mark.parametrize(
    ("options", "names", "words"),
    [
        (
            MidiOptions(split_tracks=True),
            ["a.csv"],
            "split_tracks: this is asked of MIDI files; there is none, but a.csv",
        ),
        (MidiOptions(controls=(1,), beats=True), ["a.csv"], "beats, controls: this is asked of MIDI files"),
        (MidiOptions(beats=True), ["a.csv", "b.mid"], "beats: a.csv is no MIDI file"),
    ],
)
def test_what_is_asked_of_midi_files_needs_some(
    tmp_path: Path, midi_bytes: Bytes, options: MidiOptions, names: list[str], words: str
) -> None:
    (tmp_path / "a.csv").write_text("time,pitch,velocity,~duration\n0,1,64,0.1\n")
    (tmp_path / "b.mid").write_bytes(midi_bytes(NOTE % (60, 60)))
    with pytest.raises(HachimachiError, match=words):
        read([tmp_path / name for name in names], midi=options)


def lose(item: str) -> str:
    return f"{len(item)} lost"


def test_results_come_in_the_order_of_the_items() -> None:
    items = [f"{number} * 2" for number in range(40)]
    assert list(parallel_map(eval, items, lose, 3)) == [number * 2 for number in range(40)]


def test_processes_are_others_and_live_on() -> None:
    found = list(parallel_map(eval, [WHERE] * 12, lose, 2))
    assert os.getpid() not in found
    assert len(set(found)) <= 2


@pytest.mark.skipif(os.name == "nt", reason="a signal is a status there")
def test_a_process_that_dies_takes_one_item_with_it() -> None:
    items = [DIE if number % 5 == 2 else str(number) for number in range(10)]
    assert list(parallel_map(eval, items, lose, 2)) == [f"{len(DIE)} lost" if n % 5 == 2 else n for n in range(10)]


def test_to_close_it_ends_everything_at_once() -> None:
    start = time.monotonic()
    with closing(parallel_map(eval, ["1", SLEEP, SLEEP, SLEEP], lose, 2)) as results:
        assert next(results) == 1
    assert time.monotonic() - start < 30  # far less than one of them sleeps


@pytest.mark.parametrize("error", [OSError("no"), NotImplementedError("no semaphores")])
def test_where_no_process_can_be_started_the_work_is_done_here(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", refuse)
    assert list(parallel_map(eval, [WHERE] * 3, lose, 2)) == [os.getpid()] * 3


@pytest.mark.skipif(os.name == "nt", reason="/bin/false is not there")
def test_where_processes_end_before_they_begin_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.spawn._python_exe", b"/bin/false")
    assert list(parallel_map(eval, [WHERE] * 3, lose, 2)) == [os.getpid()] * 3


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_script_without_a_main_guard_runs_once(tmp_path: Path, midi_bytes: Bytes, way: str) -> None:
    (tmp_path / "midi").mkdir()
    fill(tmp_path / "midi", midi_bytes)
    (tmp_path / "script.py").write_text(SCRIPT)
    words = [sys.executable, "script.py"] if way == "file" else [sys.executable, "-"]
    done = subprocess.run(words, cwd=tmp_path, input=SCRIPT, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr) == ("begun\n40\n", "")


def test_there_is_at_least_one_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
