"""Runs of events: n-grams of the training data, near duplicates in a collection, overlap of data with training data.

A near duplicate is a copy under another name, transposed, played again, or an excerpt; in the training part, one of
what is held out makes any score too good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import Categories, Column
from hachimachi.events import EventSequence
from hachimachi.io.collection import Collection
from hachimachi.io.report import Duplicate, Report

MOST = 500_000  # events of the training data that are kept; what comes after them is forgotten
KINDS: Mapping[str, tuple[int, bool]] = {"fresh": (7, False), "copying": (8, True)}
"""What a model keeps: length of an n-gram, and whether time counts."""
TOGETHER = 0.03  # seconds between events that sound as one; the hands of a pianist are so far apart in a chord
EIGHTH = 0.25  # seconds in the middle of a bin of time: a quaver at 120 beats a minute
FINE = 4  # quantised steps in a standard deviation of the training data
_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(int(_BASE), -1, 2**64))
_WHOLE = 2.0**52  # up to which rounded numbers are exact
_START = np.uint64(0)  # symbol of a sequence's first event, which no step leads to; no n-gram holds it

Hashes = NDArray[np.uint64]


def step_symbols(sequence: EventSequence, columns: Sequence[Column], timed: bool) -> Hashes:
    """Return one hashed symbol for each event, shape (N,): the step that leads to it, 0 for the first event.

    The step is the pitch interval where there is a feature ``pitch``, so that a transposed copy is one too; else how
    far each input feature goes in quarters of its training standard deviation, and which category it is. If ``timed``,
    the inter-event time counts too, in half octaves, all under 30 ms as one: a player's timing strays by 5 to 10 %.
    """
    rows = sequence.rows()
    pairs = list(zip(columns[-len(sequence.features) :], rows[:, -len(sequence.features) :].T, strict=True))
    pitch = [(column, values) for column, values in pairs if column.name == "pitch"]
    inputs = pitch or [(column, values) for column, values in pairs if not column.feature.masked]
    steps = []
    for column, values in inputs:
        if isinstance(column.grid, Categories):
            steps.append(column.grid.index(values).astype(np.float64))
            continue
        unit = 1.0
        if not pitch:  # the standard deviation of the training data, at least one step of the grid
            known = column.grid.value(np.asarray(column.occupied))
            mean = np.average(known, weights=column.counts)
            deviation = float(np.average((known - mean) ** 2, weights=column.counts)) ** 0.5
            unit = max(deviation, column.grid.resolution) / FINE
        # values are quantised, not steps: a slow ramp is no standing still
        quantised = np.clip(np.round(values / unit), -_WHOLE, _WHOLE)
        steps.append(np.diff(quantised, prepend=quantised[:1]))
    if timed and sequence.temporal:
        between = np.nan_to_num(rows[:, 0])
        octaves = np.round(2 * np.log2(np.maximum(between, TOGETHER) / EIGHTH))
        steps.append(np.where(between < TOGETHER, -1000.0, octaves))
    return hash_steps(np.array(steps))


def hash_steps(steps: NDArray[np.float64]) -> Hashes:
    """Return one hashed symbol for each event, shape (N,), from whole numbers of shape (parts, N)."""
    hashes = np.full(steps.shape[1], _BASE)
    for part in steps:
        hashes = _mix(hashes * _BASE + part.astype(np.int64).view(np.uint64))
    hashes |= np.uint64(1)  # never the symbol of a first event
    hashes[:1] = _START
    return hashes


def hash_runs(symbols: Hashes, length: int) -> Hashes:
    """Return the hashes of all runs of so many symbols that lie within one sequence, from its second on: polynomial, of
    prefixes (Karp & Rabin 1987, https://doi.org/10.1147/rd.312.0249), modulo 2^64."""
    if len(symbols) < length:
        return np.empty(0, np.uint64)
    powers, inverses = (np.cumprod(np.full(len(symbols), base), dtype=np.uint64) for base in (_BASE, _INVERSE))
    prefix = np.concatenate([np.zeros(1, np.uint64), np.cumsum(symbols * powers, dtype=np.uint64)])
    firsts = np.concatenate([[0], np.cumsum(symbols == _START)])
    within = firsts[length:] == firsts[:-length]
    # divided by the power of its offset, a run weighs the same wherever it begins
    return _mix((prefix[length:] - prefix[:-length])[within] * inverses[: len(within)][within])


def _mix(hashes: Hashes) -> Hashes:
    """Return well spread bits: the finaliser of SplitMix64 (Steele et al. 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


@dataclass(frozen=True, eq=False)
class NGrams:
    """All runs of ``n`` events of training data, as hashes of 64 bits."""

    columns: tuple[Column, ...]  # the model's; they say how steps are quantised
    n: int  # steps in an n-gram
    timed: bool  # whether time counts
    symbols: Hashes  # of the training data in its order, sequence after sequence; see :func:`step_symbols`
    _sorted: dict[int, Hashes] = field(default_factory=dict, init=False, repr=False)

    def __deepcopy__(self, memo: dict[int, object]) -> NGrams:
        return self  # they never change

    @staticmethod
    def of(sequences: Sequence[EventSequence], columns: Sequence[Column], n: int, timed: bool) -> NGrams:
        """Return the n-grams of training data, of its first :data:`MOST` events."""
        symbols = [step_symbols(each, columns, timed) for each in Collection.of(sequences).head(MOST)]
        return NGrams(tuple(columns), n, timed, np.concatenate([np.empty(0, np.uint64), *symbols]))

    def found(self, sequence: EventSequence) -> NDArray[np.bool_]:
        """Return which n-grams of a sequence of N events occur in the training data, shape (max(N − n, 0),): n-gram i
        is made of the ``n`` steps that lead to events i + 1 to i + n."""
        return self._known(step_symbols(sequence, self.columns, self.timed), self.n)

    def longest_run(self, sequence: EventSequence) -> int:
        """Return the number of events in the longest run that occurs in one piece in the training data too. An event
        counts by the step that leads to it; so a run may be transposed where there are pitches."""
        symbols = step_symbols(sequence, self.columns, self.timed)
        low, beyond = 0, max(min(len(symbols), len(self.symbols)), 1)
        while beyond - low > 1:  # whatever runs for so many runs for fewer too
            middle = (low + beyond) // 2
            low, beyond = (middle, beyond) if self._known(symbols, middle).any() else (low, middle)
        return low

    def _known(self, symbols: Hashes, length: int) -> NDArray[np.bool_]:
        if length not in self._sorted:
            self._sorted[length] = np.unique(hash_runs(self.symbols, length))
        known, runs = self._sorted[length], hash_runs(symbols, length)
        if not len(known):
            return np.zeros(len(runs), dtype=bool)
        return known[np.minimum(np.searchsorted(known, runs), len(known) - 1)] == runs


def all_ngrams(sequences: Sequence[EventSequence], columns: Sequence[Column]) -> dict[str, NGrams]:
    """Return what a model keeps of its training data, by the names in :data:`KINDS`."""
    return {name: NGrams.of(sequences, columns, n, timed) for name, (n, timed) in KINDS.items()}


OPENING = 64  # events at the start of a sequence by which it is known again: its end may have been held out


def opening_hashes(sequences: Iterable[EventSequence]) -> list[str]:
    """Return hashes of the first events of sequences, what a model file keeps of its training data: of inter-event
    times and values to six decimals, so that formats and shifts in time make no difference."""
    openings = (sequence[:OPENING].rows() for sequence in sequences if len(sequence) > 1)
    rounded = (np.round(np.nan_to_num(rows), 6) + 0.0 for rows in openings)  # −0 becomes 0
    return [hashlib.sha256(rows.tobytes()).hexdigest()[:16] for rows in rounded]


def find_overlap(summary: Mapping[str, Any], sequences: Sequence[EventSequence]) -> list[EventSequence]:
    """Return the sequences that begin as one of the training data does, by the summary of a model's training."""
    known, learned = set[str](), summary
    while learned:  # and by that of what it began with
        known |= set(learned.get("data", {}).get("openings", []))
        learned = learned.get("init")
    return [sequence for sequence in sequences if known.intersection(opening_hashes([sequence]))]


GRAM = 8  # steps in an n-gram by which sequences are compared
LEAST = 24  # different n-grams that a sequence must have: of fewer, as of a bar of drums, only equal ones are found
ALIKE = 0.5  # share of n-grams in common from which on two sequences are near duplicates
SAME = 0.9  # share of n-grams in common from which on one of two sequences may be left out
_SUSPECT = 0.2  # share of n-grams in common with a neighbour from which on two sequences are compared
_STRAY = np.log2(1.25)  # how far the tempo of an n-gram may stray from that of the whole
_MOST = 4_000_000  # n-grams compared; of larger collections a sample, the same of every sequence


class _Sketch(NamedTuple):
    """The different n-grams of a sequence, sorted, each with its pitch and seconds where it first occurs."""

    hashes: Hashes
    pitch: NDArray[np.float64]
    span: NDArray[np.float64]


def find_near_duplicates(sequences: Sequence[EventSequence]) -> list[Duplicate]:
    """Find pairs of sequences that hold the same music or gesture, the most alike first.

    Compared are runs of eight pitch intervals, notes that sound together from low to high, or of eight steps in
    quarters of the standard deviation. The score is the share of the shorter sequence's different runs that the other
    has at one transposition and one tempo (±25 %): its containment (Broder 1997,
    https://doi.org/10.1109/SEQUEN.1997.666900), at least `ALIKE`. Time and memory are linear in the number of events.
    """
    equal = list(_find_equal(sequences))
    known = {frozenset(pair.indices) for pair in equal}
    rarity = np.uint64(-(-sum(map(len, sequences)) // _MOST))
    unit, sketches = _step_units(sequences), []
    for sequence in sequences:
        runs, pitches, time = _runs(sequence, unit)
        kept, first = np.unique(runs, return_index=True)
        rare = kept % rarity == 0
        kept, first = kept[rare], first[rare]
        sketches.append(_Sketch(kept, pitches[first], time[first + GRAM] - time[first]))
    suspects = [pair for pair in _find_suspects([each.hashes for each in sketches]) if frozenset(pair) not in known]
    alike = [found for pair in suspects if (found := _compare(sequences, sketches, *pair)).score >= ALIKE]
    return sorted(equal + alike, key=lambda pair: (-pair.score, pair.name, pair.of))


COMPARED = 2_000_000  # events of a collection in which near duplicates are grouped, at most: some two seconds of work


def group_near_duplicates(sequences: Collection) -> tuple[NDArray[np.int64], list[Duplicate], str]:
    """Return for each sequence, shape (S,), the index of the first one in its group of near duplicates; the pairs as
    from :func:`find_near_duplicates`; and a line that says what was left uncompared, empty if nothing was.

    Of more than `COMPARED` events the beginnings of the sequences are compared, all equally long and at least as long
    as an opening; where they are too many for that, some from everywhere. Rows of one sequence are no copies.
    """
    group, known = np.arange(len(sequences)), np.flatnonzero(sequences.lengths >= 2)
    if len(known) < 2:
        return group, [], ""
    chosen, most, note = known, COMPARED // OPENING, ""
    if len(known) > most:
        chosen = known[np.linspace(0, len(known) - 1, most).astype(np.int64)]
    compared = sequences.take(chosen)
    if compared.events > COMPARED or len(chosen) < len(known):
        compared = compared.cut(0, COMPARED // len(chosen))
        where = "each sequence" if len(chosen) == len(known) else f"{len(chosen):,} of {len(known):,} sequences"
        note = f"near copies are looked for in the first {COMPARED // len(chosen):,} events of {where}"
    pairs = []
    for pair in find_near_duplicates(list(compared)):
        one, other = chosen[list(pair.indices)].tolist()
        if sequences.which[one] != sequences.which[other]:
            pairs.append(pair._replace(indices=(one, other)))
            first, second = sorted((group[one], group[other]))
            group[group == second] = first
    return group, pairs, note


def find_continuation(copy: EventSequence, original: EventSequence, start: int) -> int:
    """Return from which event on a near duplicate holds what the original holds from event ``start`` on, its length
    where it holds none: where most n-grams begin to be of the original's end and not of its beginning. One in five
    counts as most: a copy may be played again, or be an excerpt."""
    unit = _step_units([copy, original])
    beginning, end, runs = (_runs(each, unit)[0] for each in (original[:start], original[start:], copy))
    of_end = np.isin(runs, end) & ~np.isin(runs, beginning)
    gain = np.cumsum(np.where(of_end, 1.0, -0.25)[::-1])[::-1]
    return int(gain.argmax()) if gain.max(initial=0.0) > 0 else len(copy)


def drop_near_duplicates(sequences: Sequence[EventSequence], report: Report) -> list[EventSequence]:
    """Leave out one of each pair in ``report.duplicates`` from a score of `SAME` on: the shorter, or the later."""
    dropped = {pair.indices[0] for pair in report.duplicates if pair.score >= SAME}
    for i in sorted(dropped):
        report.drop("in sequences that tell the same as others", sequences[i].name, len(sequences[i]))
    return [sequence for i, sequence in enumerate(sequences) if i not in dropped]


def _find_equal(sequences: Sequence[EventSequence]) -> Iterator[Duplicate]:
    """Give pairs of the same events at the same times from the first on; of more than an n-gram, transposed too."""
    before: dict[bytes, tuple[int, float]] = {}
    for i, sequence in enumerate(sequences):
        data, pitch = sequence.data + 0.0, _pitch_column(sequence)
        first = 0.0 if pitch is None else float(np.clip(data[0, pitch], -_WHOLE, _WHOLE))
        if pitch is not None and len(sequence) > GRAM:
            data[:, pitch] -= first
        time = [] if sequence.time is None else np.round(sequence.time - sequence.time[0], 3) + 0.0
        key = data.tobytes() + np.asarray(time).tobytes()
        if key in before:
            other, lower = before[key]
            yield Duplicate(sequence.name, sequences[other].name, 1.0, round(first - lower), (i, other))
        before[key] = i, first


def _pitch_column(sequence: EventSequence) -> int | None:
    return next((i for i, feature in enumerate(sequence.features) if feature.name == "pitch"), None)


def _step_units(sequences: Sequence[EventSequence]) -> NDArray[np.float64]:
    """Return what a step is counted in, for each column: a semitone, a category, else a quarter of the deviation."""
    data = np.concatenate([sequence.data for sequence in sequences])
    reach = np.abs(data).max(axis=0, initial=0.0)
    reach[reach == 0] = 1.0
    deviation = np.std(data / reach, axis=0) * (reach / 4)  # squares of the largest numbers would be infinite
    whole = [feature.name == "pitch" or feature.kind == "categorical" for feature in sequences[0].features]
    return np.where(whole | (deviation == 0), 1.0, deviation)


def _runs(
    sequence: EventSequence, unit: NDArray[np.float64]
) -> tuple[Hashes, NDArray[np.float64], NDArray[np.float64]]:
    """Return the n-grams, and pitches and times of the events, those that sound together from low to high."""
    pitch = _pitch_column(sequence)
    time = np.zeros(len(sequence)) if sequence.time is None else sequence.time
    values = np.clip(np.round(sequence.data / unit), -_WHOLE, _WHOLE)
    if pitch is None:
        inputs = [i for i, feature in enumerate(sequence.features) if not feature.masked]
        values = values[:, inputs or slice(None)]
    else:
        values = values[:, [pitch]]
        order = np.lexsort((values[:, 0], np.cumsum(np.diff(time, prepend=time[:1]) >= TOGETHER)))
        values, time = values[order], time[order]
    runs = hash_runs(hash_steps(np.diff(values, axis=0, prepend=values[:1]).T), GRAM)
    return runs, values[:, 0] if pitch is not None else np.zeros(len(values)), time


def _find_suspects(sketches: Sequence[Hashes]) -> list[tuple[int, int]]:
    """Return pairs with many n-grams in common, counting each between one sequence and the next that has it."""
    sizes = np.array([len(hashes) for hashes in sketches])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    hashes = np.concatenate(sketches)
    order = np.lexsort((owner, hashes))
    hashes, owner = hashes[order], owner[order]
    shared = hashes[1:] == hashes[:-1]
    pair, count = np.unique(owner[:-1][shared] * len(sizes) + owner[1:][shared], return_counts=True)
    one, other = np.divmod(pair, len(sizes))
    shorter = np.minimum(sizes[one], sizes[other])
    chosen = (shorter >= LEAST) & (count >= _SUSPECT * shorter)
    return list(zip(one[chosen].tolist(), other[chosen].tolist(), strict=True))


def _compare(sequences: Sequence[EventSequence], sketches: Sequence[_Sketch], one: int, other: int) -> Duplicate:
    """Return how much of the shorter sequence, or of the later, is in the other at one transposition and one tempo."""
    if len(sketches[one].hashes) < len(sketches[other].hashes):
        one, other = other, one
    whole, part = sketches[one], sketches[other]
    _, i, j = np.intersect1d(part.hashes, whole.hashes, assume_unique=True, return_indices=True)
    shifts, counts = np.unique(part.pitch[i] - whole.pitch[j], return_counts=True)
    shift = shifts[np.argmax(counts)]
    tempo = np.log2(np.maximum(part.span[i], TOGETHER) / np.maximum(whole.span[j], TOGETHER))
    same = (part.pitch[i] - whole.pitch[j] == shift) & (np.abs(tempo - np.median(tempo)) < _STRAY)
    score = float(same.sum() / len(part.hashes))
    return Duplicate(sequences[other].name, sequences[one].name, score, round(shift), (other, one))
