"""Sequences of any length as blocks of rows of about one size, which know where each row came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import EventSequence, check_alike
from hachimachi.io.collection import Collection

_CELLS = 1_000_000
"""Numbers in a block, about: enough for NumPy to be quick, few enough to be forgotten."""


@dataclass(frozen=True)
class Piece:
    """Successive events of one sequence.

    Args:
        events: The events; of the sequence or a part of it.
        first: Number of the first one in its sequence, from 0.
        before: Time of the event before the first one, ``None`` where the sequence begins.
        last: Whether the sequence ends with it.
    """

    events: EventSequence
    first: int
    before: float | None
    last: bool

    def rows(self) -> NDArray[np.float64]:
        """Return inter-event time (if temporal) and features; NaN for the time before the first event of all."""
        rows = self.events.rows()
        if self.before is not None and self.events.time is not None:
            rows[0, 0] = self.events.time[0] - self.before
        return rows


@dataclass(frozen=True)
class Place:
    """Where an event is: the number it has in a sequence, from 1."""

    sequence: str
    event: int

    def __str__(self) -> str:
        return f"event {self.event:,}" + (f" of {self.sequence}" if self.sequence else "")


@dataclass(frozen=True)
class Block:
    """Rows of several pieces, one below the other, shape (N, columns)."""

    pieces: list[Piece]
    rows: NDArray[np.float64]
    starts: NDArray[np.int64]

    @staticmethod
    def of(pieces: list[Piece]) -> Block:
        """Put pieces together."""
        lengths = [len(piece.events) for piece in pieces]
        starts = np.cumsum([0, *lengths[:-1]], dtype=np.int64)
        return Block(pieces, np.concatenate([piece.rows() for piece in pieces]), starts)

    def place(self, row: int) -> Place:
        """Return where a row comes from."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        piece = self.pieces[number]
        return Place(piece.events.name, piece.first + row - int(self.starts[number]) + 1)


def blocks_of(sequences: Iterable[EventSequence]) -> Iterator[Block]:
    """Give blocks of all sequences in their order, taking each once; of a collection no more than a block at a time.

    Raises:
        HachimachiError: Sequences that differ in features, or of which some only carry time.
    """
    waiting: list[Piece] = []
    cells, first = 0, None
    for piece in _pieces_of(sequences):
        first = piece.events[:0] if first is None else first
        check_alike([first, piece.events])
        waiting.append(piece)
        cells += piece.events.data.size
        if cells >= _CELLS:
            yield Block.of(waiting)
            waiting, cells = [], 0
    if waiting:
        yield Block.of(waiting)


def _pieces_of(sequences: Iterable[EventSequence]) -> Iterator[Piece]:
    """Cut sequences where they are longer than a block; those without events give nothing."""
    if isinstance(sequences, Collection):
        for place, length in enumerate(sequences.lengths.tolist()):
            one = sequences.take([place])
            yield from _cut(length, len(sequences.features), lambda first, last, one=one: one.cut(first, last)[0])
    else:
        for sequence in sequences:
            yield from _cut(len(sequence), len(sequence.features), lambda first, last, all=sequence: all[first:last])


def _cut(length: int, features: int, events_of: Callable[[int, int], EventSequence]) -> Iterator[Piece]:
    most, before = max(_CELLS // features, 1), None
    for first in range(0, length, most):
        last = min(first + most, length)
        events = events_of(first, last)
        yield Piece(events, first, before, last == length)
        before = None if events.time is None else float(events.time[-1])
