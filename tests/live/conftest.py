"""A model and a clock that do as they are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pytest

from hachimachi.events import Feature
from hachimachi.live.performer import Performer

LATENCY = 0.0037
NOTE = (Feature("pitch"), Feature("velocity"), Feature("duration", masked=True))


class FakePlayer:
    """Predicts a rising pitch, each `dt` after the one before; remembers what it heard."""

    def __init__(
        self,
        temporal: bool = True,
        features: tuple[Feature, ...] = NOTE,
        constants: Mapping[int, float] | None = None,
        dts: Iterable[float] = (),
        dt: float = 0.25,
    ) -> None:
        self.features = features
        self.temporal = temporal
        self.constants = dict(constants or {})
        self.heard: list[list[float]] = []
        self.resets = 0
        self.samples = 0
        self._dts = iter(dts)
        self._dt = dt

    def reset(self) -> None:
        self.resets += 1
        self.heard = []

    def hear(self, row: np.ndarray) -> None:
        assert row.shape == (len(self.features) + self.temporal,)
        self.heard.append(row.tolist())

    def sample(self) -> np.ndarray:
        self.samples += 1
        values = [60.0 + self.samples % 60, 0.1 * (self.samples % 7), 0.3][: len(self.features)]
        return np.array([next(self._dts, self._dt), *values] if self.temporal else values)


class FakeClock:
    """Stands still until moved."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def fake_player() -> type[FakePlayer]:
    return FakePlayer


@pytest.fixture(scope="session")
def fake_clock() -> type[FakeClock]:
    return FakeClock


class Stage:
    """A performer, its clock, and what was heard of it: (scheduled, values)."""

    def __init__(self, player, clock, **options) -> None:
        self.player, self.clock = player, clock
        self.played: list[tuple[float, list[float]]] = []
        self.performer = Performer(
            player, lambda values, at: self.played.append((at, values.tolist())), clock, **options
        )

    def until_next(self) -> tuple[float, list[float]]:
        count = len(self.played)
        deadline = self.performer.play()
        if len(self.played) == count:  # else it was due already
            assert deadline is not None
            self.clock.now = max(self.clock.now, deadline) + LATENCY / 2
            self.performer.play()
        assert len(self.played) == count + 1
        return self.played[-1]


@pytest.fixture
def stage(fake_player, fake_clock):
    return lambda player=None, **options: Stage(player or fake_player(), fake_clock(), **options)
