"""Small data of every kind of column, and small models of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from hachimachi.events import EventSequence, Feature
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import one_thread

FEATURES = (
    Feature("pitch", kind="integer", min=0, max=127),
    Feature("level"),
    Feature("duration", masked=True),
    Feature("instrument", kind="categorical"),
)
Make = Callable[..., EventModel]


@pytest.fixture(scope="session", autouse=True)
def one_core() -> Iterator[None]:
    """Models this small are slower on two."""
    with one_thread():
        yield


@pytest.fixture(scope="session")
def events() -> EventSequence:
    """120 events: time with chords, whole, continuous (with an outlier), masked seconds, categories."""
    chance = np.random.default_rng(1)
    pitch = chance.integers(40, 80, 120)
    level = chance.normal(size=120) * 0.3
    level[7] = 4
    duration, instrument = chance.exponential(0.3, 120), chance.choice([0, 5, 128], 120)
    time = np.cumsum(chance.exponential(0.2, 120) * (chance.random(120) < 0.6))
    return EventSequence(FEATURES, np.column_stack([pitch, level, duration, instrument]).astype(float), time, "events")


@pytest.fixture(scope="session")
def rows(events: EventSequence) -> torch.Tensor:
    """The same as a batch of one, shape (1, 120, 5)."""
    return torch.from_numpy(events.rows())[None]


@pytest.fixture
def make(events: EventSequence) -> Make:
    """Build a small model; `wild` gives it random weights, far from where training starts."""

    def build(backbone: str = "gru", head: str = "mixture", *, wild: bool = True, dropout: float = 0.0) -> EventModel:
        torch.manual_seed(0)
        options = {"components": 3} if head == "mixture" else {"intervals": 5}
        model = build_model(
            [events], {"name": backbone, "size": 8, "dropout": dropout}, {"name": head, **options}
        ).eval()
        if wild:
            with torch.no_grad():
                for weight in model.parameters():
                    weight.add_(0.5 * torch.randn_like(weight))
        return model

    return build
