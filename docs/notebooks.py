"""Run the notebooks and keep what they show: ``make notebooks``, or ``python docs/notebooks.py [NOTEBOOK …]``.

Pictures are kept in 32 colours, and of sounds only that there is one, so that the repository stays small.
"""

from __future__ import annotations

import base64
import io
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
COLOURS = 32
SOUND = "a sound: run the cell to hear it"


def main(words: list[str]) -> None:
    """Run them, in a folder that goes away."""
    for path in map(Path, words or sorted(map(str, NOTEBOOKS.glob("*.ipynb")))):
        notebook = nbformat.read(path, as_version=4)
        run(notebook)
        notebook.metadata["made_with"] = machine()
        path.write_text(nbformat.writes(notebook, indent=1) + "\n", encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def run(notebook: Any) -> None:
    """Run a notebook from top to bottom, and keep what it shows."""
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        slim(cell)


def slim(cell: Any) -> None:
    """Make what a cell shows small."""
    cell.metadata.pop("execution", None)
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            data["image/png"] = shrink(data["image/png"])
        if "<audio" in data.get("text/html", ""):
            del data["text/html"]
            data["text/plain"] = SOUND


def shrink(picture: str) -> str:
    """Return a PNG, as base64, in few colours."""
    drawn = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    small = io.BytesIO()
    drawn.quantize(COLOURS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def machine() -> str:
    """Return what has to be the same for numbers to be the same to the last digit."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy"))
    return f"Python {platform.python_version()}, {packages}, {platform.machine()}"


if __name__ == "__main__":
    main(sys.argv[1:])
