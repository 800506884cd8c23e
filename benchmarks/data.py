"""How fast data comes in: what each module `benchmarks/data_*.py` that is there measures, in one table.

    make bench-data                              all of it
    make bench-data ARGS="midi format"           some of it

Such a module has `rows() -> list[tuple[str, str, str]]`: what was measured, what came of it, what is wanted.
The figures are this machine's at this moment: other programs that run meanwhile are in them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

Row = tuple[str, str, str]
HEADINGS = ("what", "measured", "wanted")


def find_modules() -> dict[str, Callable[[], list[Row]]]:
    """Return what measures, by name."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("data_*.py"))
    return {name.removeprefix("data_"): import_module(f"benchmarks.{name}").rows for name in names}


def measure(names: list[str], console: Console) -> Iterator[Row]:
    """Measure one after the other, saying which; Ctrl-C leaves what there is."""
    modules = find_modules()
    for name in names:
        try:
            with console.status(f"Measuring: {name}"):
                yield from modules[name]()
        except KeyboardInterrupt:
            console.print("Stopped by Ctrl-C; this is what there is")
            return


def main(words: list[str]) -> None:
    """Measure and print the table."""
    known = list(find_modules())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all of them if none is given")
    asked = parser.parse_args(words).names
    if wrong := [name for name in asked if name not in known]:
        parser.error(f"{wrong[0]!r} is not measured here; there are {', '.join(known)}")
    console, table = Console(), Table(*HEADINGS)
    for row in measure(asked or known, console):
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
