"""A collection as a folder of CSV files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from hachimachi.events import EventSequence
from hachimachi.io.atomic import replacing_folder
from hachimachi.io.csv_format import render

_ILLEGAL = re.compile(r'[<>:"\\|?*\x00-\x1f\x7f]')  # on Windows; names must travel
_SUFFIX = re.compile(r"\.(mid|midi|csv|json|arrow)", re.IGNORECASE)  # of data: no part of the name
_LONGEST = 120


def write_folder(path: str | os.PathLike[str], sequences: Sequence[EventSequence]) -> None:
    """Write a CSV file for each sequence, in a new folder or an empty one; all of them or none.

    Raises:
        HachimachiError: A folder that is not empty, no place to write, or names that a CSV header cannot hold.
    """
    with replacing_folder(path) as folder:
        for name, sequence in zip(file_names([each.name for each in sequences]), sequences, strict=True):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(render([sequence]))


def file_names(names: Sequence[str]) -> list[str]:
    """Return the file for each sequence, with ``/`` between folders: the names as far as any system allows them.

    >>> file_names(["midi/a.mid", "midi/a.midi", "b#1", "../c", "what?", ""])
    ['midi/a.csv', 'midi/a.midi.csv', 'b#1.csv', 'c.csv', 'what_.csv', 'sequence.csv']
    """
    taken: set[str] = set()
    return [_free(_legal(name), taken) for name in names]


def _legal(name: str) -> PurePosixPath:
    parts = [_ILLEGAL.sub("_", part)[:_LONGEST].strip(". ") for part in name.split("/")]
    return PurePosixPath(*[part for part in parts if part] or ["sequence"])


def _free(path: PurePosixPath, taken: set[str]) -> str:
    """Return the first form of a name that no other has, on systems too that hold A and a for the same."""
    bare = path.with_suffix("") if _SUFFIX.fullmatch(path.suffix) else path
    forms = [f"{bare}.csv", f"{path}.csv", *(f"{path} {number}.csv" for number in range(2, len(taken) + 3))]
    name = next(form for form in forms if form.lower() not in taken)
    taken.add(name.lower())
    return name
