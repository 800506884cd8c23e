"""Playing a model one event at a time."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hachimachi.columns import Column
from hachimachi.events import Feature
from hachimachi.models.event_model import EventModel
from hachimachi.player.numpy_backbones import Vector, as_array
from hachimachi.player.polyphony import Voices
from hachimachi.sampling import Sampling, choose_sampling


class Player:
    """A model being played: it hears rows and foretells the next, and keeps the state in between.

    A row holds float64 values, shape (D,): the inter-event time first where the model knows time, then the features.

    Args:
        model: The model; it is set to evaluation.
        seed: Where the random numbers start; ``None`` for a different start each time.
        temperature: See :class:`~hachimachi.sampling.Sampling`.
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
        self.temporal = model.temporal
        """Whether rows begin with an inter-event time."""
        self.sampling = choose_sampling(temperature, sampling)
        self.sampling.check(model.columns)
        self.voices = Voices(model.columns)
        self.random = Random(seed)
        self.encoder, self.stepper, self.sampler = RowEncoder(model), model.backbone.stepper(), model.head.sampler()
        self.first = as_array(model.beginning(1)[0][0])
        self.reset()

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of an event, time left out."""
        return self.model.features

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the model knows of each value of a row, D of them, time included."""
        return self.model.columns

    @property
    def constants(self) -> dict[int, float]:
        """Features that had one value only in training, by position, and the value."""
        columns = self.model.columns[self.temporal :]
        return {i: c.constant for i, c in enumerate(columns) if c.constant is not None}

    def reset(self) -> None:
        """Go back to the learned start state."""
        self.voices.left = ()
        self._listen(self.first, [math.nan] * len(self.model.columns), self.stepper.initial_state())

    def observe(self, row: NDArray[np.float64]) -> None:
        """Take in one event; NaN stands for what is not known."""
        values = row.tolist()
        self.voices.observe(values)
        self._listen(self.encoder(values), values, self.state.backbone)

    def sample(self) -> NDArray[np.float64]:
        """Draw a next event; the state stays as it is."""
        state = self.state
        return self.sampler.sample(state.hidden, state.last, self.voices.limit(self.sampling), self.random)

    def reseed(self, seed: int | None) -> None:
        """Start the random numbers anew; ``None`` for a different start each time."""
        self.random.seed(seed)

    def remember(self) -> Memory:
        """Return what was heard so far, to come back to with :meth:`recall`."""
        return Memory(self.state, self.voices.left)

    def recall(self, memory: Memory) -> None:
        """Go back to what was heard when a memory of this model was taken; sampling and random numbers stay as they
        are."""
        self.state, self.voices.left = memory

    def fork(self, seed: int | None) -> Player:
        """Return a player that has heard the same and goes on by itself, with random numbers of its own."""
        twin = copy.copy(self)  # states are never written to, and what else is shared holds nothing between two calls
        twin.voices, twin.random = copy.copy(self.voices), Random(seed)
        return twin

    def _listen(self, heard: Vector, last: Sequence[float], state: Any) -> None:
        hidden, state = self.stepper.step(heard, state)
        self.state = PlayerState(last, np.concatenate((hidden, heard)), state)


class PlayerState(NamedTuple):
    """What a player has heard, as far as the model needs it to go on. Never written to, so forks share it."""

    last: Sequence[float]
    """The raw values of the last event, shape (D,), NaN where there was none."""
    hidden: Vector
    """What the head foretells from: the backbone's hidden vector and the last encoded event, shape (H + E,)."""
    backbone: Any
    """The state of the backbone's :class:`~hachimachi.player.numpy_backbones.Stepper`."""


class Memory(NamedTuple):
    """What a player has heard, the notes that sound included. Never written to, and of use to every player of the same
    model."""

    state: PlayerState
    left: tuple[float, ...]
    """For how many seconds each note that sounds goes on after the last event."""


class RowEncoder:
    """Does for one row, in NumPy, what :class:`~hachimachi.models.encoder.Encoder` does for many."""

    def __init__(self, model: EventModel) -> None:
        parts, sizes = model.encoder.parts, [part.size for part in model.encoder.parts]
        self.encoded = np.full(model.encoder.size, float(model.encoder.mark), np.float32)
        slots = np.split(self.encoded, np.cumsum(sizes).tolist())  # views; the mark is left over
        self.parts = [(part.place, part.writer(slot)) for part, slot in zip(parts, slots, strict=False)]

    def __call__(self, values: Sequence[float]) -> Vector:
        """Encode raw values, D of them, as a new vector, shape (E,)."""
        for place, write in self.parts:
            write(values[place])
        return self.encoded.copy()  # a backbone may keep it


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread: the steps of playing are too small to share, and waiting for another core costs far more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
