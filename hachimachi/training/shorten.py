"""Learning from less than there is, for learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hachimachi.text import count
from hachimachi.training.holdout import Parts


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
