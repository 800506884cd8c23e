"""Where only what plays is installed: what works there, and what is said of the rest."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hachimachi import io
from hachimachi.checkpoint import load_model, save_model
from hachimachi.cli import LEARNING
from hachimachi.commands.gen import command as gen
from hachimachi.commands.upgrade import command as upgrade
from hachimachi.models.event_model import build_model
from tests.test_install import source, wheel  # noqa: F401  (fixtures)

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "tests" / "stored"
Run = Callable[..., "subprocess.CompletedProcess[str]"]

HIDDEN = f"""
import sys
for name in {[*LEARNING, "scipy", "pandas", "pyarrow"]}:
    sys.modules[name] = None
from hachimachi.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_pieces: Any) -> Path:
    """A folder with notes and a model of them."""
    home = tmp_path_factory.mktemp("player")
    pieces = make_pieces([80])
    io.write(home / "data.mid", pieces)
    io.write(home / "data.json", pieces)
    torch.manual_seed(0)
    save_model(build_model(pieces, {"name": "gru", "size": 16}), home / "model.pt")
    (home / "old.pt").write_bytes((STORED / "gru_autoregressive.pt").read_bytes())
    return home


@pytest.fixture
def hxmx(python_process: Run, folder: Path) -> Run:
    """Run the command line where nothing that learns can be imported."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return python_process("-c", HIDDEN, *words, cwd=folder)

    return run


def test_its_requirements_are_those_of_the_package() -> None:
    lines = (ROOT / "requirements" / "player.txt").read_text().splitlines()
    listed = {line.removeprefix("# ") for line in lines if re.fullmatch(r"(# )?[a-z_-]+>=[\d.]+", line)}
    declared = set(re.findall(r'"([a-z_-]+>=[\d.]+)"', (ROOT / "pyproject.toml").read_text()))
    assert {re.split(">=", line)[0] for line in listed} > {"numpy", "click", "rich", "python-osc", "mido"}
    assert listed <= declared


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["format", "data.mid", "again.json"],
        ["gen", "model.pt", "out.csv", "-n", "10"],
        ["gen", "model.pt", "out.mid", "-n", "10", "--primer", "data.mid", "--temperature", "0.8"],
        ["gen", "model.pt", "out.wav", "-n", "10"],
        ["info", "model.pt"],
        ["info", "data.mid"],
        ["train", "--help"],
    ],
    ids=" ".join,
)
def test_what_works(hxmx: Run, words: list[str]) -> None:
    done = hxmx(*words)
    assert (done.returncode, done.stderr) == (0, "")


ALL = "torch lightning hydra-core tensorboard matplotlib"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train", "data.json", "new.pt"], rf"train needs \w+, which is not installed here; pip install {ALL}"),
        (["demo", "demo"], rf"demo needs \w+, which is not installed here; pip install {ALL}"),
        (["eval", "model.pt", "data.json"], r"eval needs torch, which is not installed here; pip install torch"),
        (["board"], r"board needs tensorboard, which is not installed here; pip install tensorboard"),
        (["info", "data.json", "--plot", "a.png"], r"info needs matplotlib, which .*; pip install matplotlib"),
        (["gen", "old.pt", "new.csv"], r"old\.pt: a checkpoint, or a model of version 1, .*pip install torch, .*"),
        (["run", "old.pt"], r"old\.pt: a checkpoint, or a model of version 1, which are read by PyTorch, .*"),
        (["info", "old.pt"], r"old\.pt: a checkpoint, or a model of version 1, .*: hxmx upgrade OLD NEW"),
        (["upgrade", "old.pt", "new.pt"], r"upgrade needs torch, which is not installed here; pip install torch"),
        (["gen", "data.mid", "new.csv"], r"data\.mid: damaged, or not a model file; .*"),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_what_is_missing_is_said_in_one_line(hxmx: Run, folder: Path, words: list[str], text: str) -> None:
    done = hxmx(*words)
    assert done.returncode == 1
    assert re.fullmatch(rf"hxmx: {text}\n", done.stderr), done.stderr
    assert not {path.name for path in folder.iterdir()} & {"new.pt", "new.csv", "a.png"}


def test_devices_say_that_torch_is_absent(hxmx: Run) -> None:
    done = hxmx("devices")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PyTorch is not installed: models play here, but none can be trained.\n\n")


def test_a_plug_in_needs_what_it_imports(hxmx: Run, folder: Path) -> None:
    (folder / "mine.py").write_text("import torch\n")
    done = hxmx("gen", "model.pt", "new.csv", "--plugin", "mine")
    assert done.returncode == 2
    assert "plug-in mine: needs the module 'torch', which is not installed" in done.stderr


@pytest.mark.parametrize("file", sorted(path.name for path in STORED.glob("*.*t")))
def test_what_is_upgraded_plays_the_same(tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    upgraded = tmp_path / "new.pt"
    upgrade.main([str(STORED / file), str(upgraded)], standalone_mode=False)
    assert capsys.readouterr() == (f"{upgraded}: version 2, plays without PyTorch\n", "")
    for path, output in ((STORED / file, "old.csv"), (upgraded, "new.csv")):
        gen.main([str(path), str(tmp_path / output), "-n", "50", "--min-p", "0.05"], standalone_mode=False)
    assert (tmp_path / "new.csv").read_bytes() == (tmp_path / "old.csv").read_bytes()
    old, new = load_model(STORED / file), load_model(tmp_path / "new.pt")
    assert all(map(torch.equal, old.state_dict().values(), new.state_dict().values()))
    assert (old.summary, old.parts, old.columns) == (new.summary, new.parts, new.columns)


def test_info_says_how_to_renew_a_file(hxmx_process: Run, tmp_path: Path) -> None:
    (tmp_path / "my model.pt").write_bytes((STORED / "gru_autoregressive.pt").read_bytes())
    shown = hxmx_process("info", "my model.pt", cwd=tmp_path).stdout
    assert "of version 1, which is read through PyTorch" in shown
    assert "  hxmx upgrade 'my model.pt' new.pt\n" in shown
    hxmx_process("upgrade", "my model.pt", "new.pt", cwd=tmp_path)
    shown = hxmx_process("info", "new.pt", cwd=tmp_path).stdout
    assert "version" not in shown
    assert "weights" in shown


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("model.pt", "model.pt", "model.pt: is what it is to be made from; name another file to write"),
        ("model.pt", "new.ckpt", "new.ckpt: suffix '.ckpt'; expected .pt"),
        ("model.pt", "nowhere/new.pt", "there is no folder nowhere to write into"),
        ("missing.pt", "new.pt", "missing.pt: no such file"),
        ("data.json", "new.pt", "data.json: damaged, or not a model file"),
    ],
)
def test_what_is_not_upgraded(hxmx_process: Run, folder: Path, old: str, new: str, text: str) -> None:
    before = sorted(folder.iterdir()), (folder / "model.pt").read_bytes()
    done = hxmx_process("upgrade", old, new, cwd=folder)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert text in done.stderr
    assert (sorted(folder.iterdir()), (folder / "model.pt").read_bytes()) == before


@pytest.fixture(scope="module")
def apart(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:  # noqa: F811
    """The folder of commands of a fresh environment with the wheel and what a player needs."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True)
    commands = home / ("Scripts" if os.name == "nt" else "bin")
    for words in (["-r", str(ROOT / "requirements" / "player.txt")], ["--no-deps", str(wheel)]):
        install = [commands / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
        done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode and re.search("No matching distribution|Connection|resolve|timed out", done.stderr):
            pytest.skip(f"no package index is reached: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
    yield commands


@pytest.mark.slow
def test_a_fresh_environment_without_torch_formats_plays_and_tells(apart: Path, folder: Path, tmp_path: Path) -> None:
    listed = subprocess.run([apart / "python", "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert "numpy" in listed
    assert not set(re.findall(r"^(\S+)", listed, re.M)) & {"torch", "lightning", "hydra-core", "matplotlib", "scipy"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    hxmx = str(apart / "hxmx")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [hxmx, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    for name in ("model.pt", "data.mid"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    for words in (
        ("format", "data.mid", "data.json"),
        ("gen", "model.pt", "out.csv", "-n", "50"),
        ("gen", "model.pt", "out.wav", "-n", "50", "--primer", "data.mid"),
        ("info", "model.pt"),
        ("info", "data.json"),
        ("devices",),
    ):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, ""), words
    here = subprocess.run(
        [sys.executable, "-m", "hachimachi.cli", "gen", "model.pt", "here.csv", "-n", "50"], cwd=tmp_path, check=True,
        capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert here.returncode == 0
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    for words in (("train", "data.json", "new.pt"), ("eval", "model.pt", "data.json"), ("board",)):
        done = run(*words)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), words
        assert "which is not installed here; pip install " in done.stderr

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(60)
        port = str(wire.getsockname()[1])
        live = [hxmx, "run", "model.pt", "--loop", "--in-port", "0", "--out-port", port]
        with subprocess.Popen(live, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                played = 0
                while played < 20:
                    played += wire.recv(65_536).startswith(b"/output")
            finally:
                process.terminate()
            shown, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert re.search(r"^heard 0, played \d+", shown, re.M)
