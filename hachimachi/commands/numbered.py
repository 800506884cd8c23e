"""Files to write, one for each sequence where a format holds no more than one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hachimachi.io.files import PathLike

ONE = (".csv", ".mid", ".midi", ".wav")
"""Suffixes of the formats that hold one sequence."""


def numbered(output: PathLike, count: int) -> list[PathLike]:
    """Return the files for so many sequences: one or a folder that holds them all, or `take-01.mid` and so on.

    >>> [path.name for path in numbered("take.mid", 10)][:2]
    ['take-01.mid', 'take-02.mid']
    >>> numbered("takes/", 10)
    ['takes/']
    """
    from hachimachi.io.files import is_folder

    path = Path(output)
    if count == 1 or path.suffix.lower() not in ONE or is_folder(output):
        return [output]
    width = len(str(count))
    names = (f"{path.stem}-{number:0{width}}" for number in range(1, count + 1))
    return [path.with_name(name + path.suffix) for name in names]
