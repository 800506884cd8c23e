"""Splits of a data set into training, validation and test sequences, read from JSON.

    {"train": ["a.mid", "b.mid"], "valid": ["c.mid"], "test": {"d.csv": [800, 1000]}}

A part lists names, or maps them to rows: the first and one past the last, counted from 0. Other keys are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

from hachimachi.errors import HachimachiError, listed, located
from hachimachi.events import EventSequence
from hachimachi.io.files import READERS, PathLike
from hachimachi.io.report import Report
from hachimachi.io.text import decode
from hachimachi.io.transform import PART

Form = Callable[[str], str]
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Part → name of a sequence → its rows, read from a file."""

    path: Path
    parts: dict[str, dict[str, slice]]


def read_split(path: PathLike) -> Split:
    """Read a split; HachimachiError where the file is missing or invalid, or a name is in two parts."""
    path = Path(path)
    try:
        with located(path):
            content = json.loads(decode(path.read_bytes()))
    except OSError as error:
        raise HachimachiError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise HachimachiError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict) or not any(part in content for part in PARTS):
        raise HachimachiError(f"{path}: not a split; expected lists of names under {', '.join(PARTS)}")
    parts = {part: _names(content[part], f"{path}: {part}") for part in PARTS if part in content}
    seen: dict[str, list[tuple[str, slice]]] = {}
    for part, names in parts.items():
        for name, rows in names.items():
            for other, earlier in seen.setdefault(name, []):
                whole = rows.stop is None or earlier.stop is None
                if whole or (rows.start < earlier.stop and earlier.start < rows.stop):
                    raise HachimachiError(f"{path}: {name!r} stands under {other} and under {part}; expected it in one")
            seen[name].append((part, rows))
    return Split(path, parts)


def select(
    sequences: Sequence[EventSequence], split: Split, part: str, report: Report | None = None
) -> list[EventSequence]:
    """Return the sequences of a part, in the order in which the split names them.

    Names match with or without folders and suffixes, where that is unambiguous; that of a file selects all its tracks
    and parts, that of one of these only it. HachimachiError for a part that is missing or empty, and ambiguous names;
    the report takes names that the data does not have, without one they are an error too.
    """
    available = [sequence.name for sequence in sequences]
    return [sequences[i][rows] for i, rows in select_indices(available, split, part, report)]


def select_indices(
    available: Sequence[str], split: Split, part: str, report: Report | None = None
) -> list[tuple[int, slice]]:
    """Return the indices of a part's sequences among all names, and their rows; otherwise as :func:`select`."""
    names = split.parts.get(part, {})
    if not names:
        reason = f"has no names under {part!r}" if part in split.parts else f"has no part {part!r}"
        others = ", ".join(f"{len(listed)} under {name!r}" for name, listed in split.parts.items() if listed)
        raise HachimachiError(f"{split.path}: {reason}; found {others or 'none at all'}")
    found: dict[str, list[int]] = {name: [] for name in names}
    for of, form in product((str, source_of), _FORMS):
        indices: dict[str, list[int]] = {}
        for i, name in enumerate(available):
            indices.setdefault(form(of(name)), []).append(i)
        for name, rows in names.items():
            if found[name] or not (matches := indices.get(form(name))):
                continue
            several = sorted({of(available[i]) for i in matches})
            if len(several) > 1:
                whole = f"{several[0]!r} or {several[1]!r}; name it in full"
                raise HachimachiError(f"{split.path}: {name!r} may be {whole}")
            if of is source_of and rows != slice(None):
                parts = f"{available[matches[0]]!r}" + (" and others" if len(matches) > 1 else "")
                reason = f"rows of {name!r}, which the data has in parts; name {parts} instead"
                raise HachimachiError(f"{split.path}: {reason}")
            found[name] = matches
    chosen = [(i, rows) for name, rows in names.items() for i in found[name]]
    missing = [name for name in names if not found[name]]
    if missing and (report is None or not chosen):
        shown, first = listed(missing), ", ".join(map(repr, available[:3]))
        raise HachimachiError(f"{split.path}: {part} names {shown}; not found in the data, which has {first} …")
    if report is not None:
        report.refused.update(dict.fromkeys(missing, f"under {part} in {split.path.name}, but not in the data"))
    return chosen


def source_of(name: str) -> str:
    """Return the name of the file that a sequence is a part or a track of, otherwise its own.

    >>> source_of("midi/a.mid#2"), source_of("midi/a.mid/Left hand"), source_of("midi/a.mid/2#1"), source_of("a#1")
    ('midi/a.mid', 'midi/a.mid', 'midi/a.mid', 'a')
    """
    whole = _PART.sub("", name)
    parents = (str(parent) for parent in PurePosixPath(whole).parents if _is_file(parent))
    return next(parents, whole)


_PART = re.compile(rf"{PART}\d+(\.csv)?$")


def _is_file(path: PurePosixPath) -> bool:
    return path.suffix.lower() in READERS


_FORMS: tuple[Form, ...] = (
    str,
    lambda name: PurePosixPath(name).name,
    lambda name: PurePosixPath(name).stem if _is_file(PurePosixPath(name)) else PurePosixPath(name).name,
)
"""Forms in which names are compared, the strictest first."""


def _names(listed: Any, where: str) -> dict[str, slice]:
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
        return dict.fromkeys(listed, slice(None))
    if isinstance(listed, dict) and all(
        isinstance(rows, list) and len(rows) == 2 and all(type(row) is int for row in rows) and 0 <= rows[0] < rows[1]
        for rows in listed.values()
    ):
        return {name: slice(first, end) for name, (first, end) in listed.items()}
    raise HachimachiError(f"{where}: expected a list of names, or an object of names and rows such as [0, 800]")
