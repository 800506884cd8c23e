"""What events cost under the distribution that is drawn from: with temperature, top-p, min-p and constraints."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from hachimachi.evaluation.likelihood import CHUNK, Evaluation, assemble, check_judged
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel
from hachimachi.models.sampled import Sampled, limits
from hachimachi.models.sampling import Numbers, Sampling
from hachimachi.models.threads import one_thread

CELLS = 300_000
"""Bins looked at in one pass: each takes a number for every component, several times over."""


def evaluate_sampled(
    model: EventModel,
    data: EventSequence | Sequence[EventSequence],
    sampling: Sampling,
    done: Callable[[int], object] = lambda _: None,
) -> Evaluation:
    """Score every event but each sequence's first under what a model plays, given all before it.

    As :func:`~hachimachi.evaluation.likelihood.evaluate`, but P is the probability with which the event is drawn, and
    the columns stand in the order in which they are drawn. What is never played costs infinity: what a constraint,
    top-p or min-p excludes, unknown categories, values outside a closed support. Slow: all bins are tabulated.

    Raises:
        HachimachiError: Data with other features than the model's, or a sampling that the model cannot play.
    """
    sequences = check_judged(model, data)
    exact = copy.deepcopy(model).double().eval()
    sampled = Sampled(model.columns, model.head.order, sampling)
    parts = [np.empty((0, len(model.columns)))]
    with one_thread():
        for each in sequences:
            for part in _surprise(exact, each, sampled):
                parts.append(part)
                done(len(part))
    return assemble(model, sequences, np.concatenate(parts), model.columns, sampled.order)


@torch.inference_mode()
def _surprise(model: EventModel, sequence: EventSequence, sampled: Sampled) -> Iterator[Numbers]:
    """Return −ln P of each column of every event but the first, piece by piece, shape (N, D)."""
    rows, carry, begun = sequence.rows(), None, 0
    limited = limits(model.columns, rows, sampled.sampling)
    size = max(1, min(CHUNK, CELLS // max(column.grid.bins for column in model.columns)))
    for piece in torch.from_numpy(rows).split(size):
        distribution, carry = model(piece[None], carry)
        cost = sampled.surprise(distribution, piece, limited[begun : begun + len(piece)])
        yield cost[not begun :]
        begun += len(piece)
