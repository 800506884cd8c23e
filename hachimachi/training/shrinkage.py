"""How much of what was learned of each column holds for what was not heard."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""What may be kept of a column; of equals the first."""


def shrink(model: EventModel, held_out: Sequence[EventSequence]) -> dict[str, float]:
    """Take each column back towards its marginals as far as that foretells held-out events better.

    There is one moment to stop for all columns together, but by then some have been learned by heart, and others
    foretell worse than their histogram where the data goes on in another way. Each can be judged alone, for it is given
    the actual columns before it. The score on the same events is flattered a little by the choice, as it is by that of
    the moment.

    Args:
        model: The model; its head is changed.
        held_out: What to judge by.

    Returns:
        The share kept of what was learned of each column, by name.
    """
    able = model.head.shrink([1.0] * len(model.columns))
    if not able or not any(len(sequence) > 1 for sequence in held_out):
        return {}
    costs = np.array([_costs(model, share, held_out) for share in SHARES])
    kept = [SHARES[best] for best in costs.argmin(0)]
    model.head.shrink(kept)
    return {column.name: share for column, share in zip(model.columns, kept, strict=True)}


def _costs(model: EventModel, share: float, held_out: Sequence[EventSequence]) -> list[float]:
    """Return the nats of each column with a share kept of all that was learned."""
    changed = copy.deepcopy(model)
    changed.head.shrink([share] * len(model.columns))
    costs = evaluate(changed, held_out).by_feature()
    return [costs[column.name]["nats"] for column in model.columns]
