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
from hachimachi.errors import HachimachiError, expect
from hachimachi.evaluation.grids import regrids
from hachimachi.events import EventSequence, as_sequences, check_alike
from hachimachi.generation import check_features
from hachimachi.models.event_model import EventModel, before
from hachimachi.models.heads.head import Distribution, SampledTables
from hachimachi.player.engine import one_thread
from hachimachi.sampling import Sampling

CHUNK = 2048  # events in one pass; the state is carried from chunk to chunk
CELLS = 300_000  # bins tabulated in one pass: each takes a number for every component, several times over
BLOCK = 50  # events in a block of the standard error: neighbours are not independent


@dataclass(frozen=True)
class Evaluation:
    """What a model costs on data, event by event."""

    names: tuple[str, ...]  # of the columns, in the order in which the model takes them
    nll: NDArray[np.float64]  # −ln P(column | past, columns before it), shape (scored, D), sequence after sequence
    marginal: NDArray[np.float64]  # the same under the training histogram of each column, shape (scored, D)
    events: int
    sequences: int
    outside: int  # number of values outside the support; each costs the floor
    # which events end a run of steps that never occurs in the training data, shape (scored,); ``None`` where the model
    # keeps no n-grams of it
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
        return float(_mean(self.nll[self.fresh]).sum()) if self.fresh_events else None

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
    hear: Sequence[str] = (),
    done: Callable[[int], object] = lambda _: None,
) -> Evaluation:
    """Score every event but each sequence's first, given all before it, masked features left out.

    One pass over each sequence, in double precision, the state carried from its start.

    Args:
        resolution: Width of the bins on which to score columns, by name or number of the feature; the model's own else.
        support: Lowest and highest value of columns, likewise; what lies outside costs the floor. See
            :class:`~hachimachi.evaluation.grids.Regrid` for what another grid than the model's makes of its bins.
        hear: Names of masked features whose past values are known to the model, as they are in playing what it has
            played itself.
        done: Called again and again with the number of events that the model observed.

    HachimachiError for data with other features than the model's, or a grid that cannot be.
    """
    sequences, known = check_judged(model, data), known_columns(model, hear)
    restated = regrids(model.columns, resolution, support)
    columns = tuple(restated[i].column if i in restated else column for i, column in enumerate(model.columns))
    order = list(model.head.order)

    def nll(distribution: Distribution, rows: Tensor) -> NDArray[np.float64]:
        costs = -distribution.log_prob(rows[None])[0].numpy()
        for i, regrid in restated.items():
            p = distribution.table(i, before(i, rows[None], order))[0].numpy()  # (N, bins)
            costs[:, i] = -np.log(regrid.prob(np.nan_to_num(rows[:, i].numpy()), p))
        return costs[:, order]

    bins = [max(regrid.original.grid.bins, regrid.column.grid.bins) for regrid in restated.values()]
    return _assemble(model, sequences, _score(model, sequences, bins, nll, known, done), columns, order)


def evaluate_sampled(
    model: EventModel,
    data: EventSequence | Sequence[EventSequence],
    sampling: Sampling,
    hear: Sequence[str] = (),
    done: Callable[[int], object] = lambda _: None,
) -> Evaluation:
    """Score every event but each sequence's first under what a model plays, given all before it.

    As :func:`evaluate`, but P is the probability with which the event is drawn, columns in the order in which they are
    drawn. What is never played costs infinity. Slow: all bins are tabulated. HachimachiError for data with other
    features than the model's, or a sampling that the model cannot play.
    """
    sequences, known = check_judged(model, data), known_columns(model, hear)
    sampled = SampledTables(model.columns, model.head.order, sampling)
    bins = [column.grid.bins for column in model.columns]
    nll = _score(model, sequences, bins, sampled.nll, known, done)
    return _assemble(model, sequences, nll, model.columns, sampled.order)


def check_judged(model: EventModel, data: EventSequence | Sequence[EventSequence]) -> list[EventSequence]:
    """Return the sequences to judge a model by; raises where they differ in features from each other or from it."""
    expect(isinstance(model, EventModel), "model", model, "an EventModel, as load_model(…) returns it")
    sequences = as_sequences(data)
    check_alike(sequences)
    check_features(model, sequences[0])
    return sequences


def known_columns(model: EventModel, hear: Sequence[str]) -> Tensor:
    """Return which columns a model is to hear though they are masked, shape (D,)."""
    masked = [column.name for column in model.columns if column.feature.masked]
    if wrong := [name for name in hear if name not in masked]:
        there = ", ".join(masked) or "and there is none"
        raise HachimachiError(f"hear {wrong[0]!r}: expected a masked feature, {there}")
    if hear and model.encoder.masked is None:
        raise HachimachiError("hear: this model never hears masked features; train it with dataset.hear_masked=true")
    return torch.tensor([column.name in hear for column in model.columns])


@torch.inference_mode()
def _score(
    model: EventModel,
    sequences: Sequence[EventSequence],
    tabulated: Sequence[int],
    nll: Callable[[Distribution, Tensor], NDArray[np.float64]],
    known: Tensor,
    done: Callable[[int], object],
) -> NDArray[np.float64]:
    """Return what events cost, (scored, D), piece by piece, by bins that are tabulated, the NLL of rows (N, D), and
    which masked columns are heard, (D,)."""
    exact = copy.deepcopy(model).double().eval()
    size = max(1, min(CHUNK, CELLS // max(tabulated, default=1)))
    parts = [np.empty((0, len(model.columns)))]
    with one_thread():
        for sequence in sequences:
            rows, carry = torch.from_numpy(sequence.rows()), None
            for piece in rows.split(size) if len(rows) > 1 else ():
                first = carry is None
                distribution, carry = exact(piece[None], carry, known=known)
                parts.append(nll(distribution, piece)[first:])
                done(len(piece))
    return np.concatenate(parts)


def _assemble(
    model: EventModel,
    sequences: Sequence[EventSequence],
    nll: NDArray[np.float64],
    columns: Sequence[Column],
    order: Sequence[int],
) -> Evaluation:
    """Return the evaluation of events whose NLL is known, (scored, D), columns in the order in which they are taken."""
    rows = np.concatenate([sequence.rows()[1:] for sequence in sequences])
    marginal = [columns[i].marginal_nats(rows[:, i]) for i in order]
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
        marginal=np.stack(marginal, axis=1),
        events=sum(len(sequence) for sequence in sequences),
        sequences=len(sequences),
        outside=sum(int(column.grid.outside(rows[:, i]).sum()) for i, column in enumerate(columns)),
        fresh=fresh,
        columns=tuple(columns[i] for i in order),
    )


def _mean(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    return costs.mean(0) if len(costs) else np.full(costs.shape[1], np.nan)
