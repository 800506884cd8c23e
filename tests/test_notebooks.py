"""Every notebook runs from top to bottom in a fresh kernel and leaves nothing behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def _read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_without_outputs(path: Path) -> None:
    notebook = _read(path)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("epochs", [8, pytest.param(None, marks=pytest.mark.slow)], ids=["briefly", "as it stands"])
def test_runs(path: Path, epochs: int | None, tmp_path: Path) -> None:
    """Quickly with models that learn little, slowly as it stands."""
    notebook = _read(path)
    for cell in notebook.cells if epochs else ():
        cell.source = re.sub(r"max_epochs=\d+", f"max_epochs={epochs}", cell.source)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    shown = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 2
    assert not [output.text for output in shown if output.get("name") == "stderr"]
    assert not list(tmp_path.iterdir())
