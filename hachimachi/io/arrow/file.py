"""One Arrow file, its events in blocks, and an index of it even where another program wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME
from hachimachi.io.arrow.index import SEQUENCE, Index, read_description, read_index
from hachimachi.io.arrow.scan import scan
from hachimachi.io.collection import BLOCK

PANDAS = "__index_level_"
"""How the columns begin in which pandas keeps the numbers of rows."""

Column = NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Block:
    """Where a block of a file lies: rows of one record batch, counted from the batch's first.

    Args:
        batch: Number of the record batch.
        first: Its first row.
        stop: One past its last row.
        start: Where the block begins, counted from the file's first row.
    """

    batch: int
    first: int
    stop: int
    start: int


class ArrowFile:
    """An Arrow IPC file.

    Args:
        source: Its path, which is then mapped into memory anew for each block, or all of its bytes.

    Raises:
        HachimachiError: No such file, no Arrow file, no rows, or columns that hold no numbers.
    """

    def __init__(self, source: Path | bytes) -> None:
        self.source = source
        reader = self._open()
        self.schema: pa.Schema = reader.schema
        self.blocks = list(_blocks(reader))
        self.events = sum(block.stop - block.first for block in self.blocks)
        index = read_index(self.schema, self.events)
        if not self.events:
            raise HachimachiError("no events: the table has no rows")
        self._starts = np.array([block.start for block in self.blocks], dtype=np.int64)
        self.columns = _pick_columns(self.schema, index)
        self.index = index or scan(self, read_description(self.schema, [n for n in self.columns if n != TIME]))
        self.left_out = [name for name in self.schema.names if name not in (SEQUENCE, *self.columns)]

    def read(self, block: Block, columns: list[str] | None = None) -> list[Column]:
        """Return the numbers of columns in a block, those of :attr:`index` unless named, each of shape (N,).

        They may lie in the file itself, which stays mapped as long as they are kept.

        Raises:
            HachimachiError: A null, with its row and column; NaN is left to the caller.
        """
        names = self.columns if columns is None else columns
        reader = self._open([self.schema.get_field_index(name) for name in names])
        batch = _guard(lambda: reader.get_batch(block.batch)).slice(block.first, block.stop - block.first)
        return [_numbers(batch.column(name), name, block.start) for name in names]

    def find(self, row: int) -> int:
        """Return the number of the block that a row is in."""
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def sequence_column(self, block: Block) -> pa.Array:
        """Return which sequence each event of a block is of, shape (N,), as it stands in the file."""
        reader = self._open([self.schema.get_field_index(SEQUENCE)])
        return _guard(lambda: reader.get_batch(block.batch)).slice(block.first, block.stop - block.first).column(0)

    def is_compressed(self) -> bool:
        """Return whether events have to be unpacked to be read: then they lie elsewhere than in the mapped file."""
        if isinstance(self.source, bytes):
            return False
        whole = pa.memory_map(str(self.source)).read_buffer()
        batch = pa.ipc.open_file(whole).get_batch(0)
        buffers = [buffer for column in batch.columns for buffer in column.buffers() if buffer and buffer.size]
        return not all(whole.address <= buffer.address < whole.address + whole.size for buffer in buffers)

    def _open(self, included: list[int] | None = None) -> pa.RecordBatchFileReader:
        options = pa.ipc.IpcReadOptions(included_fields=sorted(included) if included else None)
        where = self.source

        def start() -> pa.RecordBatchFileReader:
            whole = pa.BufferReader(where) if isinstance(where, bytes) else pa.memory_map(str(where))
            return pa.ipc.open_file(whole, options=options)

        return _guard(start)


def _blocks(reader: pa.RecordBatchFileReader) -> Iterator[Block]:
    """Cut record batches, which other programs may make of any size."""
    start = 0
    for batch in range(reader.num_record_batches):
        rows = _guard(lambda batch=batch: reader.get_batch(batch)).num_rows
        for first in range(0, rows, BLOCK):
            stop = min(first + BLOCK, rows)
            yield Block(batch, first, stop, start + first)
        start += rows


def _pick_columns(schema: pa.Schema, index: Index | None) -> list[str]:
    """Return the columns that hold numbers, time first."""
    names = [name for name in schema.names if name != SEQUENCE and not name.startswith(PANDAS)]
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise HachimachiError(f"two columns are named {name!r}; names must differ")
    wanted = [TIME] * (TIME in names) + [name for name in names if name != TIME] if index is None else index.columns
    for name in wanted:
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise HachimachiError(f"column {name!r} holds {kind}, expected numbers; make numbers of it or leave it out")
    return wanted


def _numbers(array: pa.Array, name: str, start: int) -> Column:
    if array.null_count:
        row = start + array.is_null().to_numpy(zero_copy_only=False).argmax() + 1
        raise HachimachiError(f"row {row}, column {name!r}: found nothing (null), expected a finite number")
    plain = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    plain = plain.cast(pa.uint8()) if pa.types.is_boolean(plain.type) else plain
    return plain.to_numpy(zero_copy_only=True)


def _guard(act: Callable[[], T]) -> T:
    """Say in one line what Arrow finds wrong with a file."""
    try:
        return act()
    except FileNotFoundError as error:
        raise HachimachiError("there is no such file") from error
    except (pa.ArrowException, OSError, IndexError) as error:
        told = " ".join(str(error).split())
        raise HachimachiError(f"no Arrow file that can be read, or one that was cut short: {told}") from error
