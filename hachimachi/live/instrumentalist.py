"""What playing asks of a model, and no more: anything of this shape can be played, a fake in a test too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import Column
from hachimachi.events import Feature
from hachimachi.models.sampling import Sampling

if TYPE_CHECKING:
    from hachimachi.models.event_model import EventModel

Row = NDArray[np.float64]


class Instrumentalist(Protocol):
    """What a performer needs of a model; `hachimachi.models.step.Player` is one.

    A row is [dt, f0, f1, …] where ``temporal``, with dt NaN for a first event, else [f0, f1, …].
    """

    sampling: Sampling
    """How it draws; may be replaced between two events."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """The F features, in column order."""
        ...

    @property
    def columns(self) -> Sequence[Column]:
        """What a row holds: the inter-event time first where ``temporal``, then the features."""
        ...

    @property
    def temporal(self) -> bool:
        """Whether rows begin with the inter-event time in seconds."""
        ...

    @property
    def constants(self) -> Mapping[int, float]:
        """Column of a feature that had one value in training → that value."""
        ...

    def reset(self) -> None:
        """Go back to the learned start state."""
        ...

    def reseed(self, seed: int, /) -> None:
        """Begin the random numbers anew."""
        ...

    def hear(self, row: Row, /) -> None:
        """Advance the state by one event; unknown values are NaN."""
        ...

    def sample(self) -> Row:
        """Draw the next event from the present state, and leave the state as it is."""
        ...

    def fork(self, seed: int, /) -> Instrumentalist:
        """Return a model that has heard the same and goes on by itself, with random numbers of its own."""
        ...

    def remember(self) -> Any:
        """Return the state, to `recall` it later; it is never written to."""
        ...

    def recall(self, memory: Any, /) -> None:
        """Go back to a state."""
        ...


Playable: TypeAlias = "Instrumentalist | EventModel"


def as_instrumentalist(player: Playable) -> Instrumentalist:
    """Return who plays a model: itself, if it can already be played."""
    from hachimachi.models.event_model import EventModel
    from hachimachi.models.step import Player

    return Player(player) if isinstance(player, EventModel) else player
