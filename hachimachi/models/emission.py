"""What one component of a mixture says about one column."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from hachimachi.models.sampler import Sampler

FLOOR = 1e-5
"""Weight of the uniform distribution mixed into every column: no surprise costs more than ln(bins / FLOOR).

It is there for what is heard and is never played: among a thousand events it would throw in one at random."""


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
    def log_table(self, raw: Tensor, *, playable: bool = False) -> Tensor:
        """Return ln P of every bin under each component, shape (..., K, bins).

        Args:
            raw: The parameters.
            playable: Leave out what is never played, the floor and unknown categories.
        """

    @abstractmethod
    def sampler(self) -> Sampler:
        """Return what draws from components."""
