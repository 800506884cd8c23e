"""When a model that plays alone should have played, worked out beside it on a clock that stands still."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.live_probe import Probe, Seconds
from hachimachi.live.osc import Message, parse
from hachimachi.live.performer import Performer
from hachimachi.live.protocols import Address, Note, Row
from hachimachi.live.stage import load_playable, quick_steps
from hachimachi.sampling import Sampling


class Played(NamedTuple):
    """What was played, N events."""

    times: Seconds
    """When, shape (N,)."""
    rows: NDArray[np.float32]
    """Features as OSC carries them, shape (N, F)."""


class _Score:
    """A listener that writes down what is played."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.rows: list[Row] = []

    def began(self) -> None:
        """Nothing to write."""

    def heard(self, row: Row, at: float) -> None:
        """Nothing to write."""

    def released(self, note: Note, at: float) -> None:
        """Nothing to write."""

    def played(self, row: Row, at: float, asker: Address | None) -> None:  # noqa: ARG002  (the protocol has it)
        """Write it down."""
        self.times.append(at)
        self.rows.append(row)

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Nothing to write."""


def should_play(model: Path, seed: int, events: int) -> Played:
    """Return what `hxmx run --loop` plays with a seed when nothing is ever late, in seconds of a clock of its own."""
    score, now = _Score(), [1000.0]
    with quick_steps():
        player = load_playable(model, Sampling(), seed).player
        performer = Performer(player, [score], lambda: now[0], mode="loop")
        performer.reset()
        performer.start()
        while len(score.times) < events:
            deadline = performer.play()
            now[0] = max(now[0], deadline or 0.0)
    return Played(np.array(score.times[:events]), np.array(score.rows[:events], dtype=np.float32))


def listen(probe: Probe, seconds: float) -> Played:
    """Return what arrives in so many seconds."""
    arrived: list[tuple[float, bytes]] = []
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        packet = probe.receive(left)
        if packet is not None:
            arrived.append((time.perf_counter(), packet))
    read = [(at, message) for at, packet in arrived for message in parse(packet, at, 0.0)]
    outputs = [(at, one.values) for at, one in read if isinstance(one, Message) and one.route == "/output"]
    rows = np.array([values for _, values in outputs], dtype=np.float32)
    return Played(np.array([at for at, _ in outputs]), rows)


def lateness(heard: Played, due: Played) -> Seconds:
    """Return how much later than the most punctual one each output came, as far as both are the same.

    What the system takes to carry a packet is left out: the clocks have no common zero but the most punctual output.
    """
    count = min(len(heard.times), len(due.times))
    same = (heard.rows[:count] == due.rows[:count]).all(axis=1)
    count = count if same.all() else int(same.argmin())
    late = heard.times[:count] - due.times[:count]
    return late - late.min(initial=np.inf)


def drift(late: Seconds) -> float:
    """Return by how much outputs come later in the last fifth than in the first, in seconds."""
    fifth = max(len(late) // 5, 1)
    return float(np.median(late[-fifth:]) - np.median(late[:fifth]))
