"""Events that stay on disk: Arrow files of which only the blocks in use are mapped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io.arrow.file import ArrowFile, Column
from hachimachi.io.arrow.shards import check_same
from hachimachi.io.arrow.table import note_left_out
from hachimachi.io.collection import BLOCK, POOL
from hachimachi.io.report import Report
from hachimachi.io.summary import Summary, join

OPEN = 3 * POOL * BLOCK // 2
"""Events that are mapped at a time, some 150 MB: those of a pool, and those of blocks that windows reach over into.
Mapped pages count as the process's own; each block is mapped for itself, so that its pages go when it is let go."""


class ArrowSource:
    """One Arrow file or several as the source of a :class:`~hachimachi.io.collection.Collection`.

    To another process go paths and indices, never maps.

    Raises:
        HachimachiError: A file that cannot be read, or files that differ in features.
    """

    resident = False

    def __init__(self, paths: Sequence[Path], names: Sequence[str], report: Report) -> None:
        self.files = [_open(path) for path in paths]
        first = self.files[0].index
        self.features, self.temporal = first.features, first.temporal
        for path, file, name in zip(paths, self.files, names, strict=True):
            check_same(path, file, paths[0], self.features, self.temporal)
            note_left_out(file, name, report)
        self.paths = list(paths)
        self.names: Sequence[str] = [
            each or name for file, name in zip(self.files, names, strict=True) for each in file.index.names
        ]
        self.lengths = np.concatenate([file.index.lengths for file in self.files])
        counts = [len(file.index.names) for file in self.files]
        self._firsts = np.cumsum([0, *counts])  # the first sequence of each file
        self.owner = np.repeat(np.arange(len(counts)), counts)
        self.offsets = np.concatenate([np.cumsum(file.index.lengths) - file.index.lengths for file in self.files])
        events = np.cumsum([0, *(-(-file.events // BLOCK) * BLOCK for file in self.files)])
        self.places = events[self.owner] + self.offsets
        self._open: OrderedDict[tuple[int, int], list[Column]] = OrderedDict()  # the least recently used first
        self._opened = 0

    def is_compressed(self) -> bool:
        """Return whether any file would have to be unpacked again for each block."""
        return any(file.is_compressed() for file in self.files)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict(), "_opened": 0}

    def rows(self, sequence: int, start: int, stop: int) -> NDArray[np.float64]:
        """Return rows of a sequence; see :class:`~hachimachi.io.collection.Source`."""
        back = int(self.temporal and start > 0)
        rows = self._read(sequence, start - back, stop)
        if self.temporal:
            rows[1:, 0] = np.diff(rows[:, 0])
            rows[:1, 0] = np.nan
        self._check(sequence, rows[1:] if self.temporal else rows, start - back + self.temporal)
        return rows[back:]

    def events(self, sequence: int, start: int, stop: int) -> EventSequence:
        """Return events of a sequence."""
        table = self._read(sequence, start, stop)
        time = table[:, 0].copy() if self.temporal else None
        try:
            return EventSequence(self.features, table[:, self.temporal :], time, self.names[sequence])
        except HachimachiError as error:
            raise HachimachiError(f"{self._where(sequence)}: sequence {self.names[sequence]!r}: {error}") from error

    def summarise(self, which: NDArray[np.int64]) -> list[Summary]:
        """Summarise each column of some sequences by what their files say of them."""
        owners = self.owner[which]
        files = np.unique(owners)
        parts = [self.files[i].index.statistics.summarise(which[owners == i] - self._firsts[i]) for i in files]
        return [join(column) for column in zip(*parts, strict=True)]

    def _read(self, sequence: int, start: int, stop: int) -> NDArray[np.float64]:
        """Return numbers as they stand in the file, shape (stop − start, columns)."""
        number = int(self.owner[sequence])
        file, offset = self.files[number], int(self.offsets[sequence])
        first, stop = offset + start, offset + stop
        rows = np.empty((stop - first, len(file.columns)))
        place = file.find(first) if stop > first else 0
        at = first
        while at < stop:
            block = file.blocks[place]
            end = min(stop, block.start + block.stop - block.first)
            for column, values in enumerate(self._block(number, place)):
                rows[at - first : end - first, column] = values[at - block.start : end - block.start]
            at, place = end, place + 1
        return rows

    def _block(self, number: int, place: int) -> list[Column]:
        key = number, place
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        file = self.files[number]
        try:
            self._open[key] = file.read(file.blocks[place])
        except HachimachiError as error:
            raise HachimachiError(f"{self.paths[number]}: {error}") from error
        self._opened += len(self._open[key][0])
        while self._opened > OPEN and len(self._open) > 1:
            _, columns = self._open.popitem(last=False)
            self._opened -= len(columns[0])
        return self._open[key]

    def _check(self, sequence: int, rows: NDArray[np.float64], start: int) -> None:
        """Refuse what lies beyond the statistics: events that were changed, and their description was not."""
        number = int(self.owner[sequence])
        told, place = self.files[number].index, sequence - self._firsts[number]
        within = (rows >= told.statistics.low[place]) & (rows <= told.statistics.high[place])
        if not within.all():
            row, column = np.argwhere(~within)[0]
            where = f"{self._where(sequence)}: row {self.offsets[sequence] + start + row + 1}"
            low, high = (ends[place, column] for ends in (told.statistics.low, told.statistics.high))
            found = f"found {rows[row, column]:g}, where its description says {low:g} to {high:g}"
            advice = "another program changed it; write it anew with `hxmx format`"
            raise HachimachiError(f"{where}, column {told.columns[column]!r}: {found}; {advice}")

    def _where(self, sequence: int) -> str:
        return str(self.paths[int(self.owner[sequence])])


def _open(path: Path) -> ArrowFile:
    try:
        return ArrowFile(path)
    except HachimachiError as error:
        raise HachimachiError(f"{path}: {error}") from error
