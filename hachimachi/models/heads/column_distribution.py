"""The likelihood of one column: numbers and categories, each a distribution over the bins of the column's grid."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hachimachi.columns import FLOOR, SPREAD, WIDTHS, Categories, Column, check_bins
from hachimachi.models.encoder import Scale, category_index

START = (0.9, 0.02)  # weights of the histogram and of the previous value before training
MOST_UNKNOWN = 0.01  # most that the class of unknown categories may weigh
NARROW = 1e-30  # least width of a bin: where a log scale has no room, below half a bin, the gradient stays finite


class ColumnDistribution(nn.Module, ABC):
    """A distribution over the bins of one column, with parameters of shape (..., P), P being ``size``.

    Parameters and raw values broadcast against each other. ``previous`` is the column's value in the event before on
    the column's scale, shape (...), or ``None`` where it is never known. ``original`` is what a value was before
    it was augmented, where it is learned from, shape (...).
    """

    size: int

    @abstractmethod
    def initial(self, values: Tensor) -> Tensor:
        """Return parameters, shape (P,), that give about the training histogram; raw training values to stand on."""

    @abstractmethod
    def log_prob(
        self, raw: Tensor, values: Tensor, previous: Tensor | None = None, original: Tensor | None = None
    ) -> Tensor:
        """Return ln P of raw values (...); 0 where a value is NaN."""

    @abstractmethod
    def table(self, raw: Tensor, previous: Tensor | None = None, *, playable: bool = False) -> Tensor:
        """Return P of every bin, shape (..., bins); ``playable`` leaves out the floor and unknown categories."""

    @abstractmethod
    def snap(self, values: Tensor) -> Tensor:
        """Return the values that stand for the bins of raw values: all that other columns may know of them."""


class NumberParams(NamedTuple):
    """What the parameters of a :class:`NumberDistribution` are."""

    logits: Tensor  # ln of the weights but for a constant: histogram, previous value, K logistics, shape (..., 2 + K)
    locations: Tensor  # where the logistics stand on the column's scale, shape (..., K)
    log_scales: Tensor  # ln of their widths, shape (..., K)
    tilt: Tensor | None = None  # logits added to those of the histogram's occupied bins, shape (..., distinct)
    intervals: Tensor | None = None  # the same by their distance from the previous value's bin, shape (..., 2R + 1)


class NumberDistribution(ColumnDistribution):
    """Histogram, previous value and logistics, weighed by the context, and a uniform floor.

    P(bin) = FLOOR / bins + (1 − FLOOR) · (w₀ H(bin) + w₁ [bin is the previous value's] + Σ_k w_k L(bin; μ_k, s_k))

    L(bin) = σ((b − μ) / s) − σ((a − μ) / s) is a logistic discretised on the grid and censored at its bounds, a and b
    being the ends of the bin on the column's scale, as in PixelCNN++ (Salimans et al. 2017,
    https://arxiv.org/abs/1701.05517); every other one is centred on the previous value, where there is one. H is the
    :class:`SmoothedHistogram`, its shares tilted by the context (a softmax) where it has few distinct values, and those
    of pitches by how far they are from the previous one: what pitches a piece has and which intervals it makes are
    learned apart (as viewpoints, Conklin & Witten 1995, https://doi.org/10.1080/09298219508570672). Where a window was
    transposed the histogram is too: the network learns what holds in any key, and the histogram keeps the piece's own.
    An event that is learned from does not count itself: the histogram has one event less there.

    Args:
        column: The column.
        components: Number of logistics, K.
        intervals: Semitones up and down that are told apart, R; those beyond count as the farthest. 0 for none.
    """

    def __init__(self, column: Column, components: int, intervals: int = 0) -> None:
        super().__init__()
        self.name, self.components = column.name, components
        self.scale = Scale.of(column)
        self.log_floor = math.log(FLOOR / column.grid.bins)
        self.histogram = SmoothedHistogram(column)
        self.pitched, self.reach = column.pitched, intervals if column.pitched else 0
        self.sizes = [2 + components, components, components, column.tilts, (2 * self.reach + 1) * bool(self.reach)]
        self.size = sum(self.sizes)

    def unpack(self, raw: Tensor) -> NumberParams:
        """Name the parameters."""
        *params, tilt, intervals = raw.split(self.sizes, dim=-1)
        return NumberParams(*params, *(logits if logits.shape[-1] else None for logits in (tilt, intervals)))

    def initial(self, values: Tensor) -> Tensor:
        """The histogram weighs most; logistics stand on training values."""
        rest = (1 - sum(START)) / self.components
        weights = torch.tensor([*START, *[rest] * self.components]).log()
        locations = self.scale.standardise(values[torch.randint(len(values), (self.components,))]).float()
        locations[::2] = 0.0
        return torch.cat([weights, locations, torch.full((self.components,), -1.0), torch.zeros(sum(self.sizes[3:]))])

    def log_prob(
        self, raw: Tensor, values: Tensor, previous: Tensor | None = None, original: Tensor | None = None
    ) -> Tensor:
        """Return ln P of raw values."""
        known = values.nan_to_num(0.0)
        home = None if original is None else self.scale.index(original.nan_to_num(0.0))
        log_p = self._log_mass(raw, self.scale.index(known), previous, home)
        log_p = log_p.masked_fill(self.scale.outside(known), -torch.inf)
        return self._with_floor(log_p).masked_fill(values.isnan(), 0.0)

    def table(self, raw: Tensor, previous: Tensor | None = None, *, playable: bool = False) -> Tensor:
        """Return P of every bin."""
        check_bins(self.name, self.scale.grid.bins)
        index = torch.arange(self.scale.grid.bins, device=raw.device)
        log_p = self._log_mass(raw[..., None, :], index, None if previous is None else previous[..., None])
        return (log_p if playable else self._with_floor(log_p)).exp()

    def snap(self, values: Tensor) -> Tensor:
        """Return the middles of bins."""
        return torch.where(values.isnan(), values, self.scale.centre(self.scale.index(values.nan_to_num(0.0))))

    def _log_mass(self, raw: Tensor, index: Tensor, previous: Tensor | None, home: Tensor | None = None) -> Tensor:
        """Return ln P without the floor at bins, shape (...), given those that values had before augmentation."""
        logits, locations, log_scales, tilt, intervals = self.unpack(raw)
        lower, upper = self.scale.edges(index)
        counted, counted_ends = index, (lower, upper)  # where the histogram is looked up, (...)
        if home is not None and self.pitched:
            counted, counted_ends = home, self.scale.edges(home)
        before = None if previous is None else self.scale.index_of_scaled(previous)
        if intervals is not None and before is not None:
            farther = self.histogram.occupied - (before + counted - index)[..., None]  # (..., distinct)
            farther = farther.clamp(-self.reach, self.reach) + self.reach
            shape = torch.broadcast_shapes(intervals.shape[:-1], farther.shape[:-1])
            added = intervals.expand(*shape, -1).gather(-1, farther.expand(*shape, -1))  # (..., distinct)
            tilt = added if tilt is None else tilt + added
        itself = None if home is None else counted == home
        histogram = self.histogram.log_prob(counted, *counted_ends, tilt, itself).to(raw.dtype)
        if previous is None:
            logits = torch.cat([logits[..., :1], logits[..., 2:]], dim=-1)  # (..., 1 + K)
        else:
            moving = torch.arange(locations.shape[-1], device=raw.device) % 2 == 0
            locations = locations + moving * previous[..., None].to(raw.dtype)
        scales = log_scales.clamp(*WIDTHS).exp()
        ends = (lower, upper, upper - lower)  # the width in double precision: a narrow bin far out keeps it
        lower, upper, width = (end[..., None].to(locations.dtype) for end in ends)  # (..., 1)
        logistics = log_logistic((lower - locations) / scales, (upper - locations) / scales, width / scales)
        histogram = histogram.expand(logistics.shape[:-1])
        parts = [histogram[..., None], logistics]
        if previous is not None:
            parts.insert(1, torch.zeros_like(histogram).masked_fill(before != index, -torch.inf)[..., None])
        # logits as they are and what they add up to taken off after: a softmax over so few takes PyTorch longer
        return (logits + torch.cat(parts, dim=-1)).logsumexp(-1) - logits.logsumexp(-1)

    def _with_floor(self, log_p: Tensor) -> Tensor:
        return torch.logaddexp(log_p + math.log(1 - FLOOR), torch.full_like(log_p, self.log_floor))


class SmoothedHistogram(nn.Module):
    """H(bin), smoothed after Witten & Bell (1991, https://doi.org/10.1109/18.87000).

    Values never seen get the share distinct / (events + distinct), half of it even between the lowest and the highest
    training value (half of that on the log scale, where there is one: most pauses are short, some are long), and half
    as one logistic with the mean and variance of the data. That share is not learned: on the training data, where
    nothing is new, learning would take it to nothing. For the same reason an event that is learned from does not count
    itself (leave-one-out): a fine histogram would know every time to the millisecond, and the rest learn nothing.
    """

    occupied: Tensor
    log_share: Tensor
    log_others: Tensor

    def __init__(self, column: Column) -> None:
        super().__init__()
        seen, column = column, column.histogram
        distinct, self.even = len(column.occupied), column.even
        self.novel = distinct / (column.events + distinct)
        share = torch.tensor(column.counts, dtype=torch.float64) / column.events
        self.register_buffer("occupied", torch.tensor(column.occupied), persistent=False)
        self.register_buffer("log_share", share.log(), persistent=False)
        others = 1 - 1 / torch.tensor(column.counts, dtype=torch.float64).clamp_min(1)
        others = others if seen is column else torch.ones_like(others)
        self.register_buffer("log_others", others.log(), persistent=False)

    def log_prob(
        self, index: Tensor, lower: Tensor, upper: Tensor, tilt: Tensor | None = None, itself: Tensor | None = None
    ) -> Tensor:
        """Return ln H of bins by their indices and ends on the scale, shape (...).

        The tilt are logits added to those of the occupied bins, shape (..., distinct). An event does not count where it
        is ``itself`` among those counted, shape (...).
        """
        found = torch.searchsorted(self.occupied, index.contiguous()).clamp_max(len(self.occupied) - 1)
        if tilt is None:
            seen = self.log_share[found]
        else:
            shape = torch.broadcast_shapes(found.shape, tilt.shape[:-1])
            shares = (self.log_share.to(tilt.dtype) + tilt).log_softmax(-1).expand(*shape, -1)  # (..., distinct)
            seen = shares.gather(-1, found.expand(shape)[..., None])[..., 0]  # (...)
        if itself is not None:
            seen = torch.where(itself, seen + self.log_others[found].to(seen.dtype), seen)
        seen = seen.masked_fill(self.occupied[found] != index, -torch.inf) + math.log(1 - self.novel)
        low, high = self.occupied[0], self.occupied[-1]
        even = ((index >= low) & (index <= high)).double() / (high - low + 1)
        if self.even is not None:
            first, last = self.even
            even = even / 2 + (upper.clamp(first, last) - lower.clamp(first, last)) / (last - first) / 2
        smooth = log_logistic(lower / SPREAD, upper / SPREAD, (upper - lower) / SPREAD).exp()
        unseen = ((even + smooth) * (self.novel / 2)).log()
        return torch.logaddexp(seen, unseen.to(seen.dtype))


def log_logistic(a: Tensor, b: Tensor, width: Tensor) -> Tensor:
    """Return ln(σ(b) − σ(a)) as ln of σ(b) σ(−a) (1 − e^−width), width = b − a, which is exact in the tails too."""
    return F.logsigmoid(b) + F.logsigmoid(-a) + (-torch.expm1(-width.clamp_min(NARROW))).log()


class NumberComponent(NumberDistribution):
    """One component of a mixture over events: the histogram and one logistic, never the previous value.

    P(bin) = FLOOR / bins + (1 − FLOOR) · (σ(g) H(bin) + (1 − σ(g)) L(bin; μ, s)), with μ, ln s and g as parameters.
    """

    def __init__(self, column: Column) -> None:
        super().__init__(column, components=1)
        self.size = 3

    def unpack(self, raw: Tensor) -> NumberParams:
        """Name the parameters."""
        location, log_scale, gate = raw.split(1, dim=-1)  # (..., 1) each
        return NumberParams(torch.cat([gate, gate, torch.zeros_like(gate)], dim=-1), location, log_scale)

    def initial(self, values: Tensor) -> Tensor:
        """Each of K components stands on one of K training values, shape (K, 3)."""
        gate = torch.full_like(values, START[0]).logit()
        return torch.stack([self.scale.standardise(values), torch.full_like(values, -1.0), gate], dim=-1)


class CategoryDistribution(ColumnDistribution):
    """A softmax over the categories of the training data, beside a small fixed mass for one never seen.

    P = FLOOR / bins + (1 − FLOOR) · (u for the unknown, (1 − u) · softmax for the others), where u is what the training
    histogram leaves for one unseen category, at most MOST_UNKNOWN.
    """

    known: Tensor
    shares: Tensor

    def __init__(self, column: Column) -> None:
        super().__init__()
        assert isinstance(column.grid, Categories)
        self.bins, self.size = column.grid.bins, len(column.grid.values)
        self.unknown = min(MOST_UNKNOWN, 0.5 / (column.events + 0.5 * self.bins))
        counts = torch.zeros(self.size, dtype=torch.float64)
        counts[list(column.occupied)] = torch.tensor(column.counts, dtype=torch.float64)
        self.register_buffer("known", torch.tensor(column.grid.values, dtype=torch.float64), persistent=False)
        self.register_buffer("shares", (counts + 0.5) / (counts + 0.5).sum(), persistent=False)

    def initial(self, values: Tensor) -> Tensor:  # noqa: ARG002
        """The training histogram."""
        return self.shares.log()

    def log_prob(self, raw: Tensor, values: Tensor, *_: Tensor | None, **__: Tensor | None) -> Tensor:
        """Return ln P of categories."""
        index = category_index(self.known, values.nan_to_num(0.0)).expand(raw.shape[:-1])
        return self.table(raw).log().gather(-1, index[..., None])[..., 0].masked_fill(values.isnan(), 0.0)

    def table(self, raw: Tensor, previous: Tensor | None = None, *, playable: bool = False) -> Tensor:  # noqa: ARG002
        """Return P of every category, the unknown one last."""
        softmax = F.softmax(raw, dim=-1)
        if playable:
            return F.pad(softmax, (0, 1))
        unknown = torch.full_like(raw[..., :1], self.unknown)
        return FLOOR / self.bins + (1 - FLOOR) * torch.cat([softmax * (1 - self.unknown), unknown], dim=-1)

    def snap(self, values: Tensor) -> Tensor:
        """Return the categories as they are."""
        return values
