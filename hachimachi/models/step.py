"""Playing a model one event at a time."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hachimachi.events import Feature
from hachimachi.models.backbone import State
from hachimachi.models.event_model import EventModel
from hachimachi.models.polyphony import Voices
from hachimachi.models.sampling import Sampling, choose_sampling


class Player:
    """A model being played: it hears rows and foretells the next, and keeps the state in between.

    A row holds float64 values, shape (D,): the inter-event time first where the model knows time, then the features.

    Args:
        model: The model; it is set to evaluation.
        seed: Where the random numbers start; ``None`` for a different start each time.
        temperature: See :class:`~hachimachi.models.sampling.Sampling`.
        sampling: All there is to say of how to draw, in place of a temperature alone; it may be replaced at any time by
            one that has been checked against the model's columns.

    Raises:
        HachimachiError: A temperature and a sampling, or what the model cannot play.
    """

    def __init__(
        self,
        model: EventModel,
        seed: int | None = 0,
        temperature: float | Mapping[str, float] = 1.0,
        sampling: Sampling | None = None,
    ) -> None:
        self.model = model.eval()
        self.sampling = choose_sampling(temperature, sampling)
        self.sampling.check(model.columns)
        self.voices = Voices(model.columns)
        self.random = Random(seed)
        self.encoder = RowEncoder(model)
        self.sampler = model.head.sampler()
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
        self.last = [math.nan] * len(self.model.columns)
        self.voices.left = ()
        self._listen(*self.model.beginning(1))

    @torch.inference_mode()
    def hear(self, row: NDArray[np.float64]) -> None:
        """Take in one event; NaN stands for what is not known."""
        self.last = row.tolist()
        self.voices.hear(self.last)
        self._listen(self.encoder(row), self.state)

    @torch.inference_mode()
    def sample(self) -> NDArray[np.float64]:
        """Draw a next event; the state stays as it is."""
        return self.sampler.sample(self.hidden, self.last, self.voices.limit(self.sampling), self.random)

    def fork(self, seed: int | None) -> Player:
        """Return a player that has heard the same and goes on by itself, with random numbers of its own."""
        twin = copy.copy(self)
        twin.voices, twin.random = copy.copy(self.voices), Random(seed)
        return twin

    def _listen(self, heard: Tensor, state: State) -> None:
        hidden, self.state = self.model.listen(heard, state)
        self.hidden = hidden[0]


class RowEncoder:
    """Does for one row, in plain numbers, what :class:`~hachimachi.models.encoder.Encoder` does for many."""

    def __init__(self, model: EventModel) -> None:
        self.size, self.dtype = model.encoder.size, model.first.dtype
        self.parts = [part.for_one_row() for part in model.encoder.parts]

    def __call__(self, row: NDArray[np.float64]) -> Tensor:
        """Encode raw values of shape (D,) as shape (1, E)."""
        encoded: list[float] = []
        values = row.tolist()
        for part in self.parts:
            encoded += part(values)
        return torch.tensor([encoded], dtype=self.dtype)
