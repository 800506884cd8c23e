"""Every notebook is stored with what it shows, runs from top to bottom in a fresh kernel, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LIVE = "04_live"  # it plays in real time: how many notes there are depends on what else the machine does
LARGEST = 150_000  # bytes


def _read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def _load_maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_notebooks", ROOT / "docs" / "notebooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _texts(notebook: Any) -> list[str]:
    """What each cell prints and returns, times and paths masked. Of training only what it came to: how often it says
    how it goes, and how long it looks at how it plays, depend on what else the machine does."""
    texts = []
    for cell in _code(notebook):
        outputs = [each.get("text") or each.get("data", {}).get("text/plain", "") for each in cell.outputs]
        text = "".join(outputs)
        if "train(" in cell.source:
            text = "\n".join(re.findall(r".*(?:held out,|below the marginal).*", text))
        text = re.sub(r"(/\S*)?hachimachi-\w+|\b0x[0-9a-f]{6,}", "…", text)
        texts.append(re.sub(r"[\d.,]+ ?(ms|s|min|minutes|seconds|events/s)\b", r"… \1", text))
    return texts


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_with_what_it_shows(path: Path) -> None:
    notebook = _read(path)
    nbformat.validate(notebook)
    cells = _code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    shown = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 2
    assert not [output for output in shown if output.output_type == "error" or output.get("name") == "stderr"]
    assert str(ROOT) not in path.read_text(encoding="utf-8")
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("epochs", [8, pytest.param(None, marks=pytest.mark.slow)], ids=["briefly", "as it stands"])
def test_runs(path: Path, epochs: int | None, tmp_path: Path) -> None:
    """Quickly with models that learn little, slowly as it stands: then it says what is stored, on the same machine to
    the last digit."""
    stored, notebook = _read(path), _read(path)
    for cell in notebook.cells if epochs else ():
        cell.source = re.sub(r"max_epochs=\d+", f"max_epochs={epochs}", cell.source)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    cells = _code(notebook)
    assert all(cell.execution_count for cell in cells)
    shown = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 2
    assert not [output.text for output in shown if output.get("name") == "stderr"]
    assert not list(tmp_path.iterdir())
    if epochs:
        return
    maker = _load_maker()
    for cell in cells:
        maker.slim(cell)
    again, before = _texts(notebook), _texts(stored)
    if path.stem == LIVE or stored.metadata.get("made_with") != maker.machine():
        again, before = ([re.sub(r"-?\d[\d.,]*", "#", text) for text in texts] for texts in (again, before))
        again, before = ([re.sub(r"\s+", " ", text) for text in texts] for texts in (again, before))
    assert again == before
