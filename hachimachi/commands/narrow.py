"""A screen for tables: as wide as the terminal, 80 columns at most."""

from __future__ import annotations

from rich.console import Console


def narrow_console() -> Console:
    """Return a console that prints texts as they are, broken where lines would be longer than 80 columns."""
    console = Console(highlight=False, markup=False)
    console.width = min(console.width, 80)
    return console
