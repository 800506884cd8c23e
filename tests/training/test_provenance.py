"""Where a run comes from, with git and without."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hachimachi.training.runs import find_platform, find_revision, find_versions


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_the_revision_of_a_folder(tmp_path: Path) -> None:
    assert find_revision(tmp_path) is None
    try:
        git(tmp_path, "init", "-q")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git is not here: {error}")
    assert find_revision(tmp_path) is None  # no commit yet
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "one")
    found = find_revision(tmp_path)
    assert found is not None
    assert (len(found["commit"]), found["dirty"]) == (40, False)
    (tmp_path / "file").write_text("b")
    assert find_revision(tmp_path) == found | {"dirty": True}


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_revision(tmp_path) is None


def test_versions_and_platform() -> None:
    assert {"python", "torch", "lightning", "numpy", "hydra-core"} <= set(find_versions())
    assert find_platform().count("-") >= 2
