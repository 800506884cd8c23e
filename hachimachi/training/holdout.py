"""Which events are learned from, which are held out to stop by, and which are never looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import Report
from hachimachi.io.split import Split, select
from hachimachi.text import count

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

    train: list[EventSequence]
    valid: list[EventSequence]
    whole: list[EventSequence]
    by_sequence: bool
    notes: list[str] = field(default_factory=list)


def hold_out(sequences: Sequence[EventSequence], fraction: float, seed: int) -> Parts:
    """Hold out about a fraction of the events, the same for the same seed.

    Whole sequences, drawn by seed, where at least five have two events; otherwise the last part of each one in time.
    Under 20 events nothing.
    """
    whole, total = list(sequences), sum(len(sequence) for sequence in sequences)
    if total < FEW or fraction == 0:
        return Parts(whole, [], whole, by_sequence=False)
    if sum(len(sequence) >= 2 for sequence in sequences) < SEVERAL:
        cuts = [len(sequence) - round(len(sequence) * fraction) for sequence in sequences]
        parts = list(zip(sequences, cuts, strict=True))
        held = [sequence[cut:] for sequence, cut in parts if len(sequence) - cut >= 2]
        kept = [sequence[:cut] if len(sequence) - cut >= 2 else sequence for sequence, cut in parts]
        return Parts(kept, held, whole, by_sequence=False)
    drawn = _draw([len(sequence) for sequence in sequences], fraction * total, seed)
    kept = [sequence for i, sequence in enumerate(sequences) if i not in drawn]
    return Parts(kept, [sequences[i] for i in sorted(drawn)], whole, by_sequence=True)


def follow(sequences: Sequence[EventSequence], split: Split, fraction: float, seed: int, report: Report) -> Parts:
    """Take the parts that a split lists; where it lists none to validate by, hold out of its training part.

    What it lists for the test, and what it does not list, is never looked at.

    Raises:
        HachimachiError: A part to learn from or to validate by that is empty or not in the data, or a sequence in two.
    """
    train = select(sequences, split, "train", report)
    valid = select(sequences, split, "valid", report) if split.parts.get("valid") else []
    test = _find_test(sequences, split)
    _check_apart(split, {"train": train, "valid": valid, "test": test}, sequences)
    notes = [f"left alone for the test: {_count(test)}"] if test else []
    listed = {sequence.name for sequence in (*train, *valid, *test)}
    if rest := [sequence for sequence in sequences if sequence.name not in listed]:
        first = f"{rest[0].name}{' …' * (len(rest) > 1)}"
        notes.append(f"left out, in no part of {split.path.name}: {_count(rest)}: {first}")
    if not valid:
        parts = hold_out(train, fraction, seed)
        notes.append(f"nothing under 'valid' in {split.path.name}: held out of what is under 'train'")
        return Parts(parts.train, parts.valid, parts.whole, parts.by_sequence, notes)
    if not any(len(sequence) >= 2 for sequence in valid):
        raise HachimachiError(f"{split.path}: valid: no sequence has two events; expected something to validate by")
    return Parts(train, valid, [*train, *valid], by_sequence=True, notes=notes)


def sample(sequences: Sequence[EventSequence], most: int, seed: int) -> list[EventSequence]:
    """Return sequences that together have at most ``most`` events: of as many as can be, the beginning of each."""
    if sum(len(sequence) for sequence in sequences) <= most:
        return list(sequences)
    order = np.random.default_rng(seed).permutation(len(sequences))
    tastes = np.cumsum([min(len(sequences[i]), TASTE) for i in order])
    drawn = [sequences[i] for i in order[: max(1, int(np.searchsorted(tastes, most, side="right")))]]
    rest, longest = most, most
    for place, length in enumerate(sorted(len(sequence) for sequence in drawn)):
        longest = rest // (len(drawn) - place)
        if length > longest:
            break
        rest -= length
    return [sequence[:longest] for sequence in drawn]


def _draw(lengths: Sequence[int], wanted: float, seed: int) -> set[int]:
    """Draw sequences that together have about as many events as wanted; one much too long for that is passed over."""
    order = [i for i in np.random.default_rng(seed).permutation(len(lengths)).tolist() if lengths[i] >= 2]
    drawn: set[int] = set()
    for i in order:
        if lengths[i] <= 2 * wanted:  # brings it nearer
            drawn.add(i)
            wanted -= lengths[i]
    return drawn or {min(order, key=lambda i: lengths[i])}


def _find_test(sequences: Sequence[EventSequence], split: Split) -> list[EventSequence]:
    """Return what the split keeps for the test, if it is among the data: it need not be."""
    try:
        return select(sequences, split, "test", Report())
    except HachimachiError:
        return []


def _check_apart(split: Split, parts: dict[str, list[EventSequence]], sequences: Sequence[EventSequence]) -> None:
    """Refuse events named twice: with their suffix under train, without it under test."""
    there = Counter[str]()
    for sequence in sequences:
        there[sequence.name] += len(sequence)
    taken: dict[str, list[str]] = {}
    for part, chosen in parts.items():
        for sequence in chosen:
            there[sequence.name] -= len(sequence)
            taken.setdefault(sequence.name, []).append(part)
            if there[sequence.name] < 0:
                where = " and ".join(taken[sequence.name])
                raise HachimachiError(f"{split.path}: {sequence.name!r} is named under {where}; expected it in one")


def _count(sequences: Sequence[EventSequence]) -> str:
    events = sum(len(sequence) for sequence in sequences)
    return f"{count(len(sequences), 'sequence')} ({count(events, 'event')})"
