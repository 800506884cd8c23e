"""The whole road through the real command line, on real files: format, train, gen, info, eval."""

import csv
import json
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hachimachi import io
from hachimachi.cli import main
from hachimachi.events import EventSequence

SMALL = ("model.size=16", "head.components=3", "trainer.max_epochs=3", "logger=none")
Step = Callable[..., str]


@pytest.fixture
def hxmx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Step:
    """Run one command in an empty folder; return what it prints. It must end well, and say nothing of errors."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> str:
        with pytest.raises(SystemExit) as done:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        assert done.value.code == 0, printed.err
        assert printed.err == ""
        return printed.out

    return run


def table(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return header, np.array(rows, dtype=np.float64)


def check_notes(path: Path, data: EventSequence, events: int) -> None:
    """Check what was generated as CSV against what was learned from."""
    header, rows = table(path)
    assert header == ["time", "pitch", "velocity", "~duration", *(["instrument#"] if len(data.features) > 3 else [])]
    assert rows.shape == (events, len(header))
    time, pitch, velocity, duration = rows.T[:4]
    assert time[0] == 0
    assert (np.diff(time) >= 0).all()
    assert 0 < time[-1] < 60 * events
    for values in (pitch, velocity):
        assert (values == values.round()).all()
        assert ((values >= 0) & (values <= 127)).all()
    _, often = np.unique(data.column("pitch"), return_counts=True)
    assert len(set(pitch)) > 1 or often.max() > 0.8 * len(data)  # one drum throughout is all that some fills are
    assert (duration >= 0).all()
    if len(data.features) > 3:
        assert set(rows[:, 4]) <= set(data.column("instrument"))


def test_a_piano_piece_in_processes_of_their_own(shared_data: Path, tmp_path: Path, hxmx_process: Any) -> None:
    """Every step in a process of its own, in the words of the manual."""

    def run(*words: str | Path) -> str:
        done = hxmx_process(*words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert all(len(line) <= 80 for line in done.stdout.splitlines())
        return done.stdout

    source = shared_data / "piano_midi_de_small" / "midi" / "Burgmueller__burg_quelle.mid"
    (tmp_path / "file.mid").write_bytes(source.read_bytes())
    assert "Acoustic Grand Piano" in run("format", "file.mid", "data.json")
    [data] = io.read(tmp_path / "data.json")
    printed = run("train", "data.json", "model.pt", *SMALL)
    assert f"{len(data):,} events" in printed
    assert "marginal baseline" in printed
    assert "100 events" in run("gen", "model.pt", "output.csv", "-n", "100")
    check_notes(tmp_path / "output.csv", data, 100)
    assert "gru" in run("info", "model.pt")
    figures = json.loads(run("eval", "model.pt", "data.json", "--json"))
    assert figures["events"] == len(data)
    assert 0 < figures["nats_per_event"] < figures["marginal"] + 5
    left = ["data.json", "file.mid", "model.pt", "output.csv", "outputs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left


@pytest.mark.parametrize(
    "name",
    ["groove_dev/midi/drummer5__session2__18_latin-brazilian-samba_93_beat_4-4.mid", "freedoom_small/midi/d_dm30.mid"],
)
def test_drums_and_many_instruments(shared_data: Path, tmp_path: Path, hxmx: Step, name: str) -> None:
    hxmx("format", shared_data / name, "data.json")
    [data] = io.read("data.json")
    hxmx("train", "data.json", "model.pt", *SMALL)
    hxmx("gen", "model.pt", "output.csv", "-n", "60")
    check_notes(tmp_path / "output.csv", data, 60)
    hxmx("gen", "model.pt", "output.json", "-n", "60")
    [again] = io.read("output.json")
    header, rows = table(tmp_path / "output.csv")
    np.testing.assert_allclose(rows[:, 1:], again.data, atol=1e-6)  # the same seed gives the same events
    assert len(header) == 1 + len(again.features)
    assert [feature.name for feature in again.features] == [feature.name for feature in data.features]
    hxmx("gen", "model.pt", "output.mid", "--seconds", "5", "--seed", "3")
    [heard] = io.read("output.mid")
    assert 0 < heard.seconds <= 5.01
    hxmx("gen", "model.pt", "output.wav", "-n", "8")
    with wave.open("output.wav") as sound:
        assert sound.getframerate() == 44100
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    assert np.abs(samples).max() > 1000
    assert data.features[0].name in hxmx("info", "data.json")
    assert "marginal baseline" in hxmx("info", "model.pt")
    assert "nats per event" in hxmx("eval", "model.pt", "data.json")


def test_a_controller(shared_data: Path, tmp_path: Path, hxmx: Step) -> None:
    source = shared_data / "control_impsy4d_small" / "csv" / "impsy4d_24.csv"
    hxmx("format", source, "data.csv")
    [data] = io.read("data.csv")
    assert data.temporal
    hxmx("train", "data.csv", "model.pt", *SMALL, "model=lstm")
    hxmx("gen", "model.pt", "output.csv", "-n", "50", "--primer", "data.csv", "--temperature", "0.8")
    header, rows = table(tmp_path / "output.csv")
    assert header == ["time", "x", "y", "z"]
    assert rows.shape == (50, 4)
    assert (np.diff(rows[:, 0]) >= 0).all()
    assert np.isfinite(rows).all()
    spread = np.ptp(data.data, axis=0)
    assert (np.abs(rows[:, 1:] - data.data.mean(0)) < 11 * spread).all()
    hxmx("gen", "model.pt", "output.json", "-n", "50", "--primer", "data.csv", "--with-primer")
    [joined] = io.read("output.json")
    assert len(joined) == len(data) + 50
    assert "x" in hxmx("info", "model.pt")
    assert "nats per event" in hxmx("eval", "model.pt", "data.csv")


def save_atemporal(path: Path) -> None:
    features = {
        "0": {"name": "shape", "categorical": True},
        "1": {"name": "size"},
        "2": {"name": "end", "masked": True},
    }
    rows = [[step % 3 * 10, 0.5 * (step % 4), step % 5] for step in range(80)]
    path.write_text(json.dumps({"features": features, "data": rows}), encoding="utf-8")


def test_events_without_time(tmp_path: Path, hxmx: Step, capsys: pytest.CaptureFixture[str]) -> None:
    save_atemporal(tmp_path / "data.json")
    hxmx("train", "model=gru", *SMALL, "trainer.max_epochs=2")  # data.json and model.pt are the names by default
    hxmx("gen", "model.pt", "output.csv", "-n", "40")
    header, rows = table(tmp_path / "output.csv")
    assert header == ["shape#", "size", "~end"]
    assert rows.shape == (40, 3)
    assert set(rows[:, 0]) <= {0, 10, 20}
    assert (rows[:, 2] == rows[:, 2].round()).all()
    hxmx("gen", "model.pt", "output.json", "-n", "40")
    content = json.loads((tmp_path / "output.json").read_text())
    assert "time" not in content
    assert len(content["data"]) == 40
    assert "shape" in hxmx("info", "model.pt")
    assert "nats per event" in hxmx("eval", "model.pt", "output.json")
    for words in (["gen", "model.pt", "output.mid"], ["gen", "model.pt", "output.csv", "--seconds", "3"]):
        with pytest.raises(SystemExit) as done:
            main(words)
        assert done.value.code == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "output.mid").exists()


def test_a_folder_of_pieces(shared_data: Path, tmp_path: Path, hxmx: Step) -> None:
    (tmp_path / "takes").mkdir()
    for number in range(3, 11):
        [source] = (shared_data / "groove_dev" / "midi").glob(f"drummer8__session2__{number}_*.mid")
        (tmp_path / "takes" / f"{number}.mid").write_bytes(source.read_bytes())
    (tmp_path / "takes" / "broken.mid").write_bytes(b"MThd")
    formatted = hxmx("format", "takes", "data.json")
    assert "broken.mid" in formatted
    assert "8 sequences" in formatted
    assert "of them held out in 1 sequence" in hxmx("train", "data.json", "model.pt", *SMALL, "trainer.max_epochs=1")
    hxmx("gen", "model.pt", "output.mid", "-n", "20")


def road(source: Path, folder: Path) -> None:
    """Walk it once, in one process for all four commands, as importing torch takes longest."""
    lines = [["format", str(source), "data.json"], ["train", "data.json", "model.pt", *SMALL, "trainer.max_epochs=1"]]
    lines += [["gen", "model.pt", "output.csv", "-n", "30"], ["gen", "model.pt", "output.mid", "-n", "30"]]
    code = f"""
from hachimachi.cli import main
for words in {lines!r}:
    try:
        main(words)
    except SystemExit as done:
        assert not done.code, (words, done.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, ""), source
    [data] = io.read(folder / "data.json")
    check_notes(folder / "output.csv", data, 30)


@pytest.mark.slow
@pytest.mark.parametrize(("corpus", "every"), [("freedoom_small", 1), ("groove_dev", 60), ("piano_midi_de_small", 10)])
def test_the_road_on_many_files(shared_data: Path, tmp_path: Path, corpus: str, every: int) -> None:
    sources = sorted((shared_data / corpus / "midi").glob("*.mid"))[::every]
    assert len(sources) >= 12
    for place, source in enumerate(sources):
        (tmp_path / str(place)).mkdir()
        road(source, tmp_path / str(place))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fresh", "piano", "drums", "multi", "control"])
def test_the_default_command_learns(shared_data: Path, tmp_path: Path, hxmx: Step, name: str) -> None:
    hxmx("train", shared_data / "single" / f"{name}_train.json", "model.pt")
    figures = json.loads(hxmx("eval", "model.pt", shared_data / "single" / f"{name}_test.json", "--json"))
    assert figures["nats_per_event"] < figures["marginal"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "outputs"]
