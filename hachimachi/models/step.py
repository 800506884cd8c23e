"""Playing a model one event at a time."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hachimachi.events import Feature
from hachimachi.models.distribution import Sampling
from hachimachi.models.event_model import EventModel


class Player:
    """A model being played: it hears rows and foretells the next, and keeps the state in between.

    A row holds float64 values, shape (D,): the inter-event time first where the model knows time, then the features.

    Args:
        model: The model; it is set to evaluation.
        seed: Where the random numbers start; ``None`` for a different start each time.
        temperature: See :class:`~hachimachi.models.distribution.Sampling`.
    """

    def __init__(self, model: EventModel, seed: int | None = 0, temperature: float | dict[str, float] = 1.0) -> None:
        self.model = model.eval()
        self.sampling = Sampling(temperature)
        self.generator = torch.Generator()
        self.generator.seed() if seed is None else self.generator.manual_seed(seed)
        self.reset()

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of an event, time left out."""
        return self.model.features

    @property
    def temporal(self) -> bool:
        """Whether rows begin with an inter-event time."""
        return self.model.temporal

    @property
    def constants(self) -> dict[int, float]:
        """Features that had one value only in training, by position, and the value."""
        columns = self.model.columns[self.temporal :]
        return {i: c.constant for i, c in enumerate(columns) if c.constant is not None}

    @torch.inference_mode()
    def reset(self) -> None:
        """Go back to the learned start state."""
        self.distribution, self.state = self.model.start()

    @torch.inference_mode()
    def hear(self, row: NDArray[np.float64]) -> None:
        """Take in one event; NaN stands for what is not known."""
        self.distribution, self.state = self.model.step(torch.from_numpy(row)[None], self.state)

    @torch.inference_mode()
    def sample(self) -> NDArray[np.float64]:
        """Draw a next event; the state stays as it is."""
        return self.distribution.sample(self.sampling, self.generator)[0].numpy()
