"""Installed from a wheel or in place, it works from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hachimachi import io
from hachimachi.events import make_sequence
from hachimachi.training.config.groups import find_conf

ROOT = Path(__file__).resolve().parents[1]
TINY = ("model.size=8", "trainer.max_epochs=2")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a build needs, so that building leaves nothing in the checkout."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("these tests run beside the sources")
    copy = tmp_path_factory.mktemp("source")
    for folder in ("hachimachi", "conf", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                target = copy / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


def pip(*words: str | Path) -> None:
    """Run pip; nothing is downloaded."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index")
    command = [sys.executable, "-m", "pip", words[0], *quiet, *words[1:]]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--wheel-dir", folder, source)
    [built] = folder.glob("*.whl")
    return built


def test_the_configs_are_found_in_a_checkout() -> None:
    assert (find_conf() / "train.yaml").is_file()


def test_the_command_is_installed(tmp_path: Path) -> None:
    """The `hxmx` beside this Python is the one that pip made of the entry point."""
    script = Path(sys.executable).with_name("hxmx.exe" if os.name == "nt" else "hxmx")
    if not script.is_file():
        pytest.skip("not installed here")
    done = subprocess.run([script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: hxmx")


def test_what_is_in_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.endswith("-py3-none-any.whl")
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert f"hachimachi/conf/{path.relative_to(ROOT / 'conf').as_posix()}" in names
    for path in (ROOT / "hachimachi").rglob("*.py"):
        assert path.relative_to(ROOT).as_posix() in names
    assert not [name for name in names if name.startswith(("tests/", "conf/")) or "__pycache__" in name]
    assert {name.partition("/")[0].rpartition(".")[2] for name in names} == {"hachimachi", "dist-info"}


def walk(target: Path, home: Path, folder: Path) -> None:
    """Walk the road with what is installed in a folder, and check that it is that which runs."""
    rest = [path for path in sys.path if path.endswith("site-packages")]
    start = f"""
import sys
sys.path = [path for path in sys.path if not path.endswith("site-packages")]
sys.path[:0] = {[str(target), *read_pth(target)]!r}
sys.path += {rest!r}
import hachimachi
assert hachimachi.__file__.startswith({str(home)!r}), hachimachi.__file__
from hachimachi.cli import main
main(sys.argv[1:])
"""
    step = np.arange(60)
    piece = make_sequence(np.column_stack([60 + step % 7, 80 + step % 3]), step / 4, ["pitch", "velocity"])
    io.write(folder / "data.json", piece)
    for words in (
        ("--help",),
        ("--version",),
        ("train", "--help"),
        ("format", "data.json", "data.mid"),
        ("format", "data.mid", "again.json"),
        ("train", "again.json", "model.pt", *TINY),
        ("gen", "model.pt", "output.csv", "-n", "20"),
        ("train", "again.json", "best.pt", *TINY, "logger=none", "-m", "seed=0,1"),
    ):
        done = subprocess.run(
            [sys.executable, "-S", "-c", start, *words], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), words
    left = {"data.json", "data.mid", "again.json", "model.pt", "output.csv", "best.pt", "outputs"}
    assert {path.name for path in folder.iterdir()} == left
    assert len((folder / "output.csv").read_text().splitlines()) == 21


def read_pth(target: Path) -> list[str]:
    """Return the folders that an editable install points to."""
    return [line for path in target.glob("*.pth") for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_a_wheel_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    target, folder = tmp_path / "packages", tmp_path / "elsewhere"
    folder.mkdir()
    pip("install", "--target", target, wheel)
    walk(target, target, folder)


@pytest.mark.slow
def test_an_editable_install_works_from_any_folder(source: Path, tmp_path: Path) -> None:
    target, folder = tmp_path / "packages", tmp_path / "elsewhere"
    folder.mkdir()
    pip("install", "--target", target, "--editable", source)
    assert read_pth(target) == [str(source)]
    walk(target, source, folder)
    assert not [path for path in source.rglob("*.pt") if path.parent.name != "stored"]


@pytest.mark.slow
def test_several_processes_run_what_the_wheel_brought(wheel: Path, tmp_path: Path) -> None:
    target, folder = tmp_path / "pack ages", tmp_path / "else where"
    folder.mkdir()
    pip("install", "--target", target, wheel)
    step = np.arange(80)
    piece = make_sequence(np.column_stack([60 + step % 7, 80 + step % 3]), step / 4, ["pitch", "velocity"])
    io.write(folder / "my data.json", piece)
    words = ("my data.json", "my model.pt", *TINY, "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
    environment = {**os.environ, "PYTHONPATH": str(target)}
    command = [sys.executable, "-c", "import hachimachi; print(hachimachi.__file__)"]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(target))
    command = [sys.executable, "-m", "hachimachi.cli", "train", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in folder.iterdir()} == {"my data.json", "my model.pt", "outputs"}
