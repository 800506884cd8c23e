"""How well a model foretells events it has not heard: nats per event, beside the marginal baseline."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hachimachi.events import EventSequence, check_alike
from hachimachi.generation import check_features
from hachimachi.models.event_model import EventModel
from hachimachi.models.threads import one_thread

CHUNK = 2048
"""Events looked at in one pass; the state is carried from chunk to chunk."""
BLOCK = 50
"""Events in a block of the standard error: neighbours are not independent."""


@dataclass(frozen=True)
class Evaluation:
    """What a model costs on data, event by event.

    Args:
        names: Names of the columns, in the order in which the model takes them.
        surprise: −ln P(column | past, columns before it), shape (scored, D), sequences one after the other.
        marginal: The same under the training histogram of each column, shape (scored, D).
        events: Number of events; the first of each sequence is not scored.
        sequences: Number of sequences.
        outside: Number of values outside the support; each costs the floor.
    """

    names: tuple[str, ...]
    surprise: NDArray[np.float64]
    marginal: NDArray[np.float64]
    events: int
    sequences: int
    outside: int

    @property
    def nats_per_event(self) -> float:
        """Mean surprise of an event, NaN where none was scored."""
        return float(_mean(self.surprise).sum())

    @property
    def marginal_nats_per_event(self) -> float:
        """What the marginal baseline costs; a model that is not below it has learned nothing."""
        return float(_mean(self.marginal).sum())

    @property
    def excluded(self) -> int:
        """Number of events that are never played; each costs infinity."""
        return int(np.isinf(self.surprise).any(1).sum())

    @property
    def stderr(self) -> float:
        """Standard error of the mean surprise, from blocks of neighbouring events; NaN for fewer than two blocks."""
        blocks = len(self.surprise) // BLOCK
        if blocks < 2 or self.excluded:
            return float("nan")
        totals = self.surprise.sum(1)[: blocks * BLOCK].reshape(blocks, BLOCK).mean(1)
        return float(totals.std(ddof=1) / blocks**0.5)

    def by_feature(self) -> dict[str, dict[str, float]]:
        """Return the mean surprise and the marginal baseline of each column; they add up to the totals."""
        pairs = zip(self.names, _mean(self.surprise), _mean(self.marginal), strict=True)
        return {name: {"nats": float(nats), "marginal": float(marginal)} for name, nats, marginal in pairs}


def evaluate(model: EventModel, data: EventSequence | Sequence[EventSequence]) -> Evaluation:
    """Score every event but each sequence's first, given all before it.

    One pass over each sequence, in double precision, the state carried from its start.

    Raises:
        HachimachiError: Data with other features than the model's.
    """
    sequences = [data] if isinstance(data, EventSequence) else list(data)
    check_alike(sequences)
    check_features(model, sequences[0])
    exact = copy.deepcopy(model).double().eval()
    rows = np.concatenate([sequence.rows()[1:] for sequence in sequences])
    with one_thread():
        surprise = np.concatenate([_surprise(exact, sequence) for sequence in sequences])
    marginal = [column.marginal_nats(rows[:, i]) for i, column in enumerate(model.columns)]
    outside = sum(int(column.grid.outside(rows[:, i]).sum()) for i, column in enumerate(model.columns))
    names = tuple(column.name for column in model.columns)
    events = sum(len(sequence) for sequence in sequences)
    return Evaluation(names, surprise, np.stack(marginal, axis=1), events, len(sequences), outside)


def _surprise(model: EventModel, sequence: EventSequence) -> NDArray[np.float64]:
    """Return −ln P of each column of every event but the first, shape (N − 1, D)."""
    if len(sequence) < 2:
        return np.empty((0, len(model.columns)))
    return np.concatenate(list(_pieces(model, sequence)))[1:]


@torch.inference_mode()
def _pieces(model: EventModel, sequence: EventSequence) -> Iterator[NDArray[np.float64]]:
    rows, carry = torch.from_numpy(sequence.rows())[None], None
    for piece in rows.split(CHUNK, dim=1):
        distribution, carry = model(piece, carry)
        yield -distribution.log_prob(piece)[0].numpy()


def _mean(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    return costs.mean(0) if len(costs) else np.full(costs.shape[1], np.nan)
