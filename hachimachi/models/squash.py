"""Places far out on a scale, squashed so that no network is thrown by them, and back again."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LIMIT = 5.0
"""Up to so many standard deviations places stay as they are; beyond, they grow as a logarithm."""


def squash(places: Tensor) -> Tensor:
    """Return places with those beyond LIMIT moved in; their order and their distances near the middle stay."""
    away = places.abs()
    return torch.where(away <= LIMIT, places, places.sign() * (LIMIT + (away - LIMIT).clamp_min(0).log1p()))


def unsquash(squashed: Tensor) -> Tensor:
    """Return the places that :func:`squash` was given."""
    away = squashed.abs()
    return torch.where(away <= LIMIT, squashed, squashed.sign() * (LIMIT + (away - LIMIT).clamp_min(0).expm1()))


def squash_one(place: float) -> float:
    """Return :func:`squash` of one place, in plain numbers."""
    away = abs(place)
    return place if away <= LIMIT else math.copysign(LIMIT + math.log1p(away - LIMIT), place)


def unsquash_one(squashed: float) -> float:
    """Return :func:`unsquash` of one place, in plain numbers."""
    away = abs(squashed)
    return squashed if away <= LIMIT else math.copysign(LIMIT + math.expm1(min(away - LIMIT, 700.0)), squashed)
