"""What draws single columns from a mixture's components."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

from hachimachi.models.sampling import ColumnSampling, Numbers


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
