"""Files to write, one for each sequence where a format holds no more than one."""

from __future__ import annotations

from pathlib import Path

ONE = (".csv", ".mid", ".midi", ".wav")
"""Suffixes of the formats that hold one sequence."""


def numbered(output: Path, count: int) -> list[Path]:
    """Return the files for so many sequences: one that holds them all, or `take-01.mid` and so on.

    >>> [path.name for path in numbered(Path("take.mid"), 10)][:2]
    ['take-01.mid', 'take-02.mid']
    """
    if count == 1 or output.suffix.lower() not in ONE:
        return [output]
    width = len(str(count))
    names = (f"{output.stem}-{number:0{width}}" for number in range(1, count + 1))
    return [output.with_name(name + output.suffix) for name in names]
