"""How well a model foretells events it has not heard: nats per event, beside the marginal baseline."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from hachimachi.player.polyphony import limits
from hachimachi.sampling import Numbers, Sampling

CHUNK = 2048
"""Events looked at in one pass; the state is carried from chunk to chunk."""
FEW = 64
"""Up to so many bins are asked for one by one, where the grid is another than the model's; else all are tabulated."""
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
        fresh: Which events end a run of steps that never occurs in the training data, shape (scored,); ``None`` where
            the model does not know what it heard.
        columns: The columns, with the grids in use.
    """

    names: tuple[str, ...]
    surprise: NDArray[np.float64]
    marginal: NDArray[np.float64]
    events: int
    sequences: int
    outside: int
    fresh: NDArray[np.bool_] | None = None
    columns: tuple[Column, ...] = ()

    @property
    def nats_per_event(self) -> float:
        """Mean surprise of an event, NaN where none was scored."""
        return float(_mean(self.surprise).sum())

    @property
    def fresh_events(self) -> int:
        """Number of fresh events; those with too little before them to tell are not among them."""
        return 0 if self.fresh is None else int(self.fresh.sum())

    @property
    def fresh_nats_per_event(self) -> float | None:
        """Mean surprise of the fresh events, ``None`` where there is none."""
        if self.fresh is None or not self.fresh.any():
            return None
        return float(_mean(self.surprise[self.fresh]).sum())

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
        model: The model; it stays as it is.
        data: One sequence or several.
        resolution: Width of the bins on which to score columns, by name or number of the feature; the model's own else.
        support: Lowest and highest value of columns, likewise; what lies outside costs the floor. See
            :class:`~hachimachi.evaluation.grids.Regrid` for what another grid than the model's makes of its bins.
        done: Told how many events were heard, again and again.

    Raises:
        HachimachiError: Data with other features than the model's, or a grid that cannot be.
    """
    sequences = check_judged(model, data)
    restated = regrids(model.columns, resolution, support)
    columns = tuple(restated[at].column if at in restated else column for at, column in enumerate(model.columns))
    exact = copy.deepcopy(model).double().eval()
    with one_thread():
        surprise = np.concatenate([_surprise(exact, sequence, restated, done) for sequence in sequences])
    order = model.head.order
    return assemble(model, sequences, surprise[:, list(order)], columns, order)


def check_judged(model: EventModel, data: EventSequence | Sequence[EventSequence]) -> list[EventSequence]:
    """Return the sequences to judge a model by.

    Raises:
        HachimachiError: They differ in features from each other or from the model.
    """
    sequences = [data] if isinstance(data, EventSequence) else list(data)
    check_alike(sequences)
    check_features(model, sequences[0])
    return sequences


def assemble(
    model: EventModel,
    sequences: Sequence[EventSequence],
    surprise: NDArray[np.float64],
    columns: Sequence[Column],
    order: Sequence[int],
) -> Evaluation:
    """Put beside what events cost all that can be said of them without asking the model.

    Args:
        model: The model that was asked.
        sequences: The events.
        surprise: −ln P, shape (scored, D), columns in the order in which they were taken.
        columns: The model's columns, as they stand in rows, on the grids in use.
        order: Positions of the columns in the order in which they were taken.
    """
    rows = np.concatenate([sequence.rows()[1:] for sequence in sequences])
    marginal = [column.marginal_nats(rows[:, i]) for i, column in enumerate(columns)]
    outside = sum(int(column.grid.outside(rows[:, i]).sum()) for i, column in enumerate(columns))
    return Evaluation(
        names=tuple(columns[i].name for i in order),
        surprise=surprise,
        marginal=np.stack(marginal, axis=1)[:, list(order)],
        events=sum(len(sequence) for sequence in sequences),
        sequences=len(sequences),
        outside=outside,
        fresh=_fresh(model, sequences),
        columns=tuple(columns[i] for i in order),
    )


def _surprise(
    model: EventModel, sequence: EventSequence, restated: Mapping[int, Regrid], done: Callable[[int], object]
) -> NDArray[np.float64]:
    """Return −ln P of each column of every event but the first, shape (N − 1, D)."""
    if len(sequence) < 2:
        return np.empty((0, len(model.columns)))
    return np.concatenate(list(_pieces(model, sequence, restated, done)))[1:]


@torch.inference_mode()
def _pieces(
    model: EventModel, sequence: EventSequence, restated: Mapping[int, Regrid], done: Callable[[int], object]
) -> Iterator[NDArray[np.float64]]:
    rows, carry = torch.from_numpy(sequence.rows())[None], None
    for piece in rows.split(_lengths(rows[0].numpy(), restated), dim=1):
        distribution, carry = model(piece, carry)
        surprise = -distribution.log_prob(piece)[0].numpy()
        for column, regrid in restated.items():
            known = before(column, piece, model.head.order)
            surprise[:, column] = _restate(distribution, known, piece[0, :, column].numpy(), column, regrid)
        done(piece.shape[1])
        yield surprise


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


def _fresh(model: EventModel, sequences: Sequence[EventSequence]) -> NDArray[np.bool_] | None:
    grams = model.grams.get("fresh")
    if grams is None:
        return None
    masks = []
    for sequence in sequences:
        mask = np.zeros(max(len(sequence) - 1, 0), dtype=bool)
        mask[grams.n - 1 :] = ~grams.found(sequence)
        masks.append(mask)
    return np.concatenate(masks)


def _mean(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    return costs.mean(0) if len(costs) else np.full(costs.shape[1], np.nan)


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
    sampled = SampledTables(model.columns, model.head.order, sampling)
    parts = [np.empty((0, len(model.columns)))]
    with one_thread():
        for each in sequences:
            for part in _sampled_nll(exact, each, sampled):
                parts.append(part)
                done(len(part))
    return assemble(model, sequences, np.concatenate(parts), model.columns, sampled.order)


@torch.inference_mode()
def _sampled_nll(model: EventModel, sequence: EventSequence, sampled: SampledTables) -> Iterator[Numbers]:
    """Return −ln P of each column of every event but the first, piece by piece, shape (N, D)."""
    rows, carry, begun = sequence.rows(), None, 0
    limited = limits(model.columns, rows, sampled.sampling)
    size = max(1, min(CHUNK, CELLS // max(column.grid.bins for column in model.columns)))
    for piece in torch.from_numpy(rows).split(size):
        distribution, carry = model(piece[None], carry)
        cost = sampled.nll(distribution, piece, limited[begun : begun + len(piece)])
        yield cost[not begun :]
        begun += len(piece)


OPENING = 64
"""Events at the start of a sequence that tell it: its end may have been held out."""


def openings(sequences: Iterable[EventSequence]) -> list[str]:
    """Return fingerprints of the first events of sequences, what a model file keeps of its training data.

    Inter-event times and values count to six decimals, so that formats and shifts in time make no difference.
    """
    return [_opening(sequence) for sequence in sequences if len(sequence) > 1]


def seen(model: EventModel, sequences: Sequence[EventSequence]) -> list[EventSequence]:
    """Return the sequences that begin as one of the training data does."""
    known = set(model.summary.get("data", {}).get("openings", []))
    return [sequence for sequence in sequences if len(sequence) > 1 and _opening(sequence) in known]


def _opening(sequence: EventSequence) -> str:
    rows = np.round(np.nan_to_num(sequence[:OPENING].rows()), 6) + 0.0  # −0 becomes 0
    return hashlib.sha256(rows.tobytes()).hexdigest()[:16]
