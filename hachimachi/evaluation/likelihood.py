"""How well a model predicts events: negative log-likelihood in nats, beside the marginal baseline."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hachimachi.columns import Column
from hachimachi.evaluation.grids import Regrid, regrids
from hachimachi.events import EventSequence, check_alike
from hachimachi.generation import check_features
from hachimachi.models.event_model import EventModel, before
from hachimachi.models.heads.head import Distribution, SampledTables
from hachimachi.player.engine import one_thread
from hachimachi.sampling import Sampling

CHUNK = 2048  # events in one pass; the state is carried from chunk to chunk
CELLS = 300_000  # bins tabulated in one pass: each takes a number for every component, several times over
FEW = 64
"""Up to so many bins are asked for one by one, where the grid is another than the model's; else all are tabulated."""
BLOCK = 50  # events in a block of the standard error: neighbours are not independent


@dataclass(frozen=True)
class Evaluation:
    """What a model costs on data, event by event.

    Args:
        names: Names of the columns, in the order in which the model takes them.
        nll: −ln P(column | past, columns before it), shape (scored, D), sequences one after the other.
        marginal: The same under the training histogram of each column, shape (scored, D).
        outside: Number of values outside the support; each costs the floor.
        fresh: Which events end a run of steps that never occurs in the training data, shape (scored,); ``None`` where
            the model keeps no n-grams of it.
    """

    names: tuple[str, ...]
    nll: NDArray[np.float64]
    marginal: NDArray[np.float64]
    events: int
    sequences: int
    outside: int
    fresh: NDArray[np.bool_] | None = None
    columns: tuple[Column, ...] = ()

    @property
    def surprise(self) -> NDArray[np.float64]:
        """Another name of :attr:`nll`."""
        return self.nll

    @property
    def nats_per_event(self) -> float:
        """Mean NLL of an event, NaN where none was scored."""
        return float(_mean(self.nll).sum())

    @property
    def fresh_events(self) -> int:
        """Number of fresh events; those with too little before them to tell are not among them."""
        return 0 if self.fresh is None else int(self.fresh.sum())

    @property
    def fresh_nats_per_event(self) -> float | None:
        """Mean NLL of the fresh events, ``None`` where there is none."""
        if self.fresh is None or not self.fresh.any():
            return None
        return float(_mean(self.nll[self.fresh]).sum())

    @property
    def marginal_nats_per_event(self) -> float:
        """What the marginal baseline costs; a model that is not below it has learned nothing."""
        return float(_mean(self.marginal).sum())

    @property
    def excluded(self) -> int:
        """Number of events that are never played; each costs infinity."""
        return int(np.isinf(self.nll).any(1).sum())

    @property
    def gain(self) -> float:
        """Nats per event below the marginal baseline."""
        return self.marginal_nats_per_event - self.nats_per_event

    @property
    def stderr(self) -> float:
        """Standard error of the mean NLL, from blocks of neighbouring events; NaN for fewer than two blocks."""
        return self._block_error(self.nll.sum(1))

    @property
    def gain_stderr(self) -> float:
        """Standard error of the gain, from the same blocks."""
        return self._block_error(self.marginal.sum(1) - self.nll.sum(1))

    def _block_error(self, totals: NDArray[np.float64]) -> float:
        blocks = len(totals) // BLOCK
        if blocks < 2 or self.excluded:
            return float("nan")
        means = totals[: blocks * BLOCK].reshape(blocks, BLOCK).mean(1)
        return float(means.std(ddof=1) / blocks**0.5)

    def by_feature(self) -> dict[str, dict[str, float]]:
        """Return the mean NLL and the marginal baseline of each column; they add up to the totals."""
        pairs = zip(self.names, _mean(self.nll), _mean(self.marginal), strict=True)
        return {name: {"nats": float(nats), "marginal": float(marginal)} for name, nats, marginal in pairs}


def evaluate(
    model: EventModel,
    data: EventSequence | Sequence[EventSequence],
    *,
    resolution: Mapping[str, float] | None = None,
    support: Mapping[str, tuple[float, float]] | None = None,
    done: Callable[[int], object] = lambda _: None,
) -> Evaluation:
    """Score every event but each sequence's first, given all before it.

    One pass over each sequence, in double precision, the state carried from its start.

    Args:
        resolution: Width of the bins on which to score columns, by name or number of the feature; the model's own else.
        support: Lowest and highest value of columns, likewise; what lies outside costs the floor. See
            :class:`~hachimachi.evaluation.grids.Regrid` for what another grid than the model's makes of its bins.
        done: Called again and again with the number of events that the model observed.

    Raises:
        HachimachiError: Data with other features than the model's, or a grid that cannot be.
    """
    sequences = check_judged(model, data)
    restated = regrids(model.columns, resolution, support)
    columns = tuple(restated[i].column if i in restated else column for i, column in enumerate(model.columns))
    exact = copy.deepcopy(model).double().eval()
    parts = [np.empty((0, len(columns)))]
    with one_thread():
        for sequence in sequences:
            if len(sequence) > 1:
                parts += _nll(exact, sequence, restated, done)
    order = model.head.order
    return assemble(model, sequences, np.concatenate(parts)[:, list(order)], columns, order)


def check_judged(model: EventModel, data: EventSequence | Sequence[EventSequence]) -> list[EventSequence]:
    """Return the sequences to judge a model by; raises where they differ in features from each other or from it."""
    sequences = [data] if isinstance(data, EventSequence) else list(data)
    check_alike(sequences)
    check_features(model, sequences[0])
    return sequences


def assemble(
    model: EventModel,
    sequences: Sequence[EventSequence],
    nll: NDArray[np.float64],
    columns: Sequence[Column],
    order: Sequence[int],
) -> Evaluation:
    """Return the evaluation of events whose NLL is known.

    Args:
        nll: −ln P, shape (scored, D), columns in the order in which they were taken.
        order: Positions of the columns in the order in which they were taken.
    """
    rows = np.concatenate([sequence.rows()[1:] for sequence in sequences])
    marginal = [column.marginal_nats(rows[:, i]) for i, column in enumerate(columns)]
    outside = sum(int(column.grid.outside(rows[:, i]).sum()) for i, column in enumerate(columns))
    fresh: NDArray[np.bool_] | None = None
    if ngrams := model.grams.get("fresh"):
        masks = []
        for sequence in sequences:
            mask = np.zeros(max(len(sequence) - 1, 0), dtype=bool)
            mask[ngrams.n - 1 :] = ~ngrams.found(sequence)
            masks.append(mask)
        fresh = np.concatenate(masks)
    return Evaluation(
        names=tuple(columns[i].name for i in order),
        nll=nll,
        marginal=np.stack(marginal, axis=1)[:, list(order)],
        events=sum(len(sequence) for sequence in sequences),
        sequences=len(sequences),
        outside=outside,
        fresh=fresh,
        columns=tuple(columns[i] for i in order),
    )


@torch.inference_mode()
def _nll(
    model: EventModel, sequence: EventSequence, restated: Mapping[int, Regrid], done: Callable[[int], object]
) -> list[NDArray[np.float64]]:
    """Return −ln P of each column of every event but the first, chunk by chunk, shape (N, D)."""
    rows, carry, found = torch.from_numpy(sequence.rows())[None], None, []
    for piece in rows.split(_lengths(rows[0].numpy(), restated), dim=1):
        distribution, carry = model(piece, carry)
        nll = -distribution.log_prob(piece)[0].numpy()
        for column, regrid in restated.items():
            known = before(column, piece, model.head.order)
            nll[:, column] = _restate(distribution, known, piece[0, :, column].numpy(), column, regrid)
        done(piece.shape[1])
        found.append(nll)
    return [found[0][1:], *found[1:]]


def _lengths(rows: NDArray[np.float64], restated: Mapping[int, Regrid]) -> list[int]:
    """Return the lengths of pieces; an event whose bin sums up many of the model's is a piece of its own."""
    wide = np.zeros(len(rows), dtype=bool)
    for column, regrid in restated.items():
        wide |= regrid.reach(np.nan_to_num(rows[:, column]))[1] > FEW
    alone = np.flatnonzero(wide)
    cuts = np.unique(np.concatenate([np.arange(0, len(rows), CHUNK), alone, alone + 1, [len(rows)]]))
    return np.diff(cuts).tolist()


def _restate(
    distribution: Distribution, known: Tensor, values: NDArray[np.float64], column: int, regrid: Regrid
) -> NDArray[np.float64]:
    """Return −ln P of a column on another grid, given the columns before it as they are, not cut to any grid."""
    values = np.nan_to_num(values)
    first, count = regrid.reach(values)
    middles = regrid.middles()

    def mass(k: int) -> NDArray[np.float64]:
        known[0, :, column] = torch.from_numpy(middles[np.minimum(first + k, len(middles) - 1)])
        return distribution.log_prob(known)[0, :, column].exp().numpy()

    if count.max(initial=0) > FEW:  # a piece of one event
        table = distribution.table(column, known)[0, 0].numpy()
        return -np.log(regrid.prob(values, lambda k: table[first + k]))
    return -np.log(regrid.prob(values, mass))


def _mean(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    return costs.mean(0) if len(costs) else np.full(costs.shape[1], np.nan)


def evaluate_sampled(
    model: EventModel,
    data: EventSequence | Sequence[EventSequence],
    sampling: Sampling,
    done: Callable[[int], object] = lambda _: None,
) -> Evaluation:
    """Score every event but each sequence's first under what a model plays, given all before it.

    As :func:`evaluate`, but P is the probability with which the event is drawn, columns in the order in which they are
    drawn. What is never played costs infinity. Slow: all bins are tabulated.

    Raises:
        HachimachiError: Data with other features than the model's, or a sampling that the model cannot play.
    """
    sequences = check_judged(model, data)
    exact = copy.deepcopy(model).double().eval()
    sampled = SampledTables(model.columns, model.head.order, sampling)
    size = max(1, min(CHUNK, CELLS // max(column.grid.bins for column in model.columns)))
    parts = [np.empty((0, len(model.columns)))]
    with one_thread(), torch.inference_mode():
        for sequence in sequences:
            rows, carry = sequence.rows(), None
            for begin in range(0, len(rows), size):
                piece = torch.from_numpy(rows[begin : begin + size])
                distribution, carry = exact(piece[None], carry)
                nll = sampled.nll(distribution, piece)
                parts.append(nll[not begin :])
                done(len(parts[-1]))
    return assemble(model, sequences, np.concatenate(parts), model.columns, sampled.order)
