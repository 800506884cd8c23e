"""The options that say how to draw: the same for `hxmx gen` and `hxmx eval`, and both agree."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi import plugins
from hachimachi.checkpoint import save_model
from hachimachi.events import EventSequence
from hachimachi.io import read, write
from hachimachi.io.midi import NOTES
from hachimachi.models.event_model import build_model
from hachimachi.player.engine import Voices
from tests.commands.conftest import Said, read_table
from tests.conftest import chi_square

Run = Callable[..., tuple[int, str, str]]
HEADS = plugins.names("head")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a model of it for each head, its columns depending on each other."""
    torch.manual_seed(0)
    chance, folder = np.random.default_rng(0), tmp_path_factory.mktemp("options")
    pitch = chance.integers(55, 68, 300)
    notes = np.column_stack([pitch, 2 * pitch - 50, chance.choice([0.1, 0.2, 0.5], 300), chance.choice([0, 128], 300)])
    data = EventSequence(NOTES, notes.astype(float), np.cumsum(chance.choice([0, 0.1, 0.2], 300)), "data")
    for head in HEADS:
        model = build_model([data], {"name": "gru", "size": 8}, {"name": head})
        with torch.no_grad():
            for weight in model.head.parameters():
                weight.add_(0.2 * torch.randn_like(weight))
        save_model(model, folder / f"{head}.pt")
    write(folder / "data.json", data[:40])
    return folder


@pytest.fixture
def hxmx(hxmx_said: Said) -> Said:
    return hxmx_said


WAYS = [
    ["--given", "pitch=60"],
    ["--temperature", "0.7", "--scale", "pitch=C minor"],
    ["--temperature", "time=1.3,pitch=0.8", "--min-p", "0.05"],
    ["--top-p", "0.9", "--only", "instrument=128", "--range", "velocity=60:80,pitch=57:"],
    ["--range", "duration=:0.3"],
]


def compare(hxmx: Run, home: Path, folder: Path, model: str, words: list[str], count: int) -> None:
    """Draw the event after a primer many times, and hold what is drawn against the table, column by column."""
    primer = [home / f"{model}.pt", folder / "takes.json", "--primer", home / "data.json", "--primer-events", 12]
    assert hxmx("gen", *primer, "-n", 1, "--count", count, *words)[0] == 0
    table = ["--table", "0:12", folder / "table.csv"]
    assert hxmx("eval", home / f"{model}.pt", home / "data.json", *table, *words)[0] == 0
    takes = np.array([[take.time[0], *take.data[0]] for take in read(folder / "takes.json") if take.time is not None])
    assert len(takes) == count
    actual = dict(zip(NAMES, read(home / "data.json")[0].rows()[12].tolist(), strict=True))
    tables: dict[str, list[dict[str, str]]] = {}
    for row in read_table(folder / "table.csv"):
        tables.setdefault(row["feature"], []).append(row)
    for name, rows in tables.items():
        low, high, p = (np.array([float(row[key]) for row in rows]) for key in ("low", "high", "p"))
        values = takes[:, NAMES.index(name)]
        bins = [find_bin(low, high, value) for value in values]
        assert p.sum() == pytest.approx(1, abs=1e-6)
        assert chi_square(np.bincount(bins, minlength=len(p)).astype(float), p) < 5, name
        if (p > 0).sum() > 1:  # what is drawn later is stated given this
            takes = takes[np.array(bins) == find_bin(low, high, actual[name])]
        if len(takes) < 100:
            return


NAMES = ["time", *(feature.name for feature in NOTES)]


def find_bin(low: np.ndarray, high: np.ndarray, value: float) -> int:
    """Return the bin of a value; times that were added up and taken apart again are a rounding error away."""
    return int(np.flatnonzero((low - 1e-9 <= value) & ((value < high - 1e-9) | (low == high)))[-1])


@pytest.mark.parametrize("words", WAYS[:2], ids=" ".join)
@pytest.mark.parametrize("head", HEADS)
def test_takes_agree_with_the_table(hxmx: Run, home: Path, tmp_path: Path, head: str, words: list[str]) -> None:
    compare(hxmx, home, tmp_path, head, words, 500)


@pytest.mark.slow
@pytest.mark.parametrize("words", WAYS, ids=" ".join)
@pytest.mark.parametrize("head", HEADS)
def test_many_takes_agree_with_the_table(
    hxmx: Run, home: Path, tmp_path: Path, head: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Voices, "repeats", lambda *_: False)  # the table is of what is drawn before any is drawn again
    compare(hxmx, home, tmp_path, head, words, 20_000)


@pytest.mark.parametrize("words", WAYS[1:], ids=" ".join)
@pytest.mark.parametrize("head", HEADS)
def test_the_actual_row_of_a_table_is_its_surprise(
    hxmx: Run, home: Path, tmp_path: Path, head: str, words: list[str]
) -> None:
    files = ["--surprise", tmp_path / "s.csv", "--table", "0:12", tmp_path / "t.csv"]
    status, out, _ = hxmx("eval", home / f"{head}.pt", home / "data.json", "--json", *files, *words)
    assert status == 0
    figures, surprises = json.loads(out), read_table(tmp_path / "s.csv")
    actual = dict(zip(NAMES, read(home / "data.json")[0].rows()[12].tolist(), strict=True))
    tables = read_table(tmp_path / "t.csv")
    assert list(surprises[0])[2:-1] == figures["order"] == list(dict.fromkeys(row["feature"] for row in tables))
    for name in figures["order"]:
        rows = [row for row in tables if row["feature"] == name]
        low, high = (np.array([float(row[key]) for row in rows]) for key in ("low", "high"))
        p = float(rows[find_bin(low, high, actual[name])]["p"])
        assert p == pytest.approx(math.exp(-float(surprises[11][name])), rel=1e-9)
    totals = np.array([float(row["total"]) for row in surprises])
    assert figures["excluded"] == np.isinf(totals).sum()
    mean = figures["nats_per_event"]
    assert totals.mean() == (pytest.approx(mean, abs=1e-9) if mean is not None else math.inf)


def test_what_is_never_played_is_told(hxmx: Run, home: Path) -> None:
    status, out, _ = hxmx("eval", home / "mixture.pt", home / "data.json", "--given", "pitch=60")
    assert status == 0
    assert "events are never played with these options: they cost infinity" in out


@pytest.mark.parametrize(
    ("status", "words", "message"),
    [
        (2, ["--temperature", "nan"], "'nan' is not a finite number"),
        (2, ["--temperature", "pitch=nan"], "'nan' is not a finite number"),
        (2, ["--temperature", "pitch=-1"], "-1.0 is not in the range"),
        (2, ["--temperature", "pitch=1,2"], "pitch has 2 values; expected one"),
        (2, ["--temperature", "0.9", "--temperature", "pitch=1"], "one number for all, or numbers by name, not both"),
        (2, ["--top-p", "0"], "0.0 is not in the range 0<x<=1"),
        (2, ["--min-p", "1.5"], "1.5 is not in the range"),
        (2, ["--range", "velocity"], "'velocity': expected NAME=LOW:HIGH"),
        (2, ["--range", "velocity=40"], "velocity=40: expected LOW:HIGH, such as 40:110"),
        (2, ["--range", "velocity=110:40"], "expected the lower number first"),
        (2, ["--range", "velocity=a:b"], "'a' is not a finite number"),
        (2, ["--range", "velocity=nan:3"], "'nan' is not a finite number"),
        (2, ["--range", "=1:3"], "expected NAME=LOW:HIGH"),
        (2, ["--only", "instrument=0,,128"], "expected NAME=V,V"),
        (2, ["--given", "pitch=60,62"], "expected one value; --only takes several"),
        (2, ["--polyphony", "0"], "0 is not in the range"),
        (1, ["--scale", "pitch=H minor"], "scale 'H minor': expected a note and a scale"),
        (1, ["--given", "pich=60"], "constraint for 'pich': no such column; there are time, pitch, velocity"),
        (1, ["--temperature", "pich=1"], "temperature for 'pich': no such column"),
        (1, ["--given", "pitch=200"], "pitch: nothing that it can play is allowed by given 200; expected 0 to 127 in"),
        (1, ["--given", "pitch=61", "--scale", "pitch=C major"], "allowed by scale C major and given 61; expected 0"),
        (1, ["--scale", "velocity=A minor"], "velocity: scale A minor is of notes; expected pitch, or whole numbers"),
        (
            1,
            ["--only", "instrument=7"],
            "nothing that it can play is allowed by only 7; expected one of 0, 128",
        ),
    ],
)
def test_wrong_options(hxmx: Run, home: Path, tmp_path: Path, status: int, words: list[str], message: str) -> None:
    for call in (["gen", home / "mixture.pt", tmp_path / "out.csv"], ["eval", home / "mixture.pt", home / "data.json"]):
        found, out, err = hxmx(*call, *words)
        assert (found, out) == (status, "")
        assert message in err.splitlines()[-1]
        assert status == 2 or len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
