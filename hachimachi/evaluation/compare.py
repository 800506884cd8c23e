"""Comparison of models on the same events: which predicts them better, and whether that is more than noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.evaluation.grids import find_common_grid
from hachimachi.evaluation.likelihood import BLOCK, Evaluation, check_judged, evaluate
from hachimachi.events import EventSequence, as_sequences
from hachimachi.models.event_model import EventModel

SEVERAL = 5  # from this many sequences on, each is a block; else blocks are cut from each
SURE = 1.96  # standard errors that a normal variable stays within in 95 of 100 cases


@dataclass(frozen=True)
class Difference:
    """How much more one model costs than another on the same events."""

    nats: float  # mean difference per event; below zero where the one is better
    stderr: float  # its standard error, NaN for fewer than two blocks
    blocks: int

    @property
    def sure(self) -> bool:
        """Whether it is more than noise: beyond what 95 of 100 samples with no difference would show, by Student's t
        (Abramowitz & Stegun 1964, 26.7.5), wider where there are few blocks."""
        if not self.blocks > 1 or not np.isfinite(self.stderr):
            return False
        z, freedom = SURE, self.blocks - 1
        limit = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        return abs(self.nats) > limit * self.stderr


@dataclass(frozen=True)
class Comparison:
    """What models cost on the same events, on the same grid."""

    names: tuple[str, ...]
    evaluations: tuple[Evaluation, ...]
    block: NDArray[np.int64]  # the block of each scored event, shape (scored,): neighbours are not independent
    by_sequence: bool
    remarks: tuple[str, ...] = ()

    @property
    def ranking(self) -> list[int]:
        """Positions of the models, the best first."""
        return sorted(range(len(self.names)), key=lambda i: self.evaluations[i].nats_per_event)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(np.unique(self.block))

    @property
    def features_compare(self) -> bool:
        """Whether features can be compared one by one: each knows those before it, so the order has to be the same."""
        return len({evaluation.names for evaluation in self.evaluations}) == 1

    def difference(self, one: int, other: int, feature: str | None = None) -> Difference:
        """Return how much more one model costs than another, in all or in one feature."""
        costs = []
        for evaluation in (self.evaluations[one], self.evaluations[other]):
            nll = evaluation.nll
            costs.append(nll.sum(1) if feature is None else nll[:, evaluation.names.index(feature)])
        gap = costs[0] - costs[1]
        return Difference(float(gap.mean()), block_error(gap, self.block), len(np.unique(self.block)))


def block_error(differences: NDArray[np.float64], block: NDArray[np.int64]) -> float:
    """Return the standard error of a mean, given each event's block, shapes (N,); NaN for fewer than two. Blocks differ
    in size, so it is that of a ratio (Cochran 1977, *Sampling Techniques*, 6.3)."""
    totals = np.bincount(block, differences - float(differences.mean()))[np.unique(block)]
    count = len(totals)
    return (count / (count - 1) * float(totals @ totals)) ** 0.5 / len(differences) if count > 1 else math.nan


def compare(
    models: Mapping[str, EventModel] | Sequence[EventModel],
    data: EventSequence | Sequence[EventSequence],
    *,
    resolution: Mapping[str, float] | None = None,
    support: Mapping[str, tuple[float, float]] | None = None,
    hear: Sequence[str] = (),
    done: Callable[[int], object] = lambda _: None,
) -> Comparison:
    """Score several models on the same events and grid, as :func:`~hachimachi.evaluation.likelihood.evaluate` does.

    Where their grids differ they are judged on a common one: the coarsest resolution, over the support of them all.
    Arguments are as there; ``done`` is called again and again for each model. HachimachiError for fewer than two
    models, data with other features, nothing to score, or categories that some know and others do not.

    >>> from hachimachi import build_model, read
    >>> from hachimachi.events import make_sequence
    >>> scale = make_sequence([[60.0 + i % 5] for i in range(200)], [0.25 * i for i in range(200)], ["pitch"])
    >>> chance = make_sequence([[60.0 + i * i % 7] for i in range(200)], [0.3 * i for i in range(200)], ["pitch"])
    >>> result = compare({"scale": build_model([scale]), "chance": build_model([chance])}, scale)
    >>> result.names[result.ranking[0]], result.difference(1, 0).sure
    ('scale', True)
    """
    named = models if isinstance(models, Mapping) else {f"{number}": model for number, model in enumerate(models, 1)}
    if len(named) < 2:
        raise HachimachiError(f"{len(named)} model to compare; expected two or more")
    sequences = as_sequences(data)
    for model in named.values():
        check_judged(model, sequences)
    widths, ends, remarks = find_common_grid(named, sequences, resolution or {}, support or {})
    options = {"resolution": widths, "support": ends, "hear": hear, "done": done}
    evaluations = tuple(evaluate(model, sequences, **options) for model in named.values())
    lengths = [max(0, len(sequence) - 1) for sequence in sequences]
    if not sum(lengths):
        raise HachimachiError("nothing to score; expected a sequence of two events or more")
    by_sequence = sum(length > 0 for length in lengths) >= SEVERAL
    blocks, begun = [], 0
    for length in lengths:  # what is left over joins the last stretch
        stretches = 1 if by_sequence else max(1, length // BLOCK)
        blocks.append(begun + np.minimum(np.arange(length) // (length if by_sequence else BLOCK), stretches - 1))
        begun += stretches
    return Comparison(tuple(named), evaluations, np.concatenate(blocks), by_sequence, remarks)
