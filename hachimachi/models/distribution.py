"""What every head is, and the distribution of the next event that it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hachimachi.models.sampling import Sampling
from hachimachi.models.stepping import Vector


class Distribution(ABC):
    """The distribution of an event, D columns wide, for a batch of any shape.

    Probabilities are those of the stated grid over the stated support. The columns are taken one after the other:
    the probability of an event is the product of each column's, given the columns before it in the head's order.
    """

    @abstractmethod
    def log_prob(self, rows: Tensor) -> Tensor:
        """Return ln P of each column given the past and the columns before it.

        Args:
            rows: Raw float64 values, shape (..., D). What is not known (NaN) costs nothing.

        Returns:
            Shape (..., D), in the weights' precision.
        """

    @abstractmethod
    def table(self, column: int, rows: Tensor, *, playable: bool = False) -> Tensor:
        """Return the probabilities of all bins of a column, shape (..., bins).

        Args:
            column: Which one.
            rows: The other columns, shape (..., D), as far as they are given; NaN where not. Only what is given counts.
            playable: Leave out what is never played whatever is asked, the floor and unknown categories.
        """


class EventSampler(ABC):
    """Draws single events from the distributions of a head, fast."""

    @abstractmethod
    def sample(self, hidden: Vector, last: Sequence[float], sampling: Sampling, random: Random) -> NDArray[np.float64]:
        """Draw an event, raw values of shape (D,).

        Args:
            hidden: What the head foretells from, float32, shape (H,); it is not written to.
            last: The raw values of the last event heard, NaN where there was none.
            sampling: How to draw.
            random: Where random numbers come from.
        """


class Head(nn.Module, ABC):
    """Hidden vector → distribution of the next event.

    ``order`` holds the positions of the columns, the first to be foretold first.
    """

    order: tuple[int, ...]

    @abstractmethod
    def forward(self, hidden: Tensor) -> Distribution:
        """Return the distribution that follows hidden vectors of shape (..., H)."""

    @abstractmethod
    def start_at(self, rows: Tensor) -> None:
        """Set the biases so that the untrained head gives about the marginals of raw events, shape (N, D)."""

    @abstractmethod
    def shrink(self, shares: Sequence[float]) -> bool:
        """Take each of D columns back towards the marginals, keeping a share of what was learned; return if it can."""

    @abstractmethod
    def sampler(self) -> EventSampler:
        """Return what draws from the head as it is now."""
