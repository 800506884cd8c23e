"""Which sequences of a data set are for training, for validation and for the test.

    {"train": ["a.mid", "b.mid"], "valid": ["c.mid"], "test": {"d.csv": [800, 1000]}}

A part lists names, or gives rows of them too, the first and one past the last, counted from 0. Other keys are notes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from hachimachi.errors import HachimachiError, listed
from hachimachi.events import EventSequence
from hachimachi.io.files import READERS, PathLike
from hachimachi.io.report import Report
from hachimachi.io.text import decode
from hachimachi.io.transform import PART

Form = Callable[[str], str]
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """The names of sequences in each part, and which of their rows.

    Args:
        path: The file it was read from.
        parts: Part → name → rows.
    """

    path: Path
    parts: dict[str, dict[str, slice]]


def read_split(path: PathLike) -> Split:
    """Read a split.

    Raises:
        HachimachiError: A file that is missing or no split, or a name that stands in two parts.
    """
    path = Path(path)
    try:
        content = json.loads(decode(path.read_bytes()))
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise HachimachiError(f"{path}: not JSON: {error}") from error
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not any(part in content for part in PARTS):
        raise HachimachiError(f"{path}: not a split; expected lists of names under {', '.join(PARTS)}")
    parts = {part: _names(content[part], f"{path}: {part}") for part in PARTS if part in content}
    _check_apart(path, parts)
    return Split(path, parts)


def select(
    sequences: Sequence[EventSequence], split: Split, part: str, report: Report | None = None
) -> list[EventSequence]:
    """Return the sequences of a part, in the order in which the split names them.

    Names match with or without folders and suffixes, as far as it is clear which sequence is meant. The name of a file
    selects all its tracks and parts, the name of one of these just it.

    Args:
        sequences: The whole data set.
        split: Which of them are for what.
        part: ``train``, ``valid`` or ``test``.
        report: Takes note of names that the data does not have; without one they are an error.

    Raises:
        HachimachiError: A part that is missing or empty, names that are not found, one that several sequences have,
            or rows of a file that was cut.
    """
    there = [sequence.name for sequence in sequences]
    return [sequences[place][rows] for place, rows in select_places(there, split, part, report)]


def select_places(
    there: Sequence[str], split: Split, part: str, report: Report | None = None
) -> list[tuple[int, slice]]:
    """Return the places of a part's sequences among all names, and which of their rows; else as :func:`select`."""
    names = _part(split, part)
    indexes = _index(there)
    found = {name: _find(name, rows, indexes, there, split.path) for name, rows in names.items()}
    chosen = [(place, rows) for name, rows in names.items() for place in found[name]]
    missing = [name for name in names if not found[name]]
    if missing and (report is None or not chosen):
        shown = listed(missing)
        first = ", ".join(map(repr, there[:3]))
        raise HachimachiError(f"{split.path}: {part} names {shown}; not found in the data, which has {first} …")
    if report is not None:
        what = f"under {part} in {split.path.name}, but not in the data"
        report.refused.update(dict.fromkeys(missing, what))
    return chosen


def _part(split: Split, part: str) -> dict[str, slice]:
    names = split.parts.get(part, {})
    if not names:
        found = f"has no names under {part!r}" if part in split.parts else f"has no part {part!r}"
        there = ", ".join(f"{len(listed)} under {name!r}" for name, listed in split.parts.items() if listed)
        raise HachimachiError(f"{split.path}: {found}; found {there or 'none at all'}")
    return names


def source_of(name: str) -> str:
    """Return the name of the file that a sequence is a part or a track of; of any other its own.

    >>> source_of("midi/a.mid#2"), source_of("midi/a.mid/Left hand"), source_of("midi/a.mid/2#1"), source_of("a#1")
    ('midi/a.mid', 'midi/a.mid', 'midi/a.mid', 'a')
    """
    whole = _PART.sub("", name)
    parents = (str(parent) for parent in PurePosixPath(whole).parents if _is_file(parent))
    return next(parents, whole)


_PART = re.compile(rf"{PART}\d+(\.csv)?$")


def _is_file(path: PurePosixPath) -> bool:
    return path.suffix.lower() in READERS


def _bare(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if _is_file(path) else path.name


_FORMS: tuple[Form, ...] = (str, lambda name: PurePosixPath(name).name, _bare)
"""How names are compared, the strictest first."""


class _Index(NamedTuple):
    """Places of sequences by a form of their names, or of the names of the files that they are parts of."""

    form: Form
    of: Form
    places: dict[str, list[int]]


def _index(there: Sequence[str]) -> list[_Index]:
    indexes = [_Index(form, of, {}) for of in (str, source_of) for form in _FORMS]
    for index in indexes:
        for place, name in enumerate(there):
            index.places.setdefault(index.form(index.of(name)), []).append(place)
    return indexes


def _find(name: str, rows: slice, indexes: list[_Index], there: Sequence[str], path: Path) -> list[int]:
    for index in indexes:
        found = index.places.get(index.form(name), [])
        several = sorted({index.of(there[place]) for place in found})
        if len(several) > 1:
            raise HachimachiError(f"{path}: {name!r} may be {several[0]!r} or {several[1]!r}; name it in full")
        if found and index.of is source_of and rows != slice(None):
            parts = f"{there[found[0]]!r}" + (" and others" if len(found) > 1 else "")
            raise HachimachiError(f"{path}: rows of {name!r}, which the data has in parts; name {parts} instead")
        if found:
            return found
    return []


def _names(listed: Any, where: str) -> dict[str, slice]:
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
        return dict.fromkeys(listed, slice(None))
    if isinstance(listed, dict) and all(map(_is_range, listed.values())):
        return {name: slice(first, end) for name, (first, end) in listed.items()}
    raise HachimachiError(f"{where}: expected a list of names, or an object of names and rows such as [0, 800]")


def _is_range(rows: Any) -> bool:
    whole = isinstance(rows, list) and len(rows) == 2 and all(type(row) is int for row in rows)
    return whole and 0 <= rows[0] < rows[1]


def _check_apart(path: Path, parts: dict[str, dict[str, slice]]) -> None:
    seen: dict[str, list[tuple[str, slice]]] = {}
    for part, names in parts.items():
        for name, rows in names.items():
            for other, before in seen.setdefault(name, []):
                if _overlap(rows, before):
                    raise HachimachiError(f"{path}: {name!r} stands under {other} and under {part}; expected it in one")
            seen[name].append((part, rows))


def _overlap(one: slice, other: slice) -> bool:
    if one.stop is None or other.stop is None:
        return True
    return one.start < other.stop and other.start < one.stop
