"""Collections of sequences, in memory or on disk, and summaries of their columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import EventSequence, Feature, check_alike

LATTICES = (127, 128)  # steps per unit in which controllers are often recorded
NEAR = 1e-5  # tolerance of a lattice: the error of float32 and of six decimals

Values = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Summary:
    """Range and kind of one column's numbers."""

    low: float  # minimum; infinity without numbers
    high: float  # maximum; minus infinity without numbers
    whole: bool  # whether all are whole numbers
    lattices: tuple[bool, ...]  # for each of :data:`LATTICES` whether all lie on it
    values: tuple[float, ...] | None = None  # all categories, ascending, if requested

    @staticmethod
    def of(values: Values, categorical: bool = False) -> Summary:
        """Summarise numbers, shape (N,), without NaN."""
        unknown = np.isnan(values)
        known = values[~unknown] if unknown.any() else values
        whole = bool((known == np.round(known)).all())
        with np.errstate(over="ignore"):  # what is too large to be multiplied is refused later
            lattices = [
                whole or bool((np.abs(known - np.round(known * steps) / steps) <= NEAR).all()) for steps in LATTICES
            ]
        named = tuple(np.unique(known).tolist()) if categorical else None
        ends = float(known.min(initial=np.inf)), float(known.max(initial=-np.inf))
        return Summary(*ends, whole, tuple(lattices), named)


def join(summaries: Sequence[Summary]) -> Summary:
    """Summarise one column from summaries of its parts; categories need those of all parts."""
    low, high = min(each.low for each in summaries), max(each.high for each in summaries)
    known = [each.values for each in summaries if each.values is not None]
    named = tuple(sorted(set().union(*known))) if len(known) == len(summaries) else None
    lattices = tuple(all(held) for held in zip(*(each.lattices for each in summaries), strict=True))
    return Summary(low, high, all(each.whole for each in summaries), lattices, named)


BLOCK = 65_536  # events that are read, mapped and shuffled together
POOL = 64  # blocks that are shuffled together
SAMPLED = 2**19  # most events on disk from which histograms and starting points are taken
RUN = 2048  # consecutive events in such a sample

Rows = Values


class Source(Protocol):
    """Storage of S sequences."""

    features: tuple[Feature, ...]  # of every event
    temporal: bool  # whether they carry time
    resident: bool  # whether all of it is in memory
    names: Sequence[str]  # of the sequences
    lengths: Indices  # of the sequences, in events, shape (S,)
    positions: Indices  # position of each sequence's first event in storage, shape (S,)

    def rows(self, sequence: int, start: int, stop: int) -> Rows:
        """Return rows as :meth:`~hachimachi.events.EventSequence.rows` does, shape (stop − start, D)."""
        ...

    def events(self, sequence: int, start: int, stop: int) -> EventSequence:
        """Return events of a sequence."""
        ...

    def blocks(self, which: Indices, first: Indices, stop: Indices) -> Iterator[Rows]:
        """Yield the rows of parts of sequences, each once, in arrays of any size and in any order; the first
        inter-event time of a part is NaN."""
        ...


@dataclass(frozen=True, eq=False)
class Collection(Sequence[EventSequence]):
    """Sequences, or parts of them, in an order. Those on disk are read on access and not kept."""

    source: Source  # their storage
    which: Indices  # index of each one's sequence in the source, shape (S,)
    first: Indices  # its first event, shape (S,)
    stop: Indices  # one past its last event, shape (S,)

    @staticmethod
    def of(sequences: Sequence[EventSequence]) -> Collection:
        """Make a collection of sequences in memory, or return a collection unchanged. Raises `HachimachiError`:
        sequences that differ in features, or none."""
        return sequences if isinstance(sequences, Collection) else Collection.whole(InMemory(sequences))

    @staticmethod
    def whole(source: Source) -> Collection:
        """Make a collection of a whole source."""
        return Collection(source, np.arange(len(source.lengths)), np.zeros_like(source.lengths), source.lengths)

    def __len__(self) -> int:
        return len(self.which)

    @overload
    def __getitem__(self, i: int) -> EventSequence: ...
    @overload
    def __getitem__(self, i: slice) -> Collection: ...
    def __getitem__(self, i: int | slice) -> EventSequence | Collection:
        if isinstance(i, slice):
            return self.take(np.arange(len(self))[i])
        return self.source.events(int(self.which[i]), int(self.first[i]), int(self.stop[i]))

    def __iter__(self) -> Iterator[EventSequence]:
        return (self[i] for i in range(len(self)))

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of every event."""
        return self.source.features

    @property
    def temporal(self) -> bool:
        """Whether events carry time."""
        return self.source.temporal

    @property
    def width(self) -> int:
        """Number of columns of :meth:`rows`, D."""
        return self.temporal + len(self.features)

    @property
    def names(self) -> list[str]:
        """The names of the sequences."""
        return [self.source.names[int(which)] for which in self.which]

    @cached_property
    def lengths(self) -> Indices:
        """Events in each sequence, shape (S,)."""
        return self.stop - self.first

    @property
    def events(self) -> int:
        """Number of all events."""
        return int(self.lengths.sum())

    @property
    def positions(self) -> Indices:
        """Position of each sequence's first event in storage, shape (S,)."""
        return self.source.positions[self.which] + self.first

    def rows(self, index: int, start: int = 0, stop: int | None = None) -> Rows:
        """Return rows of one sequence as :meth:`~hachimachi.events.EventSequence.rows` does, shape (stop − start, D);
        the inter-event time of the sequence's first event is NaN."""
        begin, end = int(self.first[index]), int(self.stop[index])
        stop = end if stop is None else min(begin + stop, end)
        rows = self.source.rows(int(self.which[index]), begin + start, stop)
        if self.temporal and start == 0:
            rows[:1, 0] = np.nan
        return rows

    def take(self, indices: Sequence[int] | Indices) -> Collection:
        """Return some of the sequences."""
        chosen = np.asarray(indices, dtype=np.int64)
        return Collection(self.source, self.which[chosen], self.first[chosen], self.stop[chosen])

    def cut(self, start: Indices | int, stop: Indices | int) -> Collection:
        """Return events ``start`` to ``stop`` of each sequence, clipped to its length."""
        first, last = (self.first + np.minimum(np.maximum(end, 0), self.lengths) for end in (start, stop))
        return Collection(self.source, self.which, first, np.maximum(first, last))

    def head(self, events: int) -> Collection:
        """Return the first events: whole sequences, and the beginning of the last one."""
        before = np.cumsum(self.lengths) - self.lengths
        wanted = np.flatnonzero(before < events)
        return self.take(wanted).cut(0, events - before[wanted])

    def join(self, other: Collection) -> Collection:
        """Return these sequences and others of the same source."""
        pairs = zip((self.which, self.first, self.stop), (other.which, other.first, other.stop), strict=True)
        return Collection(self.source, *(np.concatenate(pair) for pair in pairs))

    def sampled(self, most: int = SAMPLED) -> Collection:
        """Return everything, or of too many events on disk evenly spaced runs, always the same, each a sequence of its
        own, and split at the end of a sequence."""
        if self.source.resident or self.events <= most:
            return self
        ends = np.cumsum(self.lengths)
        begin = np.linspace(0, self.events - RUN, most // RUN).astype(np.int64)
        lowest, highest = np.searchsorted(ends, begin, side="right"), np.searchsorted(ends, begin + RUN, side="left")
        counts = highest - lowest + 1
        run = np.repeat(np.arange(len(begin)), counts)
        i = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts - lowest, counts)
        before = (ends - self.lengths)[i]
        return self.take(i).cut(begin[run] - before, begin[run] + RUN - before)

    def all_rows(self) -> Rows:
        """Return the rows of all sequences, concatenated, shape (N, D)."""
        return np.concatenate([np.empty((0, self.width)), *(self.rows(i) for i in range(len(self)))])

    def summarise(self, categorical: Sequence[int] = ()) -> list[Summary]:
        """Summarise each column exactly, with the categories of some."""
        blocks = chain([np.empty((0, self.width))], self.source.blocks(self.which, self.first, self.stop))
        parts = [[Summary.of(column, i in categorical) for i, column in enumerate(rows.T)] for rows in blocks]
        return [join(column) for column in zip(*parts, strict=True)]


class InMemory:
    """Sequences in memory as the source of a collection."""

    resident = True

    def __init__(self, sequences: Sequence[EventSequence]) -> None:
        check_alike(sequences)
        self.sequences = list(sequences)
        self.features, self.temporal = sequences[0].features, sequences[0].temporal
        self.names: Sequence[str] = [sequence.name for sequence in sequences]
        self.lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        self.positions = np.cumsum(self.lengths) - self.lengths

    def rows(self, sequence: int, start: int, stop: int) -> Rows:
        """Return rows of a sequence."""
        return self.sequences[sequence].rows(start, stop)

    def events(self, sequence: int, start: int, stop: int) -> EventSequence:
        """Return events of a sequence."""
        found = self.sequences[sequence]
        return found if (start, stop) == (0, len(found)) else found[start:stop]

    def blocks(self, which: Indices, first: Indices, stop: Indices) -> Iterator[Rows]:
        """Yield the rows of parts of sequences, all in one array."""
        yield Collection(self, which, first, stop).all_rows()
