"""What one component of a mixture says about one column."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

FLOOR = 1e-3
"""Weight of the uniform distribution mixed into every column: no surprise costs more than ln(bins / FLOOR)."""


class Emission(nn.Module, ABC):
    """Distributions over the bins of one column, K components at a time.

    Parameters come as a tensor of shape (..., K, P), P being ``size``.
    """

    size: int

    @abstractmethod
    def initial(self, values: Tensor) -> Tensor:
        """Return parameters, shape (K, P), with which K components together give about the training histogram.

        Args:
            values: K raw values from the training data, for components that need a place of their own.
        """

    @abstractmethod
    def log_prob(self, raw: Tensor, values: Tensor) -> Tensor:
        """Return ln P of values (...) under each component, shape (..., K); 0 where a value is NaN."""

    @abstractmethod
    def log_table(self, raw: Tensor) -> Tensor:
        """Return ln P of every bin under each component, shape (..., K, bins)."""

    @abstractmethod
    def sample(self, raw: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw raw values (...), float64, from one component each, with parameters of shape (..., P)."""

    @abstractmethod
    def place(self, raw: Tensor, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw raw values (...) inside the bins at index, from one component each, with parameters (..., P)."""


def uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return uniform numbers strictly between 0 and 1, float64, in the shape of a tensor."""
    numbers = torch.rand(like.shape, generator=generator, device=like.device, dtype=torch.float64)
    return numbers.clamp(1e-12, 1 - 1e-12)


def draw(probabilities: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw positions along the last dimension; probabilities need not sum to 1."""
    rising = probabilities.cumsum(-1)
    threshold = uniform(rising[..., 0], generator)[..., None] * rising[..., -1:]
    return torch.searchsorted(rising, threshold.to(rising.dtype))[..., 0].clamp_max(rising.shape[-1] - 1)
