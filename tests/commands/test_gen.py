"""`hxmx gen` through the real command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi.checkpoint import save_model
from hachimachi.cli import main
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import Report, read, write
from hachimachi.io.formats import WRITERS
from hachimachi.io.midi import NOTES
from hachimachi.models.event_model import build_model

SMALL = {"name": "gru", "size": 8}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models of notes, of notes of two instruments, of controllers, and of events without time."""
    torch.manual_seed(0)
    chance = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("models")
    pitch, velocity = chance.integers(48, 72, 80), chance.integers(40, 100, 80)
    notes = np.column_stack([pitch, velocity, chance.uniform(0.1, 1, 80), chance.choice([0, 128], 80)]).astype(float)
    time = np.cumsum(chance.exponential(0.1, 80))
    knobs = chance.beta(2, 2, (80, 2))
    for name, data in {
        "notes": EventSequence(NOTES[:3], notes[:, :3], time),
        "band": EventSequence(NOTES, notes, time),
        "knobs": EventSequence((Feature("x", min=0, max=1), Feature("y", min=0, max=1)), knobs, time),
        "timeless": EventSequence(NOTES[:2], notes[:, :2]),
    }.items():
        save_model(build_model([data], SMALL, {"name": "mixture", "components": 3}), folder / f"{name}.pt")
    write(folder / "primer.mid", EventSequence(NOTES[:3], notes[:30, :3], time[:30]))
    write(folder / "knobs.csv", make_sequence(knobs[:9], time[:9], ["x", "y"]))
    return folder


class Outcome:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def gen(capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main(["gen", *map(str, words)])
        output = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), output.out, output.err)

    return run


def test_csv_has_the_columns_of_the_training_data(gen, home: Path, tmp_path: Path) -> None:
    outcome = gen(home / "notes.pt", tmp_path / "out.csv")
    assert outcome.status == 0
    assert outcome.out.startswith(f"{tmp_path / 'out.csv'}: 1,000 events, ")
    assert outcome.err == ""
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "time,pitch,velocity,~duration"
    assert len(lines) == 1001
    assert lines[1].startswith("0,")
    gen(home / "band.pt", tmp_path / "out.csv", "-n", 3)  # what was there is replaced
    assert (tmp_path / "out.csv").read_text().startswith("time,pitch,velocity,~duration,instrument#\n0")
    gen(home / "timeless.pt", tmp_path / "timeless.csv", "-n", 3)
    assert (tmp_path / "timeless.csv").read_text().startswith("pitch,velocity\n")


def test_every_format_holds_the_same_events(gen, home: Path, tmp_path: Path) -> None:
    for suffix in ("csv", "json", "mid", "wav"):
        assert gen(home / "notes.pt", tmp_path / f"out.{suffix}", "-n", 60, "--seed", 3).status == 0
    csv, json, mid = (read(tmp_path / f"out.{suffix}")[0] for suffix in ("csv", "json", "mid"))
    assert json.features[0] == NOTES[0]  # bounds and kinds travel in JSON
    assert np.array_equal(csv.data, json.data)
    assert csv.time is not None
    assert mid.time is not None
    assert sorted(mid.column("pitch").tolist()) == sorted(csv.column("pitch").tolist())
    assert np.allclose(mid.time, csv.time, atol=1e-3)
    assert (tmp_path / "out.wav").read_bytes()[:4] == b"RIFF"
    assert len((tmp_path / "out.wav").read_bytes()) > 44100


def test_instruments_go_to_midi(gen, home: Path, tmp_path: Path) -> None:
    assert gen(home / "band.pt", tmp_path / "out.mid", "-n", 100).status == 0
    (made,) = read(tmp_path / "out.mid")
    assert set(made.column("instrument")) == {0.0, 128.0}


def test_the_same_seed_gives_the_same_file(gen, home: Path, tmp_path: Path) -> None:
    for name, words in {"a": (), "b": ("--seed", 0), "c": ("--seed", 1), "d": ("--temperature", 0.5)}.items():
        gen(home / "notes.pt", tmp_path / f"{name}.csv", "-n", 50, *words)
    a, b, c, d = ((tmp_path / f"{name}.csv").read_bytes() for name in "abcd")
    assert a == b
    assert len({a, c, d}) == 3


def test_seconds(gen, home: Path, tmp_path: Path) -> None:
    assert gen(home / "notes.pt", tmp_path / "out.csv", "--seconds", 2.5).status == 0
    (made,) = read(tmp_path / "out.csv")
    assert 3 < len(made) < 1000
    assert made.seconds <= 2.5


def test_a_midi_primer_is_heard_and_written_on_request(gen, home: Path, tmp_path: Path) -> None:
    primer = home / "primer.mid"
    for model in ("notes", "band"):
        words = (home / f"{model}.pt", tmp_path / f"{model}.csv", "-n", 20, "--primer", primer)
        assert gen(*words).status == 0
        (alone,) = read(tmp_path / f"{model}.csv")
        assert len(alone) == 20
        assert alone.time is not None
        assert 0 <= alone.time[0] < 60  # since the primer's last event
        assert gen(*words, "--with-primer").status == 0
        (both,) = read(tmp_path / f"{model}.csv")
        assert len(both) == 50
        assert np.array_equal(both.data[30:], alone.data)
        assert np.array_equal(both.data[:30, 0], read(primer)[0].column("pitch"))
    gen(home / "notes.pt", tmp_path / "deaf.csv", "-n", 20)
    assert (tmp_path / "deaf.csv").read_text() != (tmp_path / "notes.csv").read_text()


def test_takes_are_those_of_the_seeds_that_follow(gen, home: Path, tmp_path: Path) -> None:
    words = ("-n", 20, "--primer", home / "primer.mid", "--temperature", 0.8)
    outcome = gen(home / "notes.pt", tmp_path / "takes.json", "--count", 3, "--seed", 5, *words)
    assert outcome.status == 0
    assert "3 takes, 60 events" in outcome.out
    takes = read(tmp_path / "takes.json")
    assert [take.name for take in takes] == ["seed 5", "seed 6", "seed 7"]
    assert gen(home / "notes.pt", tmp_path / "one.json", "--seed", 6, *words).status == 0
    (one,) = read(tmp_path / "one.json")
    assert np.array_equal(one.data, takes[1].data)
    assert one == replace(takes[1], name=one.name)
    assert gen(home / "notes.pt", tmp_path / "take.csv", "--count", 12, "--seed", 5, *words).status == 0
    assert len(list(tmp_path.glob("take-*.csv"))) == 12
    assert np.array_equal(read(tmp_path / "take-02.csv")[0].data, takes[1].data)


def test_as_much_of_a_primer_as_is_wanted(gen, home: Path, tmp_path: Path) -> None:
    primer = read(home / "primer.mid")[0]
    assert primer.time is not None
    sixth = float(primer.time[5] - primer.time[0])
    words = (home / "notes.pt", tmp_path / "out.csv", "-n", 3, "--primer", home / "primer.mid", "--with-primer")
    for more in (("--primer-events", 6), ("--primer-seconds", sixth + 1e-4)):
        assert gen(*words, *more).status == 0
        assert np.array_equal(read(tmp_path / "out.csv")[0].data[:-3], primer.data[:6])
    gen(*words, "--primer-events", 999)
    assert len(read(tmp_path / "out.csv")[0]) == 33


@pytest.mark.parametrize(
    ("status", "words", "message"),
    [
        (1, ["notes.pt", "out.txt"], f"suffix '.txt'; hachimachi can write {' '.join(WRITERS)}"),
        (1, ["notes.pt", "out"], "no suffix"),
        (1, ["missing.pt", "out.csv"], "missing.pt: no such file; expected a model"),
        (1, ["primer.mid", "out.csv"], "primer.mid: damaged, or not a model file"),
        (1, ["knobs.csv", "out.csv"], "knobs.csv: damaged, or not a model file"),
        (1, ["notes.pt", "nowhere/out.csv"], "there is no folder"),
        (1, ["notes.pt", "out.csv", "--primer", "missing.mid"], "missing.mid: there is no such file"),
        (1, ["notes.pt", "out.csv", "--primer", "notes.pt"], "suffix '.pt'"),
        (1, ["notes.pt", "out.csv", "--primer", "knobs.csv"], "features are x, y; the model expects pitch, velocity"),
        (1, ["knobs.pt", "out.mid"], "notes need time and a feature named pitch, found x, y with time"),
        (1, ["knobs.pt", "out.wav"], "notes need time and a feature named pitch"),
        (1, ["timeless.pt", "out.mid"], "notes need time and a feature named pitch"),
        (1, ["timeless.pt", "out.csv", "--seconds", "3"], "this model knows no time"),
        (2, ["notes.pt", "out.csv", "-n", "-3"], "-3 is not in the range x>=1"),
        (2, ["notes.pt", "out.csv", "-n", "0"], "0 is not in the range"),
        (2, ["notes.pt", "out.csv", "-n", "many"], "'many' is not a valid integer"),
        (2, ["notes.pt", "out.csv", "--temperature", "nan"], "'nan' is not a finite number"),
        (2, ["notes.pt", "out.csv", "--temperature", "-1"], "-1.0 is not in the range"),
        (2, ["notes.pt", "out.csv", "--seconds", "inf"], "'inf' is not a finite number"),
        (2, ["notes.pt", "out.csv", "--seconds", "0"], "0.0 is not in the range"),
        (2, ["notes.pt", "out.csv", "--seed", "-1"], "-1 is not in the range"),
        (2, ["notes.pt", "out.csv", "--with-primer"], "--with-primer needs --primer FILE"),
        (2, ["notes.pt", "out.csv", "--primer-events", "3"], "--primer-events needs --primer FILE"),
        (2, ["notes.pt", "out.csv", "--count", "0"], "0 is not in the range"),
        (1, ["knobs.pt", "out.csv", "--polyphony", "4"], "polyphony needs time and a feature named duration"),
        (2, ["notes.pt"], "Missing argument 'OUTPUT'"),
        (2, ["notes.pt", "out.csv", "out.mid"], "unexpected extra argument"),
        (2, ["notes.pt", "out.csv", "--tempo", "1"], "No such option"),
    ],
)
def test_wrong_calls_leave_no_file(
    gen, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [str(home / word) if (home / word).exists() else word for word in words]
    outcome = gen(*words)
    assert outcome.status == status
    assert outcome.out == ""
    assert message in outcome.err.splitlines()[-1]
    assert status == 2 or len(outcome.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_read_is_written_over(gen, home: Path) -> None:
    before = (home / "primer.mid").read_bytes()
    outcome = gen(home / "notes.pt", home / "primer.mid", "--primer", home / "primer.mid")
    assert outcome.status == 1
    assert "is what it is to be made from" in outcome.err
    assert (home / "primer.mid").read_bytes() == before


def test_a_primer_of_several_sequences_is_refused(gen, home: Path, tmp_path: Path) -> None:
    (primer,) = read(home / "primer.mid")
    write(tmp_path / "two.json", [primer, primer])
    outcome = gen(home / "notes.pt", tmp_path / "out.csv", "--primer", tmp_path / "two.json")
    assert outcome.status == 1
    assert "two.json: holds 2 sequences; a primer is one" in outcome.err


@pytest.mark.parametrize("folder", ["takes/", "takes.arrow/"])
def test_a_folder_holds_all_takes(home: Path, tmp_path: Path, folder: str) -> None:
    with pytest.raises(SystemExit) as done:
        main(["gen", str(home / "notes.pt"), f"{tmp_path}/{folder}", "-n", "5", "--count", "3"])
    assert not done.value.code
    made = [(each.name.removesuffix(".csv"), len(each)) for each in read(tmp_path / folder)]
    assert made == [(f"seed {seed}", 5) for seed in range(3)]


def test_what_began_with_the_drummers_base_sounds_as_drums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for output in ("take.mid", "take.csv"):
        with pytest.raises(SystemExit, match="0"):
            main(["gen", "drums", output, "-n", "40"])
    report = Report()
    assert len(read("take.mid", report)[0]) == 40
    assert report.constants == {"instrument": 128}
    assert "instrument" not in (tmp_path / "take.csv").read_text().splitlines()[0]
