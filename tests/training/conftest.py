"""Data in a folder of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hachimachi import io


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def save(folder: Path, make_pieces: Any) -> Callable[..., None]:
    def write(*lengths: int, path: str = "data.json") -> None:
        io.write(folder / path, make_pieces(lengths))

    return write
