"""How the package is built, in figures: `make house`; `python benchmarks/house.py [FOLDER ...]` compares checkouts.

Of ``hachimachi/`` in each folder, the working directory unless one is given: files, lines, and names used twice. Lines
of code are those that hold part of a statement: no blank lines, comments, docstrings or imports.
"""

from __future__ import annotations

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
Names = dict[str, list[Path]]
"""Name → the files that it is in, once for each time."""


def count_code(source: str) -> int:
    """Return the number of lines of code.

    >>> count_code('"What is in here."\\nimport io\\n\\nn = 1  # one\\n# two\\n"What it is."\\n')
    1
    """
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    held = {line for token in tokens if token.type not in LAYOUT for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if isinstance(node, ast.stmt) and (text or isinstance(node, ast.Import | ast.ImportFrom)):
            held -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(held)


def classes(package: Path, *, private: bool = True) -> Names:
    """Return the classes of a package, those inside others left out."""
    found: Names = {}
    for path in sorted(package.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and (private or not node.name.startswith("_")):
                found.setdefault(node.name, []).append(path.relative_to(package))
    return found


def modules(package: Path) -> Names:
    """Return the modules of a package by their stem, ``__init__`` apart."""
    found: Names = {}
    for path in sorted(package.rglob("*.py")):
        if path.stem != "__init__":
            found.setdefault(path.stem, []).append(path.relative_to(package))
    return found


def twice(names: Names) -> Names:
    """Return the names that more than one thing has."""
    return {name: paths for name, paths in names.items() if len(paths) > 1}


def measure(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each figure of a checkout: what it is, and its value."""
    package = folder / "hachimachi"
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    if not sources:
        raise SystemExit(f"{package}: holds no Python file; expected a checkout of hachimachi")
    lines = {path: len(source.splitlines()) for path, source in sources.items()}
    largest = max(lines, key=lambda path: lines[path])
    yield "Python files", f"{len(sources):,}"
    yield "files without __init__", f"{sum(path.stem != '__init__' for path in sources):,}"
    yield "lines", f"{sum(lines.values()):,}"
    yield "lines of code", f"{sum(map(count_code, sources.values())):,}"
    files = [lines[path] for path in lines if path.stem != "__init__"]
    yield "median file without __init__", f"{statistics.median(files):g}"
    yield "largest file", f"{lines[largest]:,} {largest.relative_to(package)}"
    yield "classes", f"{sum(map(len, classes(package).values())):,}"
    yield "class names used twice", f"{len(twice(classes(package)))}"
    yield "module names used twice", f"{len(twice(modules(package)))}"


def main(folders: Sequence[str]) -> None:
    """Print a column for each folder, then the names that are used twice."""
    checkouts = [Path(folder) for folder in folders] or [Path()]
    console = Console(highlight=False, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("hachimachi/ in", *map(str, checkouts)):
        table.add_column(heading, overflow="fold")
    for rows in zip(*map(measure, checkouts), strict=True):
        table.add_row(rows[0][0], *(value for _, value in rows))
    console.print(table)
    for checkout in checkouts:
        for names in (classes, modules):
            for name, paths in twice(names(checkout / "hachimachi")).items():
                console.print(f"{checkout}: {name} in {', '.join(map(str, paths))}")


if __name__ == "__main__":
    main(sys.argv[1:])
