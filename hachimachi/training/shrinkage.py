"""Shrinkage: columns that learned too much by heart go back towards their marginals when training is over."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # shares that may be kept of a column; of equally good ones the first


def shrink(model: EventModel, held_out: Sequence[EventSequence]) -> dict[str, float]:
    """Take each column back towards its marginals as far as that predicts held-out events better.

    All columns stop learning at once, when some are overfitted. Each can be scored alone, given the actual columns
    before it. The score on the same events is flattered a little by the choice, as it is by early stopping. Change the
    model's head, and return the share kept of what was learned of each column, by name.
    """
    if not model.head.shrink([1.0] * len(model.columns)) or not any(len(sequence) > 1 for sequence in held_out):
        return {}
    nats = []  # of each column with a share kept of all that was learned
    for share in SHARES:
        changed = copy.deepcopy(model)
        changed.head.shrink([share] * len(model.columns))
        by_column = evaluate(changed, held_out).by_feature()
        nats.append([by_column[column.name]["nats"] for column in model.columns])
    kept = [SHARES[best] for best in np.array(nats).argmin(0)]
    model.head.shrink(kept)
    return {column.name: share for column, share in zip(model.columns, kept, strict=True)}
