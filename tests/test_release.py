"""A release is checked before it is made: versions that disagree are told, Pythons are found, archives are whole."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "docs" / "release.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "CHANGELOG.md", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_versions_agree(release: ModuleType) -> None:
    version, _ = release.check_versions(ROOT)
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


@pytest.mark.parametrize(
    ("name", "old", "said"),
    [
        ("CHANGELOG.md", r"## \[\d+\.\d+\.\d+\]", "no section"),
        ("CITATION.cff", r"version: \d+\.\d+\.\d+", "expected"),
        ("pyproject.toml", r'version = "\d+\.\d+\.\d+"', "CHANGELOG.md: no section [9.9.9]"),
    ],
)
def test_a_version_that_differs_is_told(release: ModuleType, copied: Path, name: str, old: str, said: str) -> None:
    text = (copied / name).read_text(encoding="utf-8")
    found = re.findall(old, text)[-1]
    (copied / name).write_text(text.replace(found, re.sub(r"\d+\.\d+\.\d+", "9.9.9", found)), encoding="utf-8")
    with pytest.raises(SystemExit, match=re.escape(said)):
        release.check_versions(copied)


def test_what_is_unreleased_is_told(release: ModuleType, copied: Path) -> None:
    text = (copied / "CHANGELOG.md").read_text(encoding="utf-8")
    for notes, told in (("### Added\n- x\n", 1), ("", 0)):
        (copied / "CHANGELOG.md").write_text(
            re.sub(r"(## \[Unreleased\]\n).*?(?=## \[)", rf"\1\n{notes}\n", text, flags=re.DOTALL), encoding="utf-8"
        )
        assert len(release.check_versions(copied)[1]) == told


def test_interpreters_of_pyenv_are_found(release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("3.9.1/bin/python3.9", "3.10.2/bin/python3.10", "3.14.0/bin/python3.14"):
        python = tmp_path / "versions" / name
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", os.defpath)
    found = release.find_pythons()
    assert found[10] == tmp_path / "versions" / "3.10.2" / "bin" / "python3.10"
    assert max(found) == 14 and min(found) == 10


@pytest.mark.slow
def test_archives_are_built_and_checked(release: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("build", reason="builds come with the extra dev")
    pytest.importorskip("twine", reason="builds come with the extra dev")
    wheel = release.build(tmp_path / "dist")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert [path.suffix for path in sorted((tmp_path / "dist").iterdir())] == [".whl", ".gz"]
