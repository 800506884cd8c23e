"""What every head is, and the distribution of the next event that it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hachimachi.player.numpy_backbones import Vector
from hachimachi.sampling import ColumnSampling, Numbers, Sampling


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


class Sampler(ABC):
    """Draws values of one column, from components with parameters of shape (K, P).

    It draws from the distribution that the emission of the same column states, with the floor left out, and categories
    never seen: both are there for what is heard.
    """

    @abstractmethod
    def draw(self, parameters: Sequence[float], random: Random) -> float:
        """Draw a value from one component as it is, shape (P,)."""

    def plays(self, value: float) -> bool:  # noqa: ARG002  (all that can be drawn, unless a sampler knows more)
        """Return whether a value is one that is played where nothing else is asked."""
        return True

    @abstractmethod
    def draw_among(self, parameters: Numbers, weights: Numbers, how: ColumnSampling, random: Random) -> float:
        """Draw a value from weighted components.

        Args:
            parameters: Of all components, shape (K, P).
            weights: Of the components, shape (K,); they sum to 1.
            how: How to draw.
            random: Where random numbers come from.
        """

    @abstractmethod
    def masses(self, parameters: Numbers, value: float) -> Numbers:
        """Return the probability of a value's bin under each component, shape (K,), with the floor."""


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
