"""Arrow files: columns ``sequence``, float64 ``time`` if there is time, and each feature in the smallest exact type."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError, located
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io.atomic import replacing
from hachimachi.io.collection import BLOCK, Statistics
from hachimachi.io.csv_format import feature_of
from hachimachi.io.json_format import describe, read_features
from hachimachi.io.report import Report

try:
    import pyarrow as pa
except ImportError as error:
    raise HachimachiError(".arrow files need pyarrow; pip install 'hachimachi[columnar]'") from error

KEY = b"hachimachi"  # key of the schema metadata
SEQUENCE = "sequence"  # column with the name of each event's sequence
VERSION = 1


@dataclass(frozen=True, eq=False)
class Index:
    """What is known of a file without reading its events."""

    features: tuple[Feature, ...]
    temporal: bool  # whether there is time
    names: tuple[str, ...]  # of its sequences
    lengths: NDArray[np.int64]  # events in each sequence, shape (S,)
    statistics: Statistics  # of its sequences; inter-event time first if there is time, then the features

    @property
    def columns(self) -> list[str]:
        """The names of the numeric columns, in the order of the file."""
        return [TIME] * self.temporal + [feature.name for feature in self.features]

    @staticmethod
    def of(sequences: Sequence[EventSequence]) -> Index:
        """Describe at least one sequence; all have the same features."""
        first, lengths = sequences[0], np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        columns = [np.concatenate([each.data[:, i] for each in sequences]) for i in range(len(first.features))]
        if first.temporal:
            columns.insert(0, np.concatenate([each.rows()[:, 0] for each in sequences]))
        categorical = [i for i, feature in enumerate(first.features, first.temporal) if feature.kind == "categorical"]
        statistics = Statistics.of(columns, lengths, categorical)
        return Index(first.features, first.temporal, tuple(each.name for each in sequences), lengths, statistics)

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the schema metadata, with features as in JSON."""
        content = {
            "version": VERSION,
            "features": {str(i): describe(feature) for i, feature in enumerate(self.features)},
            "temporal": self.temporal,
            "sequences": {"names": self.names, "lengths": self.lengths.tolist()},
            "statistics": self.statistics.to_json(),
        }
        return {KEY: json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()}


def read_index(schema: pa.Schema, events: int) -> Index | None:
    """Return the index in a schema, ``None`` where there is none or it does not fit the columns or number of events."""
    text = (schema.metadata or {}).get(KEY)
    if text is None:
        return None
    try:
        content = json.loads(text)
        version = content["version"]
        if version == VERSION:
            features = read_features(content["features"], len(content["features"]))
            temporal = bool(content["temporal"])
            names = tuple(map(str, content["sequences"]["names"]))
            lengths = np.array(content["sequences"]["lengths"], dtype=np.int64)
            if lengths.shape != (len(names),) or (lengths < 0).any():
                raise ValueError(f"{len(names)} names and {len(lengths)} lengths")
            statistics = Statistics.from_json(content["statistics"], len(names), temporal + len(features))
            index = Index(features, temporal, names, lengths, statistics)
            return index if int(lengths.sum()) == events and set(index.columns) <= set(schema.names) else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise HachimachiError(f"its description under {KEY.decode()!r} is damaged: {error!r}") from error
    raise HachimachiError(f"its description has version {version}, expected {VERSION}; a newer hachimachi wrote it")


def read_description(schema: pa.Schema, names: Sequence[str]) -> tuple[Feature, ...]:
    """Return the features of a file without a valid index, by column name: dictionary columns and those marked ``#``
    are categorical, ``~`` marks masked ones, as in CSV."""
    try:
        content: Mapping[str, Any] = json.loads((schema.metadata or {}).get(KEY, b"{}")).get("features", {})
        known = {feature.name: feature for feature in read_features(content, len(content))}
    except (ValueError, AttributeError):
        known = {}
    features = []
    for name in names:
        described = known.get(name) or feature_of(name)
        if name not in known and pa.types.is_dictionary(schema.field(name).type):
            described = replace(described, kind="categorical")
        features.append(described)
    return tuple(features)


TYPES = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64)  # smallest first


def parse(data: bytes, file: str, report: Report) -> list[EventSequence]:
    """Read all sequences of a file into memory, as :class:`ArrowFile`; rows in messages are counted from 1."""
    arrow = ArrowFile(data)
    note_left_out(arrow, file, report)
    index = arrow.index
    table = np.concatenate([np.column_stack(arrow.read(block)).astype(np.float64) for block in arrow.blocks])
    sequences = []
    ends = np.cumsum(index.lengths).tolist()
    for name, first, stop in zip(index.names, [0, *ends], ends, strict=False):
        time = table[first:stop, 0].copy() if index.temporal else None
        with located(f"sequence {name!r}, from row {first + 1}"):
            values = np.ascontiguousarray(table[first:stop, index.temporal :])
            sequences.append(EventSequence(index.features, values, time, name))
    return sequences


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write sequences, one or many, as an Arrow IPC file; none of their features may be named ``sequence``."""
    sink = pa.BufferOutputStream()
    write_table(sink, sequences, choose_types(sequences))
    return sink.getvalue().to_pybytes()


def write_table(sink: pa.NativeFile, sequences: Sequence[EventSequence], types: Sequence[type]) -> None:
    """Write sequences with a type for each feature."""
    index = Index.of(sequences)
    if SEQUENCE in index.columns:
        raise HachimachiError(f"feature {SEQUENCE!r}: .arrow files keep this name for the sequences; choose another")
    codes = np.repeat(np.arange(len(index.names), dtype=np.int32), index.lengths)
    often = Counter(index.names)
    labels = [name if name and often[name] == 1 else f"{name}#{i}" for i, name in enumerate(index.names)]
    columns = {SEQUENCE: pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(labels, pa.string()))}
    if index.temporal:
        columns[TIME] = pa.array(np.concatenate([each.time for each in sequences if each.time is not None]))
    for i, (feature, kind) in enumerate(zip(index.features, types, strict=True)):
        columns[feature.name] = pa.array(np.concatenate([each.data[:, i].astype(kind) for each in sequences]))
    table = pa.table(columns).replace_schema_metadata(index.to_metadata())
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=BLOCK)


def choose_types(sequences: Sequence[EventSequence], previous: Sequence[type] | None = None) -> list[type]:
    """Return for each feature its previous type if that holds all numbers, else the smallest that does."""
    chosen = []
    for i in range(len(sequences[0].features)):
        columns = [each.data[:, i] for each in sequences]
        wanted = TYPES if previous is None else (previous[i], *TYPES)
        with np.errstate(over="ignore", invalid="ignore"):  # what does not fit comes out as another number
            chosen.append(next(kind for kind in wanted if all((each.astype(kind) == each).all() for each in columns)))
    return chosen


def note_left_out(arrow: ArrowFile, file: str, report: Report) -> None:
    """Report the columns that are not read."""
    for name in arrow.left_out:
        report.count(f"column {name!r} left out: row numbers of pandas", file, 1)


PANDAS = "__index_level_"  # prefix of the columns in which pandas stores row numbers
Column = NDArray[Any]


class RowBlock(NamedTuple):
    """Rows ``first`` to ``stop`` of one record batch, the first of which is row ``start`` of the file."""

    batch: int
    first: int
    stop: int
    start: int


class ArrowFile:
    """An Arrow IPC file with numeric columns: its path, mapped into memory anew for each block, or all of its bytes."""

    def __init__(self, source: Path | bytes) -> None:
        self.source = source
        reader = self._open()
        self.schema: pa.Schema = reader.schema
        self.blocks: list[RowBlock] = []
        start = 0
        for batch in range(reader.num_record_batches):  # of any size in files of other programs
            with _as_one_line():
                rows = reader.get_batch(batch).num_rows
            for first in range(0, rows, BLOCK):
                self.blocks.append(RowBlock(batch, first, min(first + BLOCK, rows), start + first))
            start += rows
        self.events = sum(block.stop - block.first for block in self.blocks)
        index = read_index(self.schema, self.events)
        if not self.events:
            raise HachimachiError("no events: the table has no rows")
        self._starts = np.array([block.start for block in self.blocks], dtype=np.int64)
        self.columns = _pick_columns(self.schema, index)
        self.index = index or scan(self, read_description(self.schema, [n for n in self.columns if n != TIME]))
        self.left_out = [name for name in self.schema.names if name not in (SEQUENCE, *self.columns)]

    def read(self, block: RowBlock) -> list[Column]:
        """Return the numbers of all columns in a block, each of shape (N,), perhaps views of the mapped file; a null is
        refused with its row and column, NaN is not checked."""
        found = []
        for name, array in zip(self.columns, self.arrays(block, self.columns), strict=True):
            if array.null_count:
                row = block.start + array.is_null().to_numpy(zero_copy_only=False).argmax() + 1
                raise HachimachiError(f"row {row}, column {name!r}: found nothing (null), expected a finite number")
            plain = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
            plain = plain.cast(pa.uint8()) if pa.types.is_boolean(plain.type) else plain
            found.append(plain.to_numpy(zero_copy_only=True))
        return found

    def arrays(self, block: RowBlock, names: list[str]) -> list[pa.Array]:
        """Return columns of a block as Arrow arrays."""
        reader = self._open([self.schema.get_field_index(name) for name in names])
        with _as_one_line():
            batch = reader.get_batch(block.batch).slice(block.first, block.stop - block.first)
            batch.validate(full=True)  # a code beyond its dictionary would be read from memory that is not its own
        return [batch.column(name) for name in names]

    def find(self, row: int) -> int:
        """Return the index of the block that a row is in."""
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def is_compressed(self) -> bool:
        """Return whether events have to be decompressed, that is, arrays are not views of the mapped file."""
        if isinstance(self.source, bytes):
            return False
        whole = pa.memory_map(str(self.source)).read_buffer()
        batch = pa.ipc.open_file(whole).get_batch(0)
        buffers = [buffer for column in batch.columns for buffer in column.buffers() if buffer and buffer.size]
        return not all(whole.address <= buffer.address < whole.address + whole.size for buffer in buffers)

    def _open(self, included: list[int] | None = None) -> pa.RecordBatchFileReader:
        options = pa.ipc.IpcReadOptions(included_fields=sorted(included) if included else None)
        with _as_one_line():
            whole = pa.BufferReader(self.source) if isinstance(self.source, bytes) else pa.memory_map(str(self.source))
            return pa.ipc.open_file(whole, options=options)


def _pick_columns(schema: pa.Schema, index: Index | None) -> list[str]:
    """Return the numeric columns, time first."""
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


@contextmanager
def _as_one_line() -> Iterator[None]:
    """Turn an error of Arrow into a HachimachiError of one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise HachimachiError("there is no such file") from error
    except (pa.ArrowException, OSError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise HachimachiError(f"no Arrow file that can be read, or one that was cut short: {reason}") from error


def scan(file: ArrowFile, features: Sequence[Feature]) -> Index:
    """Describe a file without an index by reading all of it: a sequence is a run of rows with one value under
    ``sequence``, without that column all rows. Values that are not finite, time that goes back and sequences that begin
    again are refused with their row and column."""
    names, starts = _runs(file)
    lengths = np.diff(starts, append=file.events)
    parts = [file.read(block) for block in file.blocks]
    columns = [np.concatenate([part[i] for part in parts]).astype(np.float64) for i in range(len(file.columns))]
    for name, values in zip(file.columns, columns, strict=True):
        if not (finite := np.isfinite(values)).all():
            row = int(finite.argmin())
            raise HachimachiError(f"row {row + 1}, column {name!r}: found {values[row]}, expected a finite number")
    temporal = file.columns[:1] == [TIME]
    if temporal:
        time = columns[0]
        columns[0] = np.diff(time, prepend=np.nan)
        columns[0][starts] = np.nan
        wrong = columns[0] < 0
        wrong[starts] = time[starts] < 0
        if wrong.any():
            row = int(wrong.argmax())
            expected = "expected seconds from 0 that never go back within a sequence"
            raise HachimachiError(f"row {row + 1}, column {TIME!r}: found {time[row]:g}, {expected}")
    return Index(tuple(features), temporal, tuple(names), lengths, Statistics.of(columns, lengths, ()))


def _runs(file: ArrowFile) -> tuple[list[str], NDArray[np.int64]]:
    """Return the name and first row of each sequence."""
    if SEQUENCE not in file.schema.names:
        return [""], np.zeros(1, dtype=np.int64)
    column = pa.chunked_array([file.arrays(block, [SEQUENCE])[0] for block in file.blocks])
    if column.null_count:
        row = int(column.is_null().to_numpy().argmax()) + 1
        raise HachimachiError(f"row {row}, column {SEQUENCE!r}: found nothing (null), expected the name of a sequence")
    if not pa.types.is_dictionary(column.type):
        viewed = pa.types.is_string_view(column.type)  # which Arrow does not yet encode
        column = (column.cast(pa.large_string()) if viewed else column).dictionary_encode()
    array = column.unify_dictionaries().combine_chunks()
    codes = array.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    names = [str(array.dictionary[code].as_py()) for code in codes[starts].tolist()]
    seen: set[str] = set()
    for name, start in zip(names, starts.tolist(), strict=True):
        if name in seen:
            expected = "expected all events of a sequence one after the other"
            raise HachimachiError(f"row {start + 1}, column {SEQUENCE!r}: {name!r} begins again; {expected}")
        seen.add(name)
    return names, starts


SHARD = 2**22  # approximate events in a shard, some 100 MB; sequences are not cut


def append(folder: Path, sequences: Sequence[EventSequence]) -> None:
    """Add sequences to a folder, made if missing, as new shards ``part-00000.arrow`` and so on.

    Each shard is written atomically; existing ones are not changed. A column keeps its type in the last shard if that
    holds the new numbers too. The folder may hold neither other data nor a sequence of the same name.
    """
    shards, previous, first = sorted(folder.glob("*.arrow")), None, sequences[0]
    others = [path.name for path in folder.glob("*") if path not in shards and not path.name.startswith(".")]
    if others and not shards:
        raise HachimachiError(f"{folder}: holds {others[0]}, no shards; expected a new folder, or one of .arrow files")
    names = {sequence.name for sequence in sequences if sequence.name}
    for path in shards:
        file = open_arrow(path)
        index, alike = file.index, f"{path}: what is added has to be alike"
        if index.features != first.features:
            raise HachimachiError(f"{alike}: {describe_difference(first.features, index.features)}")
        if index.temporal != first.temporal:
            raise HachimachiError(f"{alike}: {'has' if index.temporal else 'has no'} time, the new sequences differ")
        if twice := names & set(index.names):
            raise HachimachiError(f"{path}: holds {min(twice)!r} already; rename the new sequence, or leave it out")
        kinds = (file.schema.field(feature.name).type.to_pandas_dtype() for feature in index.features)
        previous = [kind if kind in TYPES else TYPES[0] for kind in kinds]
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise HachimachiError(f"{folder}: cannot be made: {error.strerror or error}") from error
    types = choose_types(sequences, previous)
    numbers = [path.stem.removeprefix("part-") for path in shards]
    free = max((int(number) + 1 for number in numbers if number.isdecimal()), default=len(shards))
    parts: list[list[EventSequence]] = [[]]
    for sequence in sequences:
        if parts[-1] and sum(map(len, parts[-1])) + len(sequence) > SHARD:
            parts.append([])
        parts[-1].append(sequence)
    for number, part in enumerate(parts, free):
        path = folder / f"part-{number:05}.arrow"
        with replacing(path) as temporary, pa.OSFile(str(temporary), "wb") as sink:
            write_table(sink, part, types)


def describe_difference(found: Sequence[Feature], expected: Sequence[Feature]) -> str:
    """Describe the first difference of two lists of features."""
    names, wanted = ([feature.name for feature in each] for each in (found, expected))
    if names != wanted:
        return f"found features {', '.join(names)}; expected {', '.join(wanted)}"
    one, other = next((one, other) for one, other in zip(found, expected, strict=True) if one != other)
    key = next(each.name for each in fields(Feature) if getattr(one, each.name) != getattr(other, each.name))
    return f"feature {one.name!r} has {key} {getattr(one, key)}; expected {getattr(other, key)}"


def open_arrow(path: Path) -> ArrowFile:
    """Return an Arrow file; its path is part of the message of any error."""
    with located(path):
        return ArrowFile(path)
