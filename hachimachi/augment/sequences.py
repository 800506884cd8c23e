"""Augmentations on whole sequences of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np

from hachimachi.augment.bound import Bound, Tally
from hachimachi.augment.chain import Chain, parse
from hachimachi.columns import fit_columns
from hachimachi.events import EventSequence, check_alike


@dataclass(frozen=True)
class Augmented:
    """What came of sequences.

    Args:
        sequences: Changed, and with ``keep`` the originals, each before its copies.
        ops: What was done.
        tallies: How much each operation did.
        copies: Number of the sequences that are no originals.
    """

    sequences: list[EventSequence]
    ops: Chain
    tallies: list[Tally]
    copies: int


def augment(
    sequences: Sequence[EventSequence],
    ops: str | Sequence[str] | Chain,
    seed: int = 0,
    *,
    count: int = 1,
    keep: bool = False,
) -> Augmented:
    """Change sequences by augmentations; those given stay as they are.

    Args:
        sequences: At least one, all with the same features.
        ops: What to do, as expressions: ``"addrand(range=(-6, 6), dims=pitch)"``.
        seed: Another seed, other draws. What is drawn for a sequence depends on its place, not on the others.
        count: Copies of each sequence, each drawn anew.
        keep: Whether the originals come too. Copies are called ``name~1`` and so on where there are several, or these.

    Raises:
        ExpressionError: An expression that cannot be read, or a feature that is not there.
        HachimachiError: Sequences that differ in features, or no events in them.

    >>> from hachimachi.events import make_sequence
    >>> scale = make_sequence([[60], [62], [64]], [0.0, 0.5, 2.0], names=["pitch"])
    >>> [turned] = augment([scale], "rev(); add(value=12, dims=pitch)").sequences
    >>> turned.column("pitch").tolist(), turned.time.tolist()
    ([76.0, 74.0, 72.0], [0.0, 1.5, 2.0])
    """
    chain = parse(ops)
    check_alike(sequences)
    bound = chain.bind(fit_columns(sequences))
    made, tallies = [], []
    for place, sequence in enumerate(sequences):
        made += [sequence] if keep else []
        for copy in range(1, count + 1):
            changed, done = _change(sequence, bound, np.random.default_rng([seed, place, copy]))
            made.append(replace(changed, name=f"{changed.name}~{copy}") if keep or count > 1 else changed)
            tallies.append(done)
    return Augmented(made, chain, [reduce(add, each) for each in zip(*tallies, strict=True)], len(tallies))


def _change(sequence: EventSequence, bound: Bound, random: np.random.Generator) -> tuple[EventSequence, list[Tally]]:
    rows = sequence.rows()
    outcome = bound(rows[None], random)
    changed, time = outcome.rows[0], sequence.time
    if time is None:
        return replace(sequence, data=changed), outcome.tallies
    between = changed[1:, 0]
    if not np.array_equal(between, rows[1:, 0]):  # unchanged, times are not rounded by being added up again
        time = time[:1] + np.cumsum(np.concatenate([[0.0], between]))
    return replace(sequence, data=changed[:, 1:], time=time), outcome.tallies
