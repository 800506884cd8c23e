"""Arrow files as the source of a collection whose events stay on disk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError, located
from hachimachi.events import TIME, EventSequence
from hachimachi.io.arrow import Column, describe_difference, note_left_out, open_arrow
from hachimachi.io.collection import BLOCK, POOL, Indices
from hachimachi.io.report import Report

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
            if file.index.features != self.features:
                difference = describe_difference(file.index.features, self.features)
                raise HachimachiError(f"{path} and {paths[0]} differ: {difference}")
            if file.index.temporal != self.temporal:
                raise HachimachiError(f"{path} and {paths[0]} differ: one has time, the other has none")
            note_left_out(file, name, report)
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

    def rows(self, sequence: int, start: int, stop: int) -> NDArray[np.float64]:
        """Return rows of a sequence; see :class:`~hachimachi.io.collection.Source`."""
        back = int(self.temporal and start > 0)  # the event before gives the first inter-event time
        rows = self._read(sequence, start - back, stop)
        if self.temporal:
            between = np.diff(rows[:, 0], prepend=np.nan)
            self._check(int(self.owner[sequence]), rows[:, 0], between, self.offsets[sequence] + start - back)
            rows[:, 0] = between
        return rows[back:]

    def blocks(self, which: Indices, first: Indices, stop: Indices) -> Iterator[NDArray[np.float64]]:
        """Yield the rows of parts of sequences, block by block of the files; see
        :class:`~hachimachi.io.collection.Source`."""
        some = stop > first
        owner, begins, ends = (each[some] for each in (self.owner[which], *(self.offsets[which] + (first, stop))))
        for number in np.unique(owner).tolist():
            heads, tails = (np.sort(each[owner == number]) for each in (begins, ends))
            before = np.nan  # time of the last event of the block before
            for i, block in enumerate(self.files[number].blocks):
                columns, bounds = self._block(number, i), (block.start, block.start + block.stop - block.first)
                (begin, end), (over, closing) = (np.searchsorted(each, bounds) for each in (heads, tails))
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

    def _read(self, sequence: int, start: int, stop: int) -> NDArray[np.float64]:
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

    def _check(self, number: int, time: NDArray[np.float64], between: NDArray[np.float64], start: int) -> None:
        """Refuse time that goes back, by inter-event times, of events from row ``start`` of a file on: another program
        has changed it."""
        if (between < 0).any():
            row = int((between < 0).argmax())
            where = f"{self.paths[number]}: row {start + row + 1}, column {TIME!r}"
            raise HachimachiError(f"{where}: found {time[row]:g}, expected seconds that never go back in a sequence")
