"""Files and folders of any name, and places where little is there: no home, no terminal, another locale."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hachimachi import build_model, save_model
from hachimachi.events import EventSequence, make_sequence
from hachimachi.io import read, write
from hachimachi.training.config.compose import check_words
from hachimachi.training.config.overrides import as_overrides

from .conftest import Said

EVERYTHING = "a b'c\"d,e[f]=g${h}{i}(j)ü→日\\k$l%s#m&n;o|p~q@r+s*t?u"
WORST = (EVERYTHING, os.fsdecode(b"bad\xff\xfe"), "--help", "new\nline")
NAMES = (
    *("with blank", "quo'te", 'dou"ble', "com,ma", "br[ac]ket", "eq=ual", "model=gru", "dol${lar}", "$$", "ünï→日本"),
    *("-dash", "tab\tx", "star*", "what?", "back\\slash", "{brace}", "%s%d", "~tilde", "#hash", "a.b.c", "🎹"),
    *("+plus=1", "???", "null", "trail ", " lead", "..dots", ".hidden", "x" * 150),
)


def piece(events: int = 60) -> EventSequence:
    step = np.arange(events)
    return make_sequence(np.column_stack([60 + step % 7, 80 + step % 5]), step / 4, ["pitch", "velocity"])


@pytest.mark.parametrize("name", [*WORST, *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES)])
def test_names_through_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hxmx_said: Said, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    write(folder / f"{name}.json", piece())
    save_model(build_model([piece()]), folder / f"{name}.pt")
    data, model = f"{name}.json", f"{name}.pt"
    for words in (
        ("format", "--", data, f"{name}.mid"),
        ("format", "--report", f"{name}.csv", "--", data, f"{name} 2.json"),
        ("format", "--", f"{name}.mid", f"{name} folder/"),
        ("info", "--plot", f"{name}.png", "--", data),
        ("info", "--", model),
        ("augment", "--op", "rev()", "--", data, f"{name} 3.json"),
        ("gen", "-n", 5, "--primer", data, "--", model, f"{name} 4.csv"),
        ("gen", "-n", 5, "--count", 2, "--", model, f"{name} 5.mid"),
        ("eval", "--", model, data),
        ("upgrade", "--", model, f"{name} 6.pt"),
    ):
        status, _, err = hxmx_said(*words)
        assert (status, err) == (0, ""), words
    [again] = read(folder / f"{name} 2.json")
    assert again.data.tolist() == piece().data.tolist()
    _, cfg = check_words(as_overrides([str(folder / data), str(folder / model), "seed=3"]))
    assert (cfg.dataset.path, cfg.output, cfg.seed) == (str(folder / data), str(folder / model), 3)


@pytest.mark.slow
@pytest.mark.parametrize("sweep", [False, True])
@pytest.mark.parametrize("name", WORST)
def test_names_through_training_and_sweeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hxmx_said: Said, name: str, sweep: bool
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    write(folder / f"{name}.json", piece(200))
    quick = ("trainer.max_epochs=1", "callbacks=quiet", "seed=1,2" if sweep else "seed=1")
    status, _, err = hxmx_said("train", *(["-m"] if sweep else []), "--", f"{name}.json", f"{name}.pt", *quick)
    if "${" in name:  # Hydra reads it as a reference; data and models below such a folder are no trouble
        assert (status, len(err.splitlines())) == (1, 1)
        assert "train in another" in err
        return
    notices = [
        line for line in err.splitlines() if not ("\\udc" in ascii(name) and "TensorBoard writes below no" in line)
    ]
    assert (status, notices) == (0, [])
    assert hxmx_said("gen", "-n", 5, "--", f"{name}.pt", "x.csv")[0] == 0


ENVIRONMENTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "locale C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "a home that is not there": {"HOME": "/nonexistent/home", "XDG_STATE_HOME": "/dev/null/x"},
    "60 columns": {"COLUMNS": "60", "TERM": "dumb"},
    "200 columns": {"COLUMNS": "200", "TERM": "xterm"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_places_where_little_is_there(tmp_path: Path, name: str) -> None:
    """No HOME, no terminal, another working directory, and what an environment says."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        **ENVIRONMENTS[name],
    }
    write(tmp_path / "nötes.json", piece())
    save_model(build_model([piece()]), tmp_path / "mödel.pt")

    def hxmx(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "hachimachi.cli", *words]
        return subprocess.run(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120
        )

    for words in (
        ("format", f"{tmp_path}/nötes.json", f"{tmp_path}/nötes.mid"),
        ("info", f"{tmp_path}/nötes.json"),
        ("gen", f"{tmp_path}/mödel.pt", f"{tmp_path}/tăke.csv", "-n", "5"),
        ("gen", f"{tmp_path}/mödel.pt", f"{tmp_path}/tăke.csv", "-n", "5", "--seed", "2"),
    ):
        found = hxmx(*words)
        assert found.returncode == 0, found.stderr
        # where no list of its own files can be kept, the second take cannot know the first one: one copy too many
        assert not found.stderr or ("home that" in name and b".bak" in found.stderr and words[-1] == "2")
    missing = hxmx("info", f"{tmp_path}/nö→.json")
    assert missing.returncode == 1
    assert missing.stderr.startswith(b"hxmx: ")
    assert len(missing.stderr.splitlines()) == 1
