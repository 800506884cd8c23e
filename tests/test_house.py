"""The order of the house: one name for one thing, and every file says what is in it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hachimachi
from benchmarks.house import classes, count_code, modules, twice

PACKAGE = Path(hachimachi.__file__).parent
FILES = [str(path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.py"))]


def test_no_two_share_a_name() -> None:
    assert twice(modules(PACKAGE)) == {}
    assert twice(classes(PACKAGE, private=False)) == {}


@pytest.mark.parametrize("file", FILES)
def test_a_file_says_what_is_in_it_and_is_finished(file: str) -> None:
    source = (PACKAGE / file).read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source))
    assert not {"TODO", "FIXME"} & set(source.replace(":", " ").split())


def test_a_name_used_twice_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for path in ("one.py", "a/one.py", "a/two.py", "__init__.py", "a/__init__.py"):
        (tmp_path / path).write_text("class Same: ...\n" if path.endswith("one.py") else "class _Hidden: ...\n")
    assert twice(classes(tmp_path, private=False)) == {"Same": [Path("a/one.py"), Path("one.py")]}
    assert list(twice(classes(tmp_path))) == ["_Hidden", "Same"]
    assert list(twice(modules(tmp_path))) == ["one"]


CODE = '''"""What is here."""

import io
X = """two

lines"""
"""What X is."""


def f(x):
    """Doc."""
    # why
    return (
        x  # it

    )
'''


def test_lines_of_code_are_those_that_do_something() -> None:
    assert count_code(CODE) == 3 + 1 + 3
