"""The short names: what is loaded is what type checkers are told."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import hachimachi

STUB = Path(hachimachi.__file__).with_suffix(".pyi")
TOLD = {
    alias.asname: (node.module, alias.name)
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


def test_the_stub_names_all_and_nothing_else() -> None:
    assert sorted(filter(None, TOLD)) == sorted(hachimachi.__dict__["__all__"])


@pytest.mark.parametrize("name", sorted(filter(None, TOLD)))
def test_a_name_is_what_the_stub_says(name: str) -> None:
    home, original = TOLD[name]
    module = importlib.import_module(str(home))
    there = importlib.import_module(f"{home}.{original}") if name == "plot" else getattr(module, original)
    assert getattr(hachimachi, name) is there
