"""What every head returns: the distribution of the next event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from hachimachi.errors import HachimachiError
from hachimachi.models.emission import draw

COLD = 1e-3
"""Below this temperature the most probable bin is taken."""


@dataclass(frozen=True)
class Sampling:
    """How to draw from a distribution.

    Args:
        temperature: Below 1 plays it safe, above 1 takes risks; towards 0 each feature takes its most probable bin.
            One number for all, or one by feature name (1 where not named).

    Raises:
        HachimachiError: A temperature that is not a number from 0 to 100.
    """

    temperature: float | Mapping[str, float] = field(default=1.0)

    def __post_init__(self) -> None:
        given = self.temperature
        for value in given.values() if isinstance(given, Mapping) else [given]:
            if not 0 <= value <= 100:
                raise HachimachiError(
                    f"temperature is {value}; expected a number from 0 to 100, 1 as the model learned it"
                )

    def temperature_of(self, name: str) -> float:
        """Return the temperature of one column."""
        return self.temperature.get(name, 1.0) if isinstance(self.temperature, Mapping) else self.temperature

    def draw_bin(self, table: Tensor, name: str, generator: torch.Generator | None) -> Tensor:
        """Draw the bins of one column from its probabilities, shape (..., bins) → (...)."""
        temperature = self.temperature_of(name)
        if temperature < COLD:
            return table.argmax(-1)
        log_p = table.double().log() / temperature
        return draw(log_p.softmax(-1), generator)


class Distribution(ABC):
    """The distribution of an event, D columns wide, for a batch of any shape.

    Probabilities are those of the stated grid over the stated support. The columns are taken one after the other:
    the probability of an event is the product of each column's, given the columns before it.
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
    def table(self, column: int, rows: Tensor) -> Tensor:
        """Return the probabilities of all bins of a column, shape (..., bins), given the columns before it in rows."""

    @abstractmethod
    def sample(self, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
        """Draw events: raw float64 values, shape (..., D)."""


class Head(nn.Module, ABC):
    """Hidden vector → distribution of the next event."""

    @abstractmethod
    def forward(self, hidden: Tensor) -> Distribution:
        """Return the distribution that follows hidden vectors of shape (..., H)."""

    @abstractmethod
    def start_at(self, rows: Tensor) -> None:
        """Set the biases so that the untrained head gives about the marginals of raw events, shape (N, D)."""
