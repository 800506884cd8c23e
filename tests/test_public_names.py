"""The short names: what is loaded when first used is what type checkers see."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import hachimachi

SOURCE = Path(str(hachimachi.__file__))
TYPED = {
    alias.asname: (node.module, alias.name)
    for node in ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8")))
    if isinstance(node, ast.ImportFrom) and str(node.module).startswith("hachimachi")
    for alias in node.names
}


def test_type_checkers_see_all_and_nothing_else() -> None:
    assert sorted(filter(None, TYPED)) == sorted(hachimachi.__dict__["__all__"])


@pytest.mark.parametrize("name", sorted(filter(None, TYPED)))
def test_a_name_is_what_type_checkers_see(name: str) -> None:
    home, original = TYPED[name]
    module = importlib.import_module(str(home))
    there = importlib.import_module(f"{home}.{original}") if name == "plot" else getattr(module, original)
    assert getattr(hachimachi, name) is there
