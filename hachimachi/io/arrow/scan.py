"""Finding out by reading it all what a file without an index holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, Feature
from hachimachi.io.arrow.index import SEQUENCE, Index
from hachimachi.io.summary import Statistics

if TYPE_CHECKING:
    from hachimachi.io.arrow.file import ArrowFile, Block


def scan(file: ArrowFile, features: Sequence[Feature]) -> Index:
    """Go through a file once, block by block.

    A sequence is a run of rows with one value under ``sequence``; without that column all rows are one.

    Raises:
        HachimachiError: Something that is no finite number, time that goes back, or a sequence that begins again; with
            row and column.
    """
    seen, scanned = _Seen(), _Scanned()
    for block in file.blocks:
        names, lengths = _runs(file, block)
        goes_on = seen.add(names, lengths, block)
        columns = file.read(block)
        _check_finite(columns, file.columns, block)
        scanned.add(columns, lengths, goes_on, file.columns[:1] == [TIME], block)
    statistics = scanned.join(len(seen.names), len(file.columns))
    lengths = np.array(seen.lengths, dtype=np.int64)
    return Index(tuple(features), file.columns[:1] == [TIME], tuple(seen.names), lengths, statistics)


class _Seen:
    """The sequences so far."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.lengths: list[int] = []
        self._known: set[str] = set()

    def add(self, names: Sequence[str], lengths: NDArray[np.int64], block: Block) -> bool:
        """Take over the runs of a block; return whether the first goes on with the sequence before it."""
        goes_on = bool(self.names) and names[0] == self.names[-1]
        row = block.start + 1
        for place, (name, length) in enumerate(zip(names, lengths.tolist(), strict=True)):
            if goes_on and not place:
                self.lengths[-1] += length
            elif name in self._known:
                expected = "expected all events of a sequence one after the other"
                raise HachimachiError(f"row {row}, column {SEQUENCE!r}: {name!r} begins again; {expected}")
            else:
                self.names.append(name)
                self.lengths.append(length)
                self._known.add(name)
            row += length
        return goes_on


class _Scanned:
    """The statistics so far, of parts of sequences."""

    def __init__(self) -> None:
        self.parts: list[tuple[NDArray[np.int64], Statistics]] = []
        self._last, self._sequences = np.nan, 0

    def add(
        self,
        columns: Sequence[NDArray[Any]],
        lengths: NDArray[np.int64],
        goes_on: bool,
        temporal: bool,
        block: Block,
    ) -> None:
        """Measure the runs of a block."""
        values = [column.astype(np.float64) for column in columns]
        if temporal:
            time, starts = values[0], np.cumsum(lengths) - lengths
            values[0] = np.diff(time, prepend=self._last if goes_on else np.nan)
            values[0][starts[goes_on:]] = np.nan
            _check_time(time, values[0], starts[goes_on:], block)
            self._last = time[-1]
        which = self._sequences - goes_on + np.arange(len(lengths))
        self._sequences = int(which[-1]) + 1
        self.parts.append((which, Statistics.of(values, lengths, ())))

    def join(self, sequences: int, columns: int) -> Statistics:
        """Return the statistics of whole sequences."""
        whole = Statistics.of([np.zeros(0)] * columns, np.zeros(sequences, dtype=np.int64), ())
        for which, part in self.parts:
            whole.low[which] = np.minimum(whole.low[which], part.low)
            whole.high[which] = np.maximum(whole.high[which], part.high)
            whole.holds[which] &= part.holds
        return whole


def _check_finite(columns: Sequence[NDArray[Any]], names: Sequence[str], block: Block) -> None:
    for name, values in zip(names, columns, strict=True):
        finite = np.isfinite(values)
        if not finite.all():
            row = int(finite.argmin())
            expected = "expected a finite number"
            raise HachimachiError(f"row {block.start + row + 1}, column {name!r}: found {values[row]}, {expected}")


def _check_time(
    time: NDArray[np.float64], between: NDArray[np.float64], starts: NDArray[np.int64], block: Block
) -> None:
    wrong = between < 0
    wrong[starts] = time[starts] < 0
    if wrong.any():
        row = int(wrong.argmax())
        expected = "expected seconds from 0 that never go back within a sequence"
        raise HachimachiError(f"row {block.start + row + 1}, column {TIME!r}: found {time[row]:g}, {expected}")


def _runs(file: ArrowFile, block: Block) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of a block's runs of rows of one sequence, and their lengths."""
    rows = block.stop - block.first
    if SEQUENCE not in file.schema.names:
        return [""], np.array([rows], dtype=np.int64)
    array = file.sequence_column(block)
    if array.null_count:
        row = block.start + array.is_null().to_numpy(zero_copy_only=False).argmax() + 1
        raise HachimachiError(f"row {row}, column {SEQUENCE!r}: found nothing (null), expected the name of a sequence")
    if not pa.types.is_dictionary(array.type):
        viewed = pa.types.is_string_view(array.type)  # which Arrow does not yet encode
        array = (array.cast(pa.large_string()) if viewed else array).dictionary_encode()
    codes = array.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    names = [str(array.dictionary[code].as_py()) for code in codes[starts].tolist()]
    return names, np.diff(starts, append=rows)
