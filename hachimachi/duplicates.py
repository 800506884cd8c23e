"""Sequences of a collection that tell the same: a copy under another name, transposed, played again, or an excerpt.

A copy in the training part of what is held out makes any score too good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import EventSequence
from hachimachi.grams import TOGETHER, Hashes, hash_runs, hash_steps
from hachimachi.io.report import Duplicate, Report

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
