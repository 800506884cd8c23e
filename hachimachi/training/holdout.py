"""Which events are learned from, which are held out to stop by, and which are never looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hachimachi.errors import HachimachiError, count, listed
from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.collection import Collection
from hachimachi.io.split import Split, select_places

FEW = 20
"""Under this many events nothing is held out."""
SEVERAL = 5
"""From this many sequences on whole ones are held out, else the end of each."""
TASTE = 256
"""Events of a sequence that a sample takes at least, where it has them: a model needs some to find its way in."""


@dataclass(frozen=True)
class Parts:
    """A data set in parts.

    Args:
        train: What is learned from.
        valid: What is held out, to stop by.
        whole: Both together, uncut where they were cut: what a model may learn from once it has been judged.
        by_sequence: Whether whole sequences are held out, not the end of each.
        notes: What there is to say about it.
    """

    train: Collection
    valid: Collection
    whole: Collection
    by_sequence: bool
    notes: list[str] = field(default_factory=list)


def hold_out(sequences: Sequence[EventSequence], fraction: float, seed: int) -> Parts:
    """Hold out about a fraction of the events, the same for the same seed.

    Whole sequences, drawn by seed, where at least five have two events; otherwise the last part of each one in time.
    Under 20 events nothing.
    """
    whole = Collection.of(sequences)
    lengths = whole.lengths
    if whole.events < FEW or fraction == 0:
        return Parts(whole, whole.take([]), whole, by_sequence=False)
    if np.count_nonzero(lengths >= 2) < SEVERAL:
        held = np.rint(lengths * fraction).astype(np.int64)
        held[held < 2] = 0
        ends = whole.cut(lengths - held, lengths).take(np.flatnonzero(held))
        return Parts(whole.cut(0, lengths - held), ends, whole, by_sequence=False)
    drawn = _draw(lengths.tolist(), fraction * whole.events, seed)
    kept = np.setdiff1d(np.arange(len(whole)), drawn)
    return Parts(whole.take(kept), whole.take(np.sort(drawn)), whole, by_sequence=True)


def follow(sequences: Sequence[EventSequence], split: Split, fraction: float, seed: int, report: Report) -> Parts:
    """Take the parts that a split lists; where it lists none to validate by, hold out of its training part.

    What it lists for the test, and what it does not list, is never looked at.

    Raises:
        HachimachiError: A part to learn from or to validate by that is empty or not in the data, or a sequence in two.
    """
    everything = Collection.of(sequences)
    train = _select(everything, split, "train", report)
    valid = _select(everything, split, "valid", report) if split.parts.get("valid") else everything.take([])
    test, missing = _find_test(everything, split)
    _check_apart(split, {"train": train, "valid": valid, "test": test}, everything)
    notes = [f"left alone for the test: {_count(test)}"] if test else []
    notes += [f"under test in {split.path.name}, but not in the data: {missing}"] if missing else []
    listed = {*train.names, *valid.names, *test.names}
    if rest := [place for place, name in enumerate(everything.names) if name not in listed]:
        left = everything.take(rest)
        first = f"{everything.names[rest[0]]}{' …' * (len(rest) > 1)}"
        notes.append(f"left out, in no part of {split.path.name}: {_count(left)}: {first}")
    if not valid:
        parts = hold_out(train, fraction, seed)
        notes.append(f"nothing under 'valid' in {split.path.name}: held out of what is under 'train'")
        return replace(parts, notes=notes)
    if not (valid.lengths >= 2).any():
        raise HachimachiError(f"{split.path}: valid: no sequence has two events; expected something to validate by")
    return Parts(train, valid, train.join(valid), by_sequence=True, notes=notes)


def sample(sequences: Sequence[EventSequence], most: int, seed: int) -> Collection:
    """Return sequences that together have at most ``most`` events: of as many as can be, the beginning of each."""
    everything = Collection.of(sequences)
    if everything.events <= most:
        return everything
    order = np.random.default_rng(seed).permutation(len(everything))
    tastes = np.cumsum(np.minimum(everything.lengths[order], TASTE))
    drawn = everything.take(order[: max(1, int(np.searchsorted(tastes, most, side="right")))])
    rest, longest = most, most
    for place, length in enumerate(np.sort(drawn.lengths).tolist()):
        longest = rest // (len(drawn) - place)
        if length > longest:
            break
        rest -= length
    return drawn.cut(0, longest)


def _draw(lengths: Sequence[int], wanted: float, seed: int) -> list[int]:
    """Draw sequences that together have about as many events as wanted; one much too long for that is passed over."""
    order = [i for i in np.random.default_rng(seed).permutation(len(lengths)).tolist() if lengths[i] >= 2]
    drawn: list[int] = []
    for i in order:
        if lengths[i] <= 2 * wanted:  # brings it nearer
            drawn.append(i)
            wanted -= lengths[i]
    return drawn or [min(order, key=lambda i: lengths[i])]


def _select(everything: Collection, split: Split, part: str, report: Report) -> Collection:
    """Return a part, cut to the rows that the split gives."""
    places, rows = zip(*select_places(everything.names, split, part, report), strict=True)
    chosen = everything.take(places)
    ends = [length if each.stop is None else each.stop for each, length in zip(rows, chosen.lengths, strict=True)]
    return chosen.cut(np.array([each.start or 0 for each in rows]), np.array(ends))


def _find_test(everything: Collection, split: Split) -> tuple[Collection, str]:
    """Return what the split keeps for the test, if it is among the data, and what is not: it need not be."""
    report, names = Report(), list(split.parts.get("test", {}))
    try:
        found = _select(everything, split, "test", report)
    except HachimachiError:
        return everything.take([]), listed(names)
    return found, listed([name for name in names if name in report.refused])


def _check_apart(split: Split, parts: dict[str, Collection], everything: Collection) -> None:
    """Refuse events named twice: with their suffix under train, without it under test."""
    there = Counter[str]()
    for name, length in zip(everything.names, everything.lengths.tolist(), strict=True):
        there[name] += length
    taken: dict[str, list[str]] = {}
    for part, chosen in parts.items():
        for name, length in zip(chosen.names, chosen.lengths.tolist(), strict=True):
            there[name] -= length
            taken.setdefault(name, []).append(part)
            if there[name] < 0:
                where = " and ".join(taken[name])
                raise HachimachiError(f"{split.path}: {name!r} is named under {where}; expected it in one")


def _count(sequences: Collection) -> str:
    return f"{count(len(sequences), 'sequence')} ({count(sequences.events, 'event')})"


def shorten(parts: Parts, most: int | None, seed: int) -> Parts:
    """Leave at most so many events to learn from; what is held out stays, so that scores compare.

    Args:
        parts: A data set in parts.
        most: Events to learn from, all if ``None``.
        seed: Draws the sequences; those drawn for fewer events are among those for more.
    """
    lengths = parts.train.lengths.tolist()
    if most is None or most == sum(lengths):
        return parts
    if most > sum(lengths):
        note = f"dataset.limit_events={most}: there are no more than {sum(lengths):,} to learn from"
        return replace(parts, notes=[*parts.notes, note])
    kept = draw(lengths, most, seed)
    train = parts.train.take(list(kept)).cut(0, np.array(list(kept.values())))
    cut = sum(length < lengths[place] for place, length in kept.items())
    which = (
        f"{len(kept):,} of {count(len(lengths), 'sequence')}, drawn by seed" if len(lengths) > 1 else "the beginning"
    )
    note = f"limited to {most:,} of {sum(lengths):,} events: {which}" + (
        ", one of them cut" if cut and len(lengths) > 1 else ""
    )
    return replace(parts, train=train, whole=train.join(parts.valid), notes=[*parts.notes, note])


def draw(lengths: Sequence[int], most: int, seed: int) -> dict[int, int]:
    """Return how much is left of which sequences, in order: whole ones drawn by seed, the last one cut.

    >>> draw([50, 50, 50], 70, seed=1)
    {0: 50, 1: 20}
    """
    order, kept, left = np.random.default_rng(seed).permutation(len(lengths)).tolist(), {}, most
    for place in order:
        if left <= 0:
            break
        kept[place] = min(lengths[place], left)
        left -= kept[place]
    return {place: kept[place] for place in sorted(kept) if kept[place]}
