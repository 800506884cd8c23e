"""Sequences of a collection that tell the same: a copy under another name, transposed, played again, or an excerpt.

A copy in the training part of what is held out makes any score too good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import Categories, Column
from hachimachi.events import EventSequence
from hachimachi.io.collection import Collection
from hachimachi.io.report import Duplicate, Report

MOST = 500_000
"""Events of the training data that are kept; what comes after them is not known again."""
KINDS: Mapping[str, tuple[int, bool]] = {"fresh": (7, False), "copying": (8, True)}
"""What a model keeps: length of a gram, and whether time counts."""
TOGETHER = 0.03
"""Seconds between events that are heard as one; the hands of a pianist are so far apart in a chord."""
EIGHTH = 0.25
"""Seconds in the middle of a bin of time: a quaver at 120 beats a minute."""
FINE = 4
"""Quantised steps in a standard deviation of the training data."""
_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(int(_BASE), -1, 2**64))
_START = np.uint64(0)
"""Symbol of a sequence's first event, which no step leads to; no gram holds it."""

Hashes = NDArray[np.uint64]


def symbols(sequence: EventSequence, columns: Sequence[Column], timed: bool) -> Hashes:
    """Return one hashed symbol for each event, shape (N,): the step that leads to it, 0 for the first event.

    The step is the pitch interval where there is a feature ``pitch``, so that a transposed copy is one too; else how
    far each heard feature goes in quarters of its training standard deviation, and which category it is.

    Args:
        sequence: The events.
        columns: The model's.
        timed: Whether the inter-event time counts too, in half octaves: a player's timing strays by 5 to 10 %, note
            values are at least a factor of 4/3 apart, and under 30 ms two notes sound together. A grid of a fixed
            width would hold slow repeats for different and fast rhythms for the same.
    """
    return hash_steps(np.array(_steps(sequence, columns, timed)))


def hash_steps(steps: NDArray[np.float64]) -> Hashes:
    """Return one hashed symbol for each event, shape (N,), from whole numbers of shape (parts, N)."""
    hashes = np.full(steps.shape[1], _BASE)
    for part in steps:
        hashes = _mix(hashes * _BASE + part.astype(np.int64).view(np.uint64))
    hashes |= np.uint64(1)  # never the symbol of a first event
    hashes[:1] = _START
    return hashes


@dataclass(frozen=True, eq=False)
class Grams:
    """All runs of ``n`` events of training data, as hashes of 64 bits.

    Args:
        columns: The model's; they say how steps are quantised.
        n: Steps in a gram.
        timed: Whether time counts.
        heard: The symbols of the training data in its order, sequence after sequence.
    """

    columns: tuple[Column, ...]
    n: int
    timed: bool
    heard: Hashes
    _sorted: dict[int, Hashes] = field(default_factory=dict, init=False, repr=False)

    def __deepcopy__(self, memo: dict[int, object]) -> Grams:
        return self  # they never change

    @staticmethod
    def of(sequences: Sequence[EventSequence], columns: Sequence[Column], n: int, timed: bool) -> Grams:
        """Return the grams of training data, of its first :data:`MOST` events."""
        kept = Collection.of(sequences).head(MOST)
        heard = [symbols(each, columns, timed) for each in kept]
        return Grams(tuple(columns), n, timed, np.concatenate([np.empty(0, np.uint64), *heard]))

    def found(self, sequence: EventSequence) -> NDArray[np.bool_]:
        """Return which grams of a sequence of N events occur in the training data, shape (max(N − n, 0),).

        Gram i is made of the ``n`` steps that lead to events i + 1 to i + n.
        """
        return self._known(symbols(sequence, self.columns, self.timed), self.n)

    def longest_run(self, sequence: EventSequence) -> int:
        """Return the number of events in the longest run that occurs in one piece in the training data too.

        An event counts by the step that leads to it; so a run may be transposed where there are pitches.
        """
        asked = symbols(sequence, self.columns, self.timed)
        low, beyond = 0, max(min(len(asked), len(self.heard)), 1)
        while beyond - low > 1:  # whatever runs for so many runs for fewer too
            middle = (low + beyond) // 2
            low, beyond = (middle, beyond) if self._known(asked, middle).any() else (low, middle)
        return low

    def _known(self, asked: Hashes, length: int) -> NDArray[np.bool_]:
        if length not in self._sorted:
            self._sorted[length] = np.unique(hash_runs(self.heard, length))
        known, wanted = self._sorted[length], hash_runs(asked, length)
        if not len(known):
            return np.zeros(len(wanted), dtype=bool)
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return known[place] == wanted


def all_grams(sequences: Sequence[EventSequence], columns: Sequence[Column]) -> dict[str, Grams]:
    """Return what a model keeps of its training data, by the names in :data:`KINDS`."""
    return {name: Grams.of(sequences, columns, n, timed) for name, (n, timed) in KINDS.items()}


def _steps(sequence: EventSequence, columns: Sequence[Column], timed: bool) -> list[NDArray[np.float64]]:
    """Return what an event is known by, whole numbers of shape (N,)."""
    rows = sequence.rows()
    pairs = list(zip(columns[-len(sequence.features) :], rows[:, -len(sequence.features) :].T, strict=True))
    pitch = [(column, values) for column, values in pairs if column.name == "pitch"]
    heard = pitch or [(column, values) for column, values in pairs if not column.feature.masked]
    steps = [_step(column, values) for column, values in heard]
    if timed and sequence.temporal:
        between = np.nan_to_num(rows[:, 0])
        octaves = np.round(2 * np.log2(np.maximum(between, TOGETHER) / EIGHTH))
        steps.append(np.where(between < TOGETHER, -1000.0, octaves))
    return steps


def _step(column: Column, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if isinstance(column.grid, Categories):
        return column.grid.index(values).astype(np.float64)
    unit = 1.0 if column.name == "pitch" else _deviation(column) / FINE
    # places are quantised, not steps: a slow ramp is no standing still
    places = np.clip(np.round(values / unit), -(2.0**52), 2.0**52)
    return np.diff(places, prepend=places[:1])


def _deviation(column: Column) -> float:
    """Return the standard deviation of the training data, at least one step of the grid."""
    assert not isinstance(column.grid, Categories)
    values = column.grid.value(np.asarray(column.occupied))
    mean = np.average(values, weights=column.counts)
    return max(float(np.average((values - mean) ** 2, weights=column.counts)) ** 0.5, column.grid.resolution)


def hash_runs(symbols: Hashes, length: int) -> Hashes:
    """Return the hashes of all runs of so many symbols that lie within one sequence, from its second on.

    Polynomial hashes of prefixes (Karp & Rabin 1987, https://doi.org/10.1147/rd.312.0249), modulo 2^64.
    """
    if len(symbols) < length:
        return np.empty(0, np.uint64)
    powers, inverses = (np.cumprod(np.full(len(symbols), base), dtype=np.uint64) for base in (_BASE, _INVERSE))
    prefix = np.concatenate([np.zeros(1, np.uint64), np.cumsum(symbols * powers, dtype=np.uint64)])
    firsts = np.concatenate([[0], np.cumsum(symbols == _START)])
    within = firsts[length:] == firsts[:-length]
    # taken back by the power of its place, a run weighs the same wherever it stands
    return _mix((prefix[length:] - prefix[:-length])[within] * inverses[: len(within)][within])


def _mix(hashes: Hashes) -> Hashes:
    """Return well spread bits: the finaliser of SplitMix64 (Steele et al. 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


GRAM = 8
"""Steps in a gram."""
LEAST = 24
"""Different grams that a sequence must have: fewer say too little, as of a bar of drums; only equal ones are found."""
ALIKE = 0.5
"""Share of grams in common from which on two sequences are told."""
SAME = 0.9
"""Share of grams in common from which on one of two sequences may be left out."""
_SUSPECT = 0.2  # of the grams: who shares so many with a neighbour is looked at closely
_STRAY = np.log2(1.25)  # how far the tempo of a gram may stray from that of the whole
_FARTHEST = 2.0**52  # up to which numbers are whole
_MOST = 4_000_000  # grams looked at; of larger collections a sample, the same of every sequence


class _Sketch(NamedTuple):
    """The different grams of a sequence, sorted, with the pitch and the seconds of one place where each occurs."""

    grams: Hashes
    pitch: NDArray[np.float64]
    span: NDArray[np.float64]


def find_duplicates(sequences: Sequence[EventSequence]) -> list[Duplicate]:
    """Find pairs of sequences that tell the same, the most alike first.

    Music is compared by runs of eight pitch intervals, notes that sound together from low to high; other data by runs
    of eight steps, in quarters of the standard deviation. The score is the share of the shorter sequence's different
    runs that the other has, all at one transposition and one tempo (±25 %): its containment (Broder 1997,
    https://doi.org/10.1109/SEQUEN.1997.666900). Who is compared at all follows from the runs that two have in common,
    each with the next sequence that has it: time and memory are linear in the number of events.

    Args:
        sequences: All with the same features.

    Returns:
        Pairs of a score of at least `ALIKE`. Of many copies each is told once, beside the one before.
    """
    equal = list(_find_equal(sequences))
    known = {frozenset(pair.places) for pair in equal}
    rarity = -(-sum(map(len, sequences)) // _MOST)
    unit = _units(sequences)
    sketches = [_sketch(sequence, unit, rarity) for sequence in sequences]
    suspects = [pair for pair in _suspect([sketch.grams for sketch in sketches]) if frozenset(pair) not in known]
    alike = [found for pair in suspects if (found := _compare(sequences, sketches, *pair)).score >= ALIKE]
    return sorted(equal + alike, key=lambda pair: (-pair.score, pair.name, pair.of))


def drop_duplicates(sequences: Sequence[EventSequence], report: Report) -> list[EventSequence]:
    """Leave out the one of each two in ``report.duplicates`` that tells the same, or less, from `SAME` on.

    Args:
        sequences: Those in which :func:`find_duplicates` found them.
        report: Takes note of what is left out.
    """
    gone = {pair.places[0] for pair in report.duplicates if pair.score >= SAME}
    for place in sorted(gone):
        report.drop("in sequences that tell the same as others", sequences[place].name, len(sequences[place]))
    return [sequence for place, sequence in enumerate(sequences) if place not in gone]


def _find_equal(sequences: Sequence[EventSequence]) -> Iterator[Duplicate]:
    """Give pairs of the same events at the same times from the first on; of more than a gram, transposed too."""
    before: dict[bytes, tuple[int, float]] = {}
    for place, sequence in enumerate(sequences):
        data, pitch = sequence.data + 0.0, _pitch_column(sequence)
        begin = 0.0 if pitch is None else float(np.clip(data[0, pitch], -_FARTHEST, _FARTHEST))
        if pitch is not None and len(sequence) > GRAM:
            data[:, pitch] -= begin
        time = [] if sequence.time is None else np.round(sequence.time - sequence.time[0], 3) + 0.0
        key = data.tobytes() + np.asarray(time).tobytes()
        if key in before:
            other, lower = before[key]
            yield Duplicate(sequence.name, sequences[other].name, 1.0, round(begin - lower), (place, other))
        before[key] = place, begin


def _pitch_column(sequence: EventSequence) -> int | None:
    return next((i for i, feature in enumerate(sequence.features) if feature.name == "pitch"), None)


def _units(sequences: Sequence[EventSequence]) -> NDArray[np.float64]:
    """Return what a step is counted in, for each column: a semitone, a category, else a quarter of the deviation."""
    data = np.concatenate([sequence.data for sequence in sequences])
    reach = np.abs(data).max(axis=0, initial=0.0)
    reach[reach == 0] = 1.0
    deviation = np.std(data / reach, axis=0) * (reach / 4)  # squares of the largest numbers would be none
    whole = [feature.name == "pitch" or feature.kind == "categorical" for feature in sequences[0].features]
    return np.where(whole | (deviation == 0), 1.0, deviation)


def _sketch(sequence: EventSequence, unit: NDArray[np.float64], rarity: int) -> _Sketch:
    pitch = _pitch_column(sequence)
    time = np.zeros(len(sequence)) if sequence.time is None else sequence.time
    places = np.clip(np.round(sequence.data / unit), -_FARTHEST, _FARTHEST)
    if pitch is None:
        heard = [i for i, feature in enumerate(sequence.features) if not feature.masked]
        places = places[:, heard or slice(None)]
    else:
        places = places[:, [pitch]]
        order = np.lexsort((places[:, 0], np.cumsum(np.diff(time, prepend=time[:1]) >= TOGETHER)))
        places, time = places[order], time[order]
    grams = hash_runs(hash_steps(np.diff(places, axis=0, prepend=places[:1]).T), GRAM)
    kept, first = np.unique(grams, return_index=True)
    rare = kept % np.uint64(rarity) == 0
    kept, first = kept[rare], first[rare]
    return _Sketch(
        kept, places[first, 0] if pitch is not None else np.zeros(len(kept)), time[first + GRAM] - time[first]
    )


def _suspect(sketches: Sequence[Hashes]) -> list[tuple[int, int]]:
    """Return pairs with many grams in common, counting each gram between one sequence and the next that has it."""
    sizes = np.array([len(grams) for grams in sketches])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    grams = np.concatenate(sketches)
    order = np.lexsort((owner, grams))
    grams, owner = grams[order], owner[order]
    shared = grams[1:] == grams[:-1]
    pair, count = np.unique(owner[:-1][shared] * len(sizes) + owner[1:][shared], return_counts=True)
    one, other = np.divmod(pair, len(sizes))
    shorter = np.minimum(sizes[one], sizes[other])
    chosen = (shorter >= LEAST) & (count >= _SUSPECT * shorter)
    return list(zip(one[chosen].tolist(), other[chosen].tolist(), strict=True))


def _compare(sequences: Sequence[EventSequence], sketches: Sequence[_Sketch], one: int, other: int) -> Duplicate:
    """Return how much of the shorter sequence, or of the later, is in the other at one transposition and one tempo."""
    if len(sketches[one].grams) < len(sketches[other].grams):
        one, other = other, one
    of, what = sketches[one], sketches[other]
    _, i, j = np.intersect1d(what.grams, of.grams, assume_unique=True, return_indices=True)
    shifts, counts = np.unique(what.pitch[i] - of.pitch[j], return_counts=True)
    shift = shifts[np.argmax(counts)]
    tempo = np.log2(np.maximum(what.span[i], TOGETHER) / np.maximum(of.span[j], TOGETHER))
    same = (what.pitch[i] - of.pitch[j] == shift) & (np.abs(tempo - np.median(tempo)) < _STRAY)
    score = float(same.sum() / len(what.grams))
    return Duplicate(sequences[other].name, sequences[one].name, score, round(shift), (other, one))
