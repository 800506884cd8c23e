"""Sequences of any length as blocks of rows of about one size, which know where each row came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import EventSequence, check_alike

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
    """Give blocks of all sequences in their order, taking each one once.

    Raises:
        HachimachiError: Sequences that differ in features, or of which some only carry time.
    """
    pieces: list[Piece] = []
    cells, first = 0, None
    for sequence in sequences:
        first = sequence[:0] if first is None else first
        check_alike([first, sequence])
        for piece in _cut(sequence):
            pieces.append(piece)
            cells += piece.events.data.size
            if cells >= _CELLS:
                yield Block.of(pieces)
                pieces, cells = [], 0
    if pieces:
        yield Block.of(pieces)


def _cut(sequence: EventSequence) -> Iterator[Piece]:
    """Cut a sequence where it is longer than a block; one without events gives nothing."""
    most = max(_CELLS // len(sequence.features), 1)
    for first in range(0, len(sequence), most):
        before = None if sequence.time is None or first == 0 else float(sequence.time[first - 1])
        whole = len(sequence) <= most
        events = sequence if whole else sequence[first : first + most]
        yield Piece(events, first, before, first + most >= len(sequence))
