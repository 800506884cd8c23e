"""Arrow files, and collections of them that stay on disk: columns ``sequence``, float64 ``time`` if there is time, and
each feature in the smallest exact type."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError, located
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io.atomic import replacing
from hachimachi.io.collection import BLOCK, POOL, Indices
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

    @property
    def columns(self) -> list[str]:
        """The names of the numeric columns, in the order of the file."""
        return [TIME] * self.temporal + [feature.name for feature in self.features]

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the schema metadata, with features as in JSON."""
        content = {
            "version": VERSION,
            "features": {str(i): describe(feature) for i, feature in enumerate(self.features)},
            "temporal": self.temporal,
            "sequences": {"names": self.names, "lengths": self.lengths.tolist()},
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
            index = Index(features, temporal, names, lengths)
            fits = (lengths <= events).all() and int(lengths.sum()) == events
            return index if fits and set(index.columns) <= set(schema.names) else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
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
    arrow.note_left_out(file, report)
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
    lengths = np.array([len(each) for each in sequences], dtype=np.int64)
    index = Index(sequences[0].features, sequences[0].temporal, tuple(each.name for each in sequences), lengths)
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


PANDAS = "__index_level_"  # prefix of the columns in which pandas stores row numbers
Column = NDArray[Any]
Rows = NDArray[np.float64]


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
        if index is None:
            features = read_description(self.schema, [name for name in self.columns if name != TIME])
            names, starts = _runs(self)
            index = Index(features, TIME in self.columns, tuple(names), np.diff(starts, append=self.events))
            first = np.concatenate([self.read(block)[0] for block in self.blocks])  # which looks at all columns
            wrong = np.diff(first, prepend=0.0) < 0
            wrong[starts] = first[starts] < 0
            if index.temporal and wrong.any():
                row = int(wrong.argmax())
                expected = "expected seconds from 0 that never go back within a sequence"
                raise HachimachiError(f"row {row + 1}, column {TIME!r}: found {first[row]:g}, {expected}")
        self.index = index

    def note_left_out(self, name: str, report: Report) -> None:
        """Report the columns that are not read, under the name of the file."""
        for column in sorted(set(self.schema.names) - {SEQUENCE, *self.columns}):
            report.count(f"column {column!r} left out: row numbers of pandas", name)

    def read(self, block: RowBlock) -> list[Column]:
        """Return the numbers of all columns in a block, each of shape (N,), perhaps views of the mapped file; what is
        no finite number is refused with its row and column."""
        found = []
        for name, array in zip(self.columns, self.arrays(block, self.columns), strict=True):
            with _as_one_line():
                plain = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
                plain = plain.cast(pa.uint8()) if pa.types.is_boolean(plain.type) else plain
                finite = np.isfinite(plain.to_numpy(zero_copy_only=False))  # a null is NaN there
                if not finite.all():
                    row = int(finite.argmin())
                    value, where = plain[row].as_py(), f"row {block.start + row + 1}, column {name!r}"
                    value = "nothing (null)" if value is None else value
                    raise HachimachiError(f"{where}: found {value}, expected a finite number")
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


def _runs(file: ArrowFile) -> tuple[list[str], NDArray[np.int64]]:
    """Return the name and first row of each sequence of a file without an index: it is a run of rows with one value
    under ``sequence``, without that column all rows. One that begins again is refused with its row."""
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
        if difference := describe_difference(first, index):
            raise HachimachiError(f"{alike}: {difference}")
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


def describe_difference(found: Index | EventSequence, expected: Index) -> str:
    """Describe the first difference in features and time; nothing where there is none."""
    if found.temporal != expected.temporal:
        return "one has time, the other has none"
    names, wanted = ([feature.name for feature in each.features] for each in (found, expected))
    if names != wanted:
        return f"found features {', '.join(names)}; expected {', '.join(wanted)}"
    for one, other in zip(found.features, expected.features, strict=True):
        for key, value in vars(one).items():
            if value != getattr(other, key):
                return f"feature {one.name!r} has {key} {value}; expected {getattr(other, key)}"
    return ""


def open_arrow(path: Path) -> ArrowFile:
    """Return an Arrow file; its path is part of the message of any error."""
    with located(path):
        return ArrowFile(path)


OPEN = 3 * POOL * BLOCK // 2
"""Events mapped at a time, some 150 MB: a pool, and blocks that windows reach into. Each block is mapped by itself, so
that its pages, which count as the process's own, are freed with it."""


class ArrowSource:
    """Arrow files, alike in features, as the source of a collection; pickled without its memory maps."""

    resident = False

    def __init__(self, paths: Sequence[Path], names: Sequence[str], report: Report) -> None:
        self.files = [open_arrow(path) for path in paths]
        first = self.files[0].index
        self.features, self.temporal = first.features, first.temporal
        for path, file, name in zip(paths, self.files, names, strict=True):
            if difference := describe_difference(file.index, first):
                raise HachimachiError(f"{path} and {paths[0]} differ: {difference}")
            file.note_left_out(name, report)
        self.paths = list(paths)
        named = zip(self.files, names, strict=True)
        self.names: Sequence[str] = [each or name for file, name in named for each in file.index.names]
        self.lengths = np.concatenate([file.index.lengths for file in self.files])
        self.owner = np.repeat(np.arange(len(self.files)), [len(file.index.names) for file in self.files])
        self.offsets = np.concatenate([np.cumsum(file.index.lengths) - file.index.lengths for file in self.files])
        events = np.cumsum([0, *(-(-file.events // BLOCK) * BLOCK for file in self.files)])
        self.positions = events[self.owner] + self.offsets
        self._open: OrderedDict[tuple[int, int], list[Column]] = OrderedDict()  # the least recently used first
        self._opened = 0

    def is_compressed(self) -> bool:
        """Return whether any file would have to be decompressed again for each block."""
        return any(file.is_compressed() for file in self.files)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict(), "_opened": 0}

    def rows(self, sequence: int, start: int, stop: int) -> Rows:
        """Return rows of a sequence; see :class:`~hachimachi.io.collection.Source`."""
        back = int(self.temporal and start > 0)  # the event before gives the first inter-event time
        rows = self._read(sequence, start - back, stop)
        if self.temporal:
            between = np.diff(rows[:, 0], prepend=np.nan)
            self._check(int(self.owner[sequence]), rows[:, 0], between, self.offsets[sequence] + start - back)
            rows[:, 0] = between
        return rows[back:]

    def blocks(self, which: Indices, first: Indices, stop: Indices) -> Iterator[Rows]:
        """Yield the rows of parts of sequences, block by block of the files; see
        :class:`~hachimachi.io.collection.Source`."""
        some = stop > first
        owner, begins, ends = (each[some] for each in (self.owner[which], *(self.offsets[which] + (first, stop))))
        for number in np.unique(owner).tolist():
            heads, tails = (np.sort(each[owner == number]) for each in (begins, ends))
            before = np.nan  # time of the last event of the block before
            for i, block in enumerate(self.files[number].blocks):
                bounds = (block.start, block.start + block.stop - block.first)
                (begin, end), (over, closing) = (np.searchsorted(each, bounds) for each in (heads, tails))
                if begin == end == over:  # no part is here
                    continue
                columns = self._block(number, i)
                started, ended = (
                    np.bincount(each - block.start, minlength=len(columns[0]))
                    for each in (heads[begin:end], tails[over:closing])
                )
                inside = np.cumsum(started - ended) + begin - over  # parts that each event is in
                rows = np.stack(columns, axis=1, dtype=np.float64, casting="unsafe")
                if self.temporal:
                    time = rows[:, 0].copy()
                    between = np.diff(time, prepend=before)
                    between[started * (inside == started) > 0] = np.nan
                    self._check(number, time, np.where(inside > 0, between, 0.0), block.start)
                    rows[:, 0], before = between, time[-1]
                yield rows[inside > 0]

    def events(self, sequence: int, start: int, stop: int) -> EventSequence:
        """Return events of a sequence."""
        table = self._read(sequence, start, stop)
        time = table[:, 0].copy() if self.temporal else None
        with located(f"{self.paths[int(self.owner[sequence])]}: sequence {self.names[sequence]!r}"):
            return EventSequence(self.features, table[:, self.temporal :], time, self.names[sequence])

    def _read(self, sequence: int, start: int, stop: int) -> Rows:
        """Return numbers as in the file, shape (stop − start, columns)."""
        number = int(self.owner[sequence])
        file, offset = self.files[number], int(self.offsets[sequence])
        first, stop = offset + start, offset + stop
        rows = np.empty((stop - first, len(file.columns)))
        i = file.find(first) if stop > first else 0
        at = first
        while at < stop:
            block = file.blocks[i]
            end = min(stop, block.start + block.stop - block.first)
            for column, values in enumerate(self._block(number, i)):
                rows[at - first : end - first, column] = values[at - block.start : end - block.start]
            at, i = end, i + 1
        return rows

    def _block(self, number: int, i: int) -> list[Column]:
        key = number, i
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        file = self.files[number]
        with located(self.paths[number]):
            self._open[key] = file.read(file.blocks[i])
        self._opened += len(self._open[key][0])
        while self._opened > OPEN and len(self._open) > 1:
            _, columns = self._open.popitem(last=False)
            self._opened -= len(columns[0])
        return self._open[key]

    def _check(self, number: int, time: Rows, between: Rows, start: int) -> None:
        """Refuse time that goes back, by inter-event times, of events from row ``start`` of a file on: another program
        has changed it."""
        if (between < 0).any():
            row = int((between < 0).argmax())
            where = f"{self.paths[number]}: row {start + row + 1}, column {TIME!r}"
            raise HachimachiError(f"{where}: found {time[row]:g}, expected seconds that never go back in a sequence")
