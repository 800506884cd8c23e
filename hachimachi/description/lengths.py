"""What is known of the sequences: how long they are, and how far apart from each other their numbers lie."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from hachimachi.description.blocks import Block, Piece
from hachimachi.events import EventSequence

_COMPARED = 2000
"""Sequences whose numbers are compared; a larger collection is judged by its first ones."""
_TYPICAL = 100
"""Events from which on a sequence is long enough to stand for others."""


class Lengths:
    """What is known of the sequences so far."""

    def __init__(self) -> None:
        self.seconds, self.latest, self.whole = 0.0, 0.0, True
        self.shortest, self.longest = "", ""
        self.names: list[str] = []
        """Names of the sequences that are compared."""
        self.means: list[NDArray[np.float64]] = []
        """Mean distance from 0 in each of their columns, the time between events among them."""
        self._lengths, self._least, self._most = array("q"), 0, 0
        self._example: EventSequence | None = None
        self._open: list[NDArray[np.float64]] = []
        self._start = 0.0

    @property
    def count(self) -> int:
        """Number of sequences with events."""
        return len(self._lengths)

    @property
    def three(self) -> tuple[int, int, int]:
        """Events of the shortest, the median and the longest."""
        lengths = np.asarray(self._lengths)
        return int(lengths.min()), int(np.median(lengths)), int(lengths.max())

    @property
    def example(self) -> EventSequence:
        """The first sequence of some length, or the longest of short ones."""
        assert self._example is not None
        return self._example

    def add(self, block: Block) -> None:
        """Count the sequences of a block, of which the first may have begun and the last may end elsewhere."""
        with np.errstate(over="ignore"):  # what is not finite is not compared
            sums = np.add.reduceat(np.abs(np.nan_to_num(block.rows)), block.starts, axis=0)
        for piece, total in zip(block.pieces, sums, strict=True):
            self._add_time(piece)
            self._open.append(total)
            if self._example is None or len(self._example) < min(len(piece.events), _TYPICAL):
                self._example = piece.events
            if piece.last:
                self._end(piece)

    def _add_time(self, piece: Piece) -> None:
        time = piece.events.time
        if time is not None:
            self._start = float(time[0]) if piece.first == 0 else self._start
            self.latest = max(self.latest, float(time[-1]))
            self.whole = self.whole and bool(np.all(time == np.round(time)))

    def _end(self, piece: Piece) -> None:
        length, time = piece.first + len(piece.events), piece.events.time
        if not self._lengths or length < self._least:
            self._least, self.shortest = length, piece.events.name
        if length > self._most:
            self._most, self.longest = length, piece.events.name
        self._lengths.append(length)
        seconds = 0.0 if time is None else float(time[-1]) - self._start
        self.seconds += seconds
        if length > 1 and len(self.names) < _COMPARED:
            with np.errstate(over="ignore"):
                mean = np.sum(self._open, axis=0) / length
            if time is not None:
                mean[0] = seconds / (length - 1)
            self.names.append(piece.events.name)
            self.means.append(mean)
        self._open = []
