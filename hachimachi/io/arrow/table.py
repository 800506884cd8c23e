"""Sequences as one Arrow table: ``sequence``, ``time`` where there is time, and a column for each feature.

Each column has the smallest type that holds its numbers exactly; time always has eight bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence
from hachimachi.io.arrow.file import ArrowFile
from hachimachi.io.arrow.index import SEQUENCE, Index
from hachimachi.io.collection import BLOCK
from hachimachi.io.report import Report

TYPES = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64)
"""What a column may be made of, the first that holds all of its numbers."""


def parse(data: bytes, file: str, report: Report) -> list[EventSequence]:
    """Read all sequences of a file into memory. Rows in messages are counted from 1.

    Raises:
        HachimachiError: No Arrow file, columns that hold no numbers, or numbers that cannot be events.
    """
    arrow = ArrowFile(data)
    note_left_out(arrow, file, report)
    parts = [np.column_stack([column.astype(np.float64) for column in arrow.read(block)]) for block in arrow.blocks]
    table = np.concatenate([np.empty((0, len(arrow.columns))), *parts])
    return list(_sequences(arrow.index, table))


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write sequences, one or many, as an Arrow IPC file.

    Raises:
        HachimachiError: A feature that is named as the column of sequences is.
    """
    sink = pa.BufferOutputStream()
    write_table(sink, sequences, choose_types(sequences))
    return sink.getvalue().to_pybytes()


def write_table(sink: pa.NativeFile, sequences: Sequence[EventSequence], types: Sequence[type]) -> None:
    """Write sequences with a type for each feature."""
    index = Index.of(sequences)
    if SEQUENCE in index.columns:
        raise HachimachiError(f"feature {SEQUENCE!r}: .arrow files keep this name for the sequences; choose another")
    codes = np.repeat(np.arange(len(index.names), dtype=np.int32), index.lengths)
    columns = {SEQUENCE: pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(_labels(index.names), pa.string()))}
    if index.temporal:
        columns[TIME] = pa.array(np.concatenate([each.time for each in sequences if each.time is not None]))
    for place, (feature, kind) in enumerate(zip(index.features, types, strict=True)):
        columns[feature.name] = pa.array(np.concatenate([each.data[:, place].astype(kind) for each in sequences]))
    table = pa.table(columns).replace_schema_metadata(index.to_metadata())
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=BLOCK)


def choose_types(sequences: Sequence[EventSequence], before: Sequence[type] | None = None) -> list[type]:
    """Return for each feature the type it had before, if that will do, else the smallest that will."""
    chosen = []
    for place in range(len(sequences[0].features)):
        columns = [each.data[:, place] for each in sequences]
        wanted = TYPES if before is None else (before[place], *TYPES)
        chosen.append(next(kind for kind in wanted if all(_holds(kind, column) for column in columns)))
    return chosen


def note_left_out(arrow: ArrowFile, file: str, report: Report) -> None:
    """Say which columns are of no use."""
    for name in arrow.left_out:
        report.count(f"column {name!r} left out: row numbers of pandas", file, 1)


def _holds(kind: type, values: NDArray[np.float64]) -> bool:
    """Return whether a type holds numbers exactly."""
    if np.issubdtype(kind, np.integer):
        ends = np.iinfo(kind)
        within = values.size == 0 or (values.min() >= ends.min and values.max() <= ends.max)
        return bool(within) and bool(np.all(values == np.round(values)))
    with np.errstate(over="ignore"):
        return bool(np.all(values.astype(kind).astype(np.float64) == values))


def _labels(names: Sequence[str]) -> list[str]:
    """Return a label of its own for each sequence, its name where that is one."""
    often = Counter(names)
    return [name if name and often[name] == 1 else f"{name}#{place}" for place, name in enumerate(names)]


def _sequences(index: Index, table: NDArray[np.float64]) -> Iterator[EventSequence]:
    ends = np.concatenate([[0], np.cumsum(index.lengths)]).tolist()
    for name, (first, stop) in zip(index.names, pairwise(ends), strict=True):
        rows = table[first:stop]
        time = rows[:, 0].copy() if index.temporal else None
        try:
            yield EventSequence(index.features, np.ascontiguousarray(rows[:, index.temporal :]), time, name)
        except HachimachiError as error:
            raise HachimachiError(f"sequence {name!r}, from row {first + 1}: {error}") from error
