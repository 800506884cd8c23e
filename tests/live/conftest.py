"""A model and a clock under control, and what plays them: a performer, or instruments with all that they send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage

from hachimachi.columns import Column, UniformGrid
from hachimachi.events import TIME, Feature
from hachimachi.live.instrument import Ensemble, Instrument, LoadedModel
from hachimachi.live.osc import OscListener, Wire, encode
from hachimachi.live.performer import Performer
from hachimachi.sampling import Sampling

LATENCY = 0.0037
NOTE = (Feature("pitch"), Feature("velocity"), Feature("duration", masked=True))


class FakePlayer:
    """Predicts a rising pitch, each `dt` after the one before; remembers what it heard."""

    hears_masked = False
    encoder = SimpleNamespace(clock=None)

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
        self.sampling = Sampling()
        self.seeds: list[int] = []
        self.heard: list[list[float]] = []
        self.resets = 0
        self.samples = 0
        self.moment = (0.0, -1)
        self.broken = 0
        """How many of the next predictions are not numbers."""
        self._dts = iter(dts)
        self._dt = dt

    @property
    def columns(self) -> list[Column]:
        return [make_column(TIME)] * self.temporal + [make_column(feature.name) for feature in self.features]

    def reset(self) -> None:
        self.resets += 1
        self.heard = []
        self.moment = (0.0, -1)

    def reseed(self, seed: int) -> None:
        self.seeds.append(seed)

    def observe(self, row: np.ndarray) -> None:
        assert row.shape == (len(self.features) + self.temporal,)
        self.heard.append(row.tolist())
        timed = self.temporal and self.moment[1] >= 0 and row[0] == row[0]
        self.moment = self.moment[0] + (row[0] if timed else 0.0), self.moment[1] + 1

    def sample(self) -> np.ndarray:
        self.samples += 1
        values = [60.0 + self.samples % 60, 0.1 * (self.samples % 7), 0.3][: len(self.features)]
        if self.broken:
            self.broken -= 1
            values[0] = float("nan")
        return np.array([next(self._dts, self._dt), *values] if self.temporal else values)

    def fork(self, seed: int) -> FakePlayer:
        twin = FakePlayer(self.temporal, self.features, self.constants, dt=self._dt)
        twin.seeds, twin.heard = [seed], list(self.heard)
        return twin

    def remember(self) -> list[list[float]]:
        return list(self.heard)

    def recall(self, memory: list[list[float]]) -> None:
        self.heard = list(memory)


def make_column(name: str) -> Column:
    """A column of anything from 0 to 127; what was learned does not matter here."""
    return Column(Feature(name, "integer", resolution=1), UniformGrid(1.0, 0, 127), tuple(range(128)), (1.0,) * 128)


class FakeClock:
    """Stands still until moved."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class RecordingListener:
    """Keeps what it is called with."""

    def __init__(self) -> None:
        self.began_count = 0
        self.heard_rows: list[tuple[float, list[float]]] = []
        self.played_rows: list[tuple[float, list[float]]] = []
        self.askers: list[object] = []
        self.ends: list[tuple[float, int, bool]] = []
        self.releases: list[tuple[float, int]] = []

    def began(self) -> None:
        self.began_count += 1

    def heard(self, row, at) -> None:
        self.heard_rows.append((at, row.tolist()))

    def released(self, note, at) -> None:
        self.releases.append((at, note.pitch))

    def played(self, row, at, asker) -> None:
        self.played_rows.append((at, row.tolist()))
        self.askers.append(asker)

    def ended(self, note, at, early) -> None:
        self.ends.append((at, note.pitch, early))


class Stage:
    """A performer, its clock, and what was heard of it: (scheduled, values)."""

    def __init__(self, player, clock, **options) -> None:
        self.player, self.clock, self.listener = player, clock, RecordingListener()
        self.performer = Performer(player, [self.listener], clock, **options)
        self.played = self.listener.played_rows

    def until_next(self) -> tuple[float, list[float]]:
        """Let time pass until something sounds."""
        count = len(self.played)
        deadline = self.performer.play()
        while len(self.played) == count:  # else it was due already
            assert deadline is not None
            if deadline > self.clock.now:
                self.clock.now = deadline + LATENCY / 2
            deadline = self.performer.play()
        assert len(self.played) == count + 1
        return self.played[-1]

    def settle(self) -> float | None:
        """Play what is due and let it draw ahead as far as it will; return the next deadline."""
        for _ in range(100):
            deadline = self.performer.play()
            if deadline is None or deadline > self.clock.now:
                return deadline
        return self.performer.next

    def wait(self, seconds: float) -> None:
        """Let time pass, and play whatever is due meanwhile, each at its time."""
        end = self.clock.now + seconds
        while (deadline := self.settle()) is not None and deadline <= end:
            self.clock.now = max(self.clock.now, deadline)
        self.clock.now = end
        self.performer.play()


class Bench:
    """Instruments on a clock that is moved by hand, with all that they send and say."""

    def __init__(self, players, clock, begin=False, names=("lead", "bass"), standbys=(), **options) -> None:
        self.players, self.clock = players, clock
        self.player = players[0]
        self.sent: list[list[object]] = []
        self.asked: list[object] = []
        self.said: list[str] = []
        self.wire = Wire(self._send, self.said.append, clock)
        note_offs = options.pop("note_offs", False)
        primers = options.pop("primers", {})
        self.instruments = []
        for number, (player, name) in enumerate(zip(players, names, strict=False), 1):
            prefix = f"/{number}" if len(players) > 1 else ""
            listener = OscListener(self.wire, prefix, note_offs=note_offs, clock=clock, wall=clock)
            model = LoadedModel(name, player, primers)
            instrument = Instrument(model, self.wire, [listener], clock, prefix=prefix, standbys=standbys, **options)
            self.instruments.append(instrument)
        self.instrument = self.instruments[0]
        self.performer = self.instrument.performer
        self.ensemble = Ensemble(self.instruments, self.wire, clock, clock, begin=begin)

    def _send(self, packet: bytes, to: object) -> None:
        message = OscMessage(packet)
        self.sent.append([message.address, *message.params])
        self.asked.append(to)

    def hear(self, route: str, *values: float | str, sender=None) -> None:
        self.ensemble.receive(encode(route, *values), sender)

    def ask(self, route: str, *values: float | str) -> list[list[object]]:
        """Send a message and return what is answered."""
        before = len(self.sent)
        self.hear(route, *values)
        return self.sent[before:]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and play whatever is due meanwhile, each at its time."""
        end = self.clock.now + seconds
        for _ in range(100):
            deadline = self.ensemble.turn()
            if deadline is None or deadline > end:
                break
            self.clock.now = max(self.clock.now, deadline)
        self.clock.now = max(self.clock.now, end)

    def outputs(self) -> int:
        return sum(message[0] == "/output" for message in self.sent)


@pytest.fixture(scope="session")
def fake_player() -> type[FakePlayer]:
    return FakePlayer


@pytest.fixture(scope="session")
def fake_clock() -> type[FakeClock]:
    return FakeClock


@pytest.fixture
def stage(fake_player, fake_clock):
    return lambda player=None, **options: Stage(player or fake_player(), fake_clock(), **options)


@pytest.fixture
def bench(fake_player, fake_clock):
    return lambda *players, **options: Bench(players or (fake_player(),), fake_clock(), **options)


@pytest.fixture(scope="session")
def bench_class() -> type[Bench]:
    return Bench
