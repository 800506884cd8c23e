"""How far reading many files is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

MANY = 20
"""Under this many files reading is over before a bar could be read."""


def show_reading(files: Sequence[Path]) -> Iterable[Path]:
    """Show a bar while files are gone through, for many files and on a terminal only."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if len(files) < MANY or not console.is_terminal:
        return files
    return track(files, "reading", console=console, transient=True)
