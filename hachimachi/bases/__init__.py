"""Base models that come with the package: what music is, before a piece is learned.

Each is a model file like any other, made by `make base-models`, beside licence and attributions of its music.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = ("piano", "drums", "ensemble")
"""The base models there may be."""


def find_base(name: str) -> Path | None:
    """Return the file of a base model by its name, if it is one and is there."""
    path = Path(__file__).parent / f"{name}.pt"
    return path if name in NAMES and path.is_file() else None


def began_with(summary: Mapping[str, Any], name: str) -> bool:
    """Return whether a model, by its summary, is a base model or began with it."""
    told: Any = {**summary.get("base", {}), "init": summary.get("init")}
    while told:
        if told.get("name") == name:
            return True
        told = told.get("init")
    return False


def list_bases() -> list[str]:
    """Return the names of the base models that are there."""
    return [name for name in NAMES if find_base(name)]
