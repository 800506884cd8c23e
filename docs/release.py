"""Check a release, all but the upload: ``make release-check``, or ``python docs/release.py [--no-install]``.

Versions agree, wheel and source archive are built and their metadata checked, and the wheel is installed into fresh
environments of the oldest and the newest Python at hand, where the four commands run outside the checkout.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLDEST = 10  # minor version of the oldest Python that will do
NEWEST = 20  # no Python as new as this is looked for
PIECE = """
from hachimachi import write
from hachimachi.prelude import play_prelude
write("piece.mid", play_prelude(times=1))
"""
COMMANDS = (
    ("format", "piece.mid", "data.json"),
    ("train", "data.json", "model.pt", "trainer.max_steps=20"),
    ("gen", "model.pt", "output.mid", "--seconds", "10"),
    ("run", "model.pt", "--loop", "--log", "none", "--in-port"),  # a free port follows
)


def main(words: list[str]) -> None:
    """Do all of it; the first fault ends it, exit status 1."""
    parser = argparse.ArgumentParser(prog="make release-check", description=__doc__)
    parser.add_argument("--no-install", action="store_true", help="build and check only, which takes seconds")
    options = parser.parse_args(words)
    version, notes = check_versions(ROOT)
    print(f"version {version}", *notes, sep="\n  ")
    with tempfile.TemporaryDirectory(prefix="release-") as name:
        folder = Path(name)
        wheel = build(folder / "dist")
        if options.no_install:
            return
        pythons = find_pythons()
        for python in dict.fromkeys([pythons[min(pythons)], pythons[max(pythons)]]):
            try_wheel(python, wheel, folder / python.parents[1].name)
    print("Ready: upload dist/ of `python -m build`, and tag the commit")


def check_versions(root: Path) -> tuple[str, list[str]]:
    """Return the version, on which pyproject, CHANGELOG and CITATION agree, and what is yet to do for a release."""
    project, changes, citation = (
        (root / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "CHANGELOG.md", "CITATION.cff")
    )
    [version] = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)
    sections = dict(re.findall(r"^## \[(.+?)\][^\n]*\n(.*?)(?=^## |\Z)", changes, re.MULTILINE | re.DOTALL))
    if version not in sections:
        sys.exit(f"CHANGELOG.md: no section [{version}], the version in pyproject.toml; name what is unreleased so")
    [cited] = re.findall(r"^version: (.+)$", citation, re.MULTILINE)
    if cited != version:
        sys.exit(f"CITATION.cff: version {cited}, expected {version} as in pyproject.toml")
    unreleased = "CHANGELOG.md has notes under [Unreleased]: before a release they get its version and date"
    return version, [unreleased] if sections.get("Unreleased", "").strip() else []


def build(folder: Path) -> Path:
    """Build wheel and source archive into a folder, check their metadata and what is in them; return the wheel."""
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, quiet=True)
    made = sorted(folder.iterdir())
    call(sys.executable, "-m", "twine", "check", "--strict", *made)
    [wheel] = folder.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("hachimachi/conf/train.yaml", "hachimachi/web/page/index.html", "hachimachi/bases/piano.pt"):
        if needed not in names:
            sys.exit(f"{wheel.name}: {needed} is missing; see [tool.hatch] in pyproject.toml")
    print(*(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB" for path in made), sep="\n")
    return wheel


def find_pythons() -> dict[int, Path]:
    """Return the interpreters at hand by minor version, those of pyenv too, of versions that will do."""
    homes = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"))
    found: dict[int, Path] = {}
    for minor in range(OLDEST, NEWEST):
        path = os.pathsep.join([*map(str, homes), os.environ.get("PATH", "")])
        python = shutil.which(f"python3.{minor}", path=path)
        if python:
            found[minor] = Path(python)
    found.setdefault(sys.version_info.minor, Path(sys.executable))
    return found


def try_wheel(python: Path, wheel: Path, home: Path) -> None:
    """Install a wheel into a fresh environment and run the four commands in a folder beside it."""
    print(f"{python}: installs {wheel.name} and what it needs; this takes minutes")
    call(python, "-m", "venv", home / "env")
    own = home / "env" / ("Scripts" if os.name == "nt" else "bin")
    call(own / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    work = home / "work"
    work.mkdir()
    call(own / "python", "-c", PIECE, cwd=work)
    for words in COMMANDS:
        print("$ hxmx", *words, flush=True)
        if words[0] == "run":
            play(own / "hxmx", words, work)
        else:
            call(own / "hxmx", *words, cwd=work, quiet=True)


def play(hxmx: Path, words: tuple[str, ...], work: Path) -> None:
    """Run a command that plays, and stop it over OSC."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ended = threading.Event()

        def stop() -> None:
            while not ended.wait(1.0):
                sender.sendto(b"/stop\0\0\0,\0\0\0", ("127.0.0.1", port))

        thread = threading.Thread(target=stop)
        thread.start()
        try:
            call(hxmx, *words, port, cwd=work, quiet=True)
        finally:
            ended.set()
            thread.join()


def call(*words: object, cwd: Path | None = None, quiet: bool = False) -> None:
    """Run a command, outside the checkout where a folder is given; what it prints is shown where it fails."""
    environment = {key: value for key, value in os.environ.items() if cwd is None or key != "PYTHONPATH"}
    began = time.monotonic()
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout or ''}{' '.join(map(str, words))}: exit status {done.returncode}")
    if cwd is not None:
        print(f"  done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
