"""A collection as a folder of Arrow files, to which more can be added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import pyarrow as pa

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io.arrow.file import ArrowFile
from hachimachi.io.arrow.index import Index
from hachimachi.io.arrow.table import TYPES, choose_types, write_table
from hachimachi.io.atomic import replacing

SHARD = 2**22
"""Events in a shard, about, where sequences allow it: some 100 MB."""


def append(folder: Path, sequences: Sequence[EventSequence]) -> None:
    """Add sequences to a folder as shards of their own, ``part-00000.arrow`` and so on; make it if it is not there.

    Each shard is whole or not there; what was there stays as it is. A column keeps the type it has in the last shard
    where that holds the new numbers too.

    Raises:
        HachimachiError: A folder that holds other data, other features, or a sequence of a name that is there already.
    """
    there = sorted(folder.glob("*.arrow"))
    before = _check(folder, there, sequences)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise HachimachiError(f"{folder}: cannot be made: {error.strerror or error}") from error
    types, number = choose_types(sequences, before), _next_number(there)
    for place, part in enumerate(_cut(sequences)):
        path = folder / f"part-{number + place:05}.arrow"
        with replacing(path) as beside, pa.OSFile(str(beside), "wb") as sink:
            write_table(sink, part, types)


def check_same(path: Path, found: ArrowFile, first: Path, features: Sequence[Feature], temporal: bool) -> None:
    """Refuse a shard that differs from the first in features or time.

    Raises:
        HachimachiError: In what it differs.
    """
    if tuple(found.index.features) != tuple(features):
        raise HachimachiError(f"{path} and {first} differ: {tell_difference(found.index.features, features)}")
    if found.index.temporal != temporal:
        raise HachimachiError(f"{path} and {first} differ: one has time, the other has none")


def tell_difference(found: Sequence[Feature], expected: Sequence[Feature]) -> str:
    """Say where two descriptions of features part."""
    names, wanted = ([feature.name for feature in each] for each in (found, expected))
    if names != wanted:
        return f"found features {', '.join(names)}; expected {', '.join(wanted)}"
    pairs = ((one, other) for one, other in zip(found, expected, strict=True) if one != other)
    one, other = next(pairs)
    key = next(each.name for each in fields(Feature) if getattr(one, each.name) != getattr(other, each.name))
    return f"feature {one.name!r} has {key} {getattr(one, key)}; expected {getattr(other, key)}"


def _check(folder: Path, there: Sequence[Path], sequences: Sequence[EventSequence]) -> list[type] | None:
    """Return the types of the last shard's columns, if there is one."""
    others = [path.name for path in folder.glob("*") if path not in there and not path.name.startswith(".")]
    if others and not there:
        raise HachimachiError(f"{folder}: holds {others[0]}, no shards; expected a new folder, or one of .arrow files")
    before = None
    for path in there:
        try:
            file = ArrowFile(path)
            _check_against(file.index, sequences)
        except HachimachiError as error:
            raise HachimachiError(f"{path}: {error}") from error
        kinds = (file.schema.field(feature.name).type.to_pandas_dtype() for feature in file.index.features)
        before = [kind if kind in TYPES else TYPES[0] for kind in kinds]
    return before


def _check_against(index: Index, sequences: Sequence[EventSequence]) -> None:
    """Refuse new sequences that do not go with a shard."""
    expected = "what is added has to be alike"
    if index.features != sequences[0].features:
        raise HachimachiError(f"{expected}: {tell_difference(sequences[0].features, index.features)}")
    if index.temporal != sequences[0].temporal:
        raise HachimachiError(f"{expected}: {'has' if index.temporal else 'has no'} time, the new sequences differ")
    if twice := set(index.names) & {sequence.name for sequence in sequences if sequence.name}:
        raise HachimachiError(f"holds {min(twice)!r} already; rename the new sequence, or leave it out")


def _next_number(there: Sequence[Path]) -> int:
    numbers = [path.stem.removeprefix("part-") for path in there]
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=len(there))


def _cut(sequences: Sequence[EventSequence]) -> Iterator[list[EventSequence]]:
    part: list[EventSequence] = []
    for sequence in sequences:
        if part and sum(map(len, part)) + len(sequence) > SHARD:
            yield part
            part = []
        part.append(sequence)
    yield part
