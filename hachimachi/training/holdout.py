"""Which events are learned from, which are held out to stop by, and which are left for the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hachimachi.errors import HachimachiError, count, listed
from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.collection import Collection
from hachimachi.io.report import Duplicate
from hachimachi.io.split import Split, select_indices
from hachimachi.ngrams import find_continuation, group_near_duplicates

FEW = 20  # under this many events nothing is held out
SEVERAL = 5  # from this many sequences on whole ones are held out, else the end of each
LEAST = 256
"""Events of a sequence that a sample takes at least, where it has them: a model needs some to find its way in."""


@dataclass(frozen=True)
class DataSplit:
    """A data set in parts: what is learned from, held out to stop by, and kept for the test."""

    train: Collection
    valid: Collection
    by_sequence: bool
    notes: list[str] = field(default_factory=list)
    test: Collection | None = None


def hold_out(sequences: Sequence[EventSequence], fraction: float, seed: int) -> DataSplit:
    """Hold out about a fraction of the events, the same for the same seed, and no near copy of what is learned from.

    Whole sequences, drawn by seed, where at least five have two events and are no near copies of each other; copies
    stay together. Otherwise the last part of each sequence in time, and of a copy what holds the music of that part of
    the longest one. Under 20 events nothing is held out.
    """
    whole = Collection.of(sequences)
    lengths = whole.lengths
    if whole.events < FEW or fraction == 0:
        return DataSplit(whole, whole.take([]), by_sequence=False)
    group, pairs, note = group_near_duplicates(whole)
    notes = [note] if note else []
    if pairs:
        copies = len(group) - len(np.unique(group))
        notes.append(f"near copies of others, kept on one side: {count(copies, 'sequence')}, {_first(pairs)}")
    if len(np.unique(group[lengths >= 2])) < SEVERAL:
        held = np.rint(lengths * fraction).astype(np.int64)
        held[held < 2] = 0
        for first in {int(group[pair.indices[0]]) for pair in pairs}:
            members = np.flatnonzero(group == first)
            longest = members[lengths[members].argmax()]
            start = lengths[longest] - held[longest]
            for i in members[members != longest].tolist():
                continued = lengths[i] - find_continuation(whole[i], whole[int(longest)], int(start))
                # an equal copy is cut alike, however much it repeats
                held[i] = max(continued, held[i] if lengths[i] == lengths[longest] else 0)
        held[held < 2] = 0
        ends = whole.cut(lengths - held, lengths).take(np.flatnonzero(held))
        return DataSplit(whole.cut(0, lengths - held), ends, by_sequence=False, notes=notes)
    sizes = np.bincount(group, lengths, len(group))
    order = [i for i in np.random.default_rng(seed).permutation(len(lengths)).tolist() if lengths[i] >= 2]
    order = list(dict.fromkeys(group[order].tolist()))
    drawn, wanted = list[int](), fraction * whole.events
    for i in order:
        if sizes[i] <= 2 * wanted:  # brings it nearer; what is much too long is passed over
            drawn.append(i)
            wanted -= sizes[i]
    drawn = drawn or [min(order, key=lambda i: sizes[i])]
    held = np.isin(group, drawn)
    train, valid = (whole.take(np.flatnonzero(chosen)) for chosen in (~held, held))
    return DataSplit(train, valid, by_sequence=True, notes=notes)


def split_by_file(
    sequences: Sequence[EventSequence], split: Split, fraction: float, seed: int, report: Report
) -> DataSplit:
    """Take the parts that a split lists; where it lists none to validate by, hold out of its training part. Raises
    `HachimachiError`: A part to learn from or to validate by that is empty or not in the data, or a sequence in two."""
    everything = Collection.of(sequences)
    train = _select(everything, split, "train", report)
    none = everything.take([])
    valid = _select(everything, split, "valid", report) if split.parts.get("valid") else none
    names, absent = list(split.parts.get("test", {})), Report()
    try:
        test = _select(everything, split, "test", absent)
        missing = listed([name for name in names if name in absent.refused])
    except HachimachiError:  # it need not be among the data
        test, missing = none, listed(names)
    parts = {"train": train, "valid": valid, "test": test}
    # events left under each name: a sequence may be named twice, with its suffix and without
    there, named = Counter[str](), dict[str, list[str]]()
    for name, length in zip(everything.names, everything.lengths.tolist(), strict=True):
        there[name] += length
    for part, chosen in parts.items():
        for name, length in zip(chosen.names, chosen.lengths.tolist(), strict=True):
            there[name] -= length
            named.setdefault(name, []).append(part)
            if there[name] < 0:
                where = " and ".join(named[name])
                raise HachimachiError(f"{split.path}: {name!r} is named under {where}; expected it in one")
    notes = [f"left alone for the test: {_count(test)}"] if test else []
    notes += _copies_across(train, valid.join(test), split)
    notes += [f"under test in {split.path.name}, but not in the data: {missing}"] if missing else []
    known = {*train.names, *valid.names, *test.names}
    if rest := [i for i, name in enumerate(everything.names) if name not in known]:
        left = everything.take(rest)
        first = f"{everything.names[rest[0]]}{' …' * (len(rest) > 1)}"
        notes.append(f"left out, in no part of {split.path.name}: {_count(left)}: {first}")
    if not valid:
        notes.append(f"nothing under 'valid' in {split.path.name}: held out of what is under 'train'")
        parts = hold_out(train, fraction, seed)
        return replace(parts, notes=[*notes, *parts.notes], test=test)
    if not (valid.lengths >= 2).any():
        raise HachimachiError(f"{split.path}: valid: no sequence has two events; expected something to validate by")
    return DataSplit(train, valid, by_sequence=True, notes=notes, test=test)


def sample(sequences: Sequence[EventSequence], most: int, seed: int) -> Collection:
    """Return sequences that together have at most ``most`` events: of as many as can be, the beginning of each."""
    everything = Collection.of(sequences)
    if everything.events <= most:
        return everything
    order = np.random.default_rng(seed).permutation(len(everything))
    least = np.cumsum(np.minimum(everything.lengths[order], LEAST))
    drawn = everything.take(order[: max(1, int(np.searchsorted(least, most, side="right")))])
    rest, longest = most, most
    for i, length in enumerate(np.sort(drawn.lengths).tolist()):
        longest = rest // (len(drawn) - i)
        if length > longest:
            break
        rest -= length
    return drawn.cut(0, longest)


def _select(everything: Collection, split: Split, part: str, report: Report) -> Collection:
    indexes, rows = zip(*select_indices(everything.names, split, part, report), strict=True)
    chosen = everything.take(indexes)
    ends = [length if each.stop is None else each.stop for each, length in zip(rows, chosen.lengths, strict=True)]
    return chosen.cut(np.array([each.start or 0 for each in rows]), np.array(ends))


def _copies_across(train: Collection, others: Collection, split: Split) -> list[str]:
    group, pairs, note = group_near_duplicates(train.join(others))
    notes = [note] if note else []
    if copies := np.count_nonzero(np.isin(group[len(train) :], group[: len(train)])):
        first = _first([pair for pair in pairs if (pair.indices[0] < len(train)) != (pair.indices[1] < len(train))])
        which = f"{copies} of {count(len(others), 'sequence')} under 'valid' or 'test' in {split.path.name}"
        notes.append(f"near copies of what is under 'train', so that scores flatter: {which}: {first}")
    return notes


def _first(pairs: Sequence[Duplicate]) -> str:
    return f"{pairs[0].name} of {pairs[0].of}{' …' * (len(pairs) > 1)}"


def _count(sequences: Collection) -> str:
    return f"{count(len(sequences), 'sequence')} ({count(sequences.events, 'event')})"


def shorten(parts: DataSplit, most: int | None, seed: int) -> DataSplit:
    """Limit the events to learn from, `None` for all; what is held out stays, so that scores compare. Sequences are
    drawn by seed; those drawn for fewer events are among those for more."""
    lengths = parts.train.lengths.tolist()
    events = sum(lengths)
    if most is None or most == events:
        return parts
    if most > events:
        note = f"dataset.limit_events={most}: there are no more than {events:,} to learn from"
        return replace(parts, notes=[*parts.notes, note])
    kept = draw(lengths, most, seed)
    train = parts.train.take(list(kept)).cut(0, np.array(list(kept.values())))
    several = len(lengths) > 1
    which = f"{len(kept):,} of {count(len(lengths), 'sequence')}, drawn by seed" if several else "the beginning"
    if several and any(length < lengths[i] for i, length in kept.items()):
        which += ", one of them cut"
    note = f"limited to {most:,} of {events:,} events: {which}"
    return replace(parts, train=train, notes=[*parts.notes, note])


def draw(lengths: Sequence[int], most: int, seed: int) -> dict[int, int]:
    """Return how much is left of which sequences, in order: whole ones drawn by seed, the last one cut.

    >>> draw([50, 50, 50], 70, seed=1)
    {0: 50, 1: 20}
    """
    kept = {}
    for i in np.random.default_rng(seed).permutation(len(lengths)).tolist():
        kept[i] = min(lengths[i], most)
        most -= kept[i]
    return {i: kept[i] for i in sorted(kept) if kept[i]}
