"""Inputs remade from public reports of people who do this work, in a folder beside the checkout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Said, hxmx_said

__all__ = ["Case", "Said", "case", "hxmx_said"]
CASES = Path(__file__).resolve().parents[3] / "shared" / "field_cases"
Case = Callable[[str], Path]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Copy a case, named by its number, into an empty folder, which becomes the working directory; return the copy."""

    def copy(number: str) -> Path:
        if not CASES.is_dir():
            pytest.skip(f"the cases are not here: no folder {CASES}")
        [folder] = CASES.glob(f"{number}_*")
        copied = tmp_path / folder.name
        copied.mkdir()
        for path in folder.rglob("*"):
            target = copied / path.relative_to(folder)
            if path.is_dir():
                target.mkdir()
            else:
                shutil.copyfile(path, target)  # without its mode: the originals are read-only
        monkeypatch.chdir(copied)
        return copied

    return copy
