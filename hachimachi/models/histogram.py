"""The training histogram of a column of numbers, smoothed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hachimachi.columns import Column
from hachimachi.models.scale import SPREAD, Scale

NARROW = 1e-30
"""Least width of a bin: where a log scale has no room, below half a bin, the gradient stays finite."""


class Histogram(nn.Module):
    """H(bin), smoothed after Witten & Bell (1991, https://doi.org/10.1109/18.87000).

    Values never seen get the share distinct / (events + distinct), half of it even between the lowest and the highest
    training value and half as one logistic with the mean and variance of the data. That share is not learned: on the
    training data, where nothing is new, learning would take it to nothing.
    """

    occupied: Tensor
    log_share: Tensor

    def __init__(self, column: Column, scale: Scale) -> None:
        super().__init__()
        self.scale = scale
        self.played = column.played
        distinct = len(column.occupied)
        self.novel = distinct / (column.events + distinct)
        share = torch.tensor(column.counts, dtype=torch.float64) / column.events
        self.register_buffer("occupied", torch.tensor(column.occupied), persistent=False)
        self.register_buffer("log_share", share.log(), persistent=False)

    def log_prob(self, index: Tensor, lower: Tensor, upper: Tensor, tilt: Tensor | None = None) -> Tensor:
        """Return ln H of bins.

        Args:
            index: Positions of the bins, shape (...).
            lower: Where they begin on the scale.
            upper: Where they end.
            tilt: Logits added to those of the occupied bins, shape (..., distinct).
        """
        place = torch.searchsorted(self.occupied, index.contiguous()).clamp_max(len(self.occupied) - 1)
        if tilt is None:
            seen = self.log_share[place]
        else:
            shape = torch.broadcast_shapes(place.shape, tilt.shape[:-1])
            shares = self.tilted(tilt).expand(*shape, -1)
            seen = shares.gather(-1, place.expand(shape)[..., None])[..., 0]
        seen = seen.masked_fill(self.occupied[place] != index, -torch.inf) + math.log(1 - self.novel)
        return torch.logaddexp(seen, self._log_new(index, lower, upper).to(seen.dtype))

    def tilted(self, tilt: Tensor) -> Tensor:
        """Return ln of the occupied bins' shares with logits added, shape (..., distinct)."""
        return (self.log_share.to(tilt.dtype) + tilt).log_softmax(-1)

    def _log_new(self, index: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        low, high = self.occupied[0], self.occupied[-1]
        even = ((index >= low) & (index <= high)).double() / (high - low + 1)
        smooth = log_logistic(lower / SPREAD, upper / SPREAD, (upper - lower) / SPREAD).exp()
        return ((even + smooth) * (self.novel / 2)).log()


def log_logistic(a: Tensor, b: Tensor, width: Tensor) -> Tensor:
    """Return ln(σ(b) − σ(a)) as ln of σ(b) σ(−a) (1 − e^−width), width = b − a, which is exact in the tails too."""
    return F.logsigmoid(b) + F.logsigmoid(-a) + (-torch.expm1(-width.clamp_min(NARROW))).log()
