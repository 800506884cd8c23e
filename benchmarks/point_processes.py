"""Point processes whose likelihood is known: simulated by exact methods, and what their events cost at the least.

The seven standard ones are those of Omi, Ueda & Aihara (2019, arXiv:1905.09690), with the parameters that Shchur et al.
(2020, arXiv:2006.12631) gave them on a window of 100 units of time. With tᵢ the events and λ(t) their intensity, given
all before t:

    stationary Poisson      λ = 1
    inhomogeneous Poisson   λ(t) = 1 + 0.99 sin(2πt / 100)
    stationary renewal      tᵢ − tᵢ₋₁ is log-normal, of mean 1 and standard deviation 6
    modulated renewal       M(tᵢ) − M(tᵢ₋₁) is gamma, of shape 4 and mean 1; M' is the rate of the inhomogeneous Poisson
    self-correcting         λ(t) = exp(t − number of events before t)
    Hawkes-1                λ(t) = 0.2 + 0.8 Σ exp(−(t − tᵢ))
    Hawkes-2                λ(t) = 0.2 + 0.4 Σ exp(−(t − tᵢ)) + 0.4 · 20 Σ exp(−20 (t − tᵢ))

The eighth has three kinds of event that excite each other. All begin at 0 as if a first event were there.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hachimachi import io
from hachimachi.events import EventSequence, Feature
from hachimachi.io.atomic import replacing

Array = NDArray[np.float64]
WINDOW = 100.0
"""Units of time that a sequence is observed for."""
PARTS = {"train": 600, "valid": 200, "test": 200}
"""Sequences of each part."""
SEED = 0
"""Seed of the data, the same for every model."""


class Events(NamedTuple):
    """Events of one sequence: times, ascending, and kinds from 0; both of shape (N,)."""

    time: Array
    kind: NDArray[np.int64]


class PointProcess(ABC):
    """A process that can be simulated and whose likelihood can be computed."""

    kinds = 1
    """Number of kinds of event."""

    @abstractmethod
    def simulate(self, random: np.random.Generator, window: float) -> Events:
        """Draw the events from 0 to the end of the window."""

    @abstractmethod
    def intensity(self, at: Array, events: Events) -> Array:
        """Return the intensity of each kind at times, given the events before each, shape (times, kinds)."""

    @abstractmethod
    def compensator(self, events: Events, window: float) -> Array:
        """Return the integral of the intensity of all kinds from each event, or 0, to the next, shape (N + 1,).

        The last one reaches from the last event to the end of the window.
        """

    def nll(self, events: Events, window: float) -> Array:
        """Return −ln p of the time and the kind of each event, given all before it, in nats, shape (N,).

        The last compensator, that nothing more happens up to the end of the window, is in none of them.
        """
        intensity = self.intensity(events.time, events)[np.arange(len(events.time)), events.kind]
        return self.compensator(events, window)[:-1] - np.log(intensity)


def _since(at: Array, events: Events) -> Array:
    """Return the time of the last event before each time, 0 where there is none."""
    return np.concatenate([[0.0], events.time])[np.searchsorted(events.time, at)]


@dataclass(frozen=True)
class ModulatedRenewal(PointProcess):
    """A renewal process of gamma intervals on a clock that runs faster and slower.

    Shape 1 is a Poisson process, amplitude 0 a clock that runs evenly.

    Args:
        shape: Shape of the gamma distribution, a whole number; its mean is 1.
        amplitude: How much the clock's pace swings around 1, below 1.
        period: Time of one swing.
    """

    shape: int = 1
    amplitude: float = 0.0
    period: float = WINDOW

    def pace(self, at: Array) -> Array:
        """Return how fast the clock runs."""
        return 1 + self.amplitude * np.sin(2 * np.pi * at / self.period)

    def clock(self, at: Array) -> Array:
        """Return what the clock shows, the integral of its pace."""
        turn = 2 * np.pi / self.period
        return at + self.amplitude * (1 - np.cos(turn * at)) / turn

    def simulate(self, random: np.random.Generator, window: float) -> Events:
        """Draw intervals on the clock, and find by bisection when it shows them."""
        end, shown = float(self.clock(np.array(window))), np.zeros(0)
        while not len(shown) or shown[-1] < end:
            more = random.gamma(self.shape, 1 / self.shape, 64).cumsum()
            shown = np.concatenate([shown, more + (shown[-1] if len(shown) else 0.0)])
        shown = shown[shown < end]
        low, high = np.zeros(len(shown)), np.full(len(shown), window)
        for _ in range(60):  # as near as floats lie
            middle = (low + high) / 2
            late = self.clock(middle) > shown
            low, high = np.where(late, low, middle), np.where(late, middle, high)
        return Events(high, np.zeros(len(high), np.int64))

    def _terms(self, x: Array) -> Array:
        """Return xʲ / j! for j below the shape; e⁻ˣ times their sum is the probability of a longer interval."""
        powers = np.arange(self.shape)
        return x[..., None] ** powers / np.array([math.factorial(j) for j in powers.tolist()])

    def intensity(self, at: Array, events: Events) -> Array:
        """Return the hazard of the interval so far, at the clock's pace."""
        terms = self._terms(self.shape * (self.clock(at) - self.clock(_since(at, events))))
        return (self.shape * self.pace(at) * terms[..., -1] / terms.sum(-1))[:, None]

    def compensator(self, events: Events, window: float) -> Array:
        """Return the cumulative hazard of each interval."""
        x = self.shape * np.diff(self.clock(np.concatenate([[0.0], events.time, [window]])))
        return x - np.log(self._terms(x).sum(-1))


@dataclass(frozen=True)
class LognormalRenewal(PointProcess):
    """A renewal process of log-normal intervals with this mean and standard deviation."""

    mean: float = 1.0
    deviation: float = 6.0

    @property
    def _log(self) -> tuple[float, float]:
        """Mean and standard deviation of an interval's logarithm."""
        variance = math.log(1 + (self.deviation / self.mean) ** 2)
        return math.log(self.mean) - variance / 2, variance**0.5

    def simulate(self, random: np.random.Generator, window: float) -> Events:
        """Draw intervals until the window is full."""
        time = np.zeros(1)
        while time[-1] < window:
            time = np.concatenate([time, time[-1] + random.lognormal(*self._log, 64).cumsum()])
        time = time[1:][time[1:] < window]
        return Events(time, np.zeros(len(time), np.int64))

    def _survival(self, z: Array) -> Array:
        return np.array([math.erfc(each / 2**0.5) / 2 for each in z.tolist()])

    def intensity(self, at: Array, events: Events) -> Array:
        """Return the hazard of the interval so far."""
        (mean, deviation), interval = self._log, at - _since(at, events)
        z = (np.log(interval) - mean) / deviation
        density = np.exp(-(z**2) / 2) / (interval * deviation * (2 * np.pi) ** 0.5)
        return (density / self._survival(z))[:, None]

    def compensator(self, events: Events, window: float) -> Array:
        """Return the cumulative hazard of each interval."""
        mean, deviation = self._log
        intervals = np.diff(np.concatenate([[0.0], events.time, [window]]))
        return -np.log(self._survival((np.log(intervals) - mean) / deviation))


@dataclass(frozen=True)
class SelfCorrecting(PointProcess):
    """The intensity grows exponentially at a rate, and falls by a factor exp(drop) with each event."""

    rate: float = 1.0
    drop: float = 1.0

    def simulate(self, random: np.random.Generator, window: float) -> Events:
        """Draw each compensator, which is a unit exponential, and solve it for the time."""
        time: list[float] = []
        now = 0.0
        while True:
            started = math.exp(self.rate * now - self.drop * len(time))
            now += math.log1p(self.rate * random.exponential() / started) / self.rate
            if now >= window:
                return Events(np.array(time), np.zeros(len(time), np.int64))
            time.append(now)

    def intensity(self, at: Array, events: Events) -> Array:
        """Return exp(rate · t − drop · number of events before t)."""
        return np.exp(self.rate * at - self.drop * np.searchsorted(events.time, at))[:, None]

    def compensator(self, events: Events, window: float) -> Array:
        """Return the integral of the exponential between events."""
        edges, before = np.concatenate([[0.0], events.time, [window]]), np.arange(len(events.time) + 1)
        begun, ended = (np.exp(self.rate * edge - self.drop * before) for edge in (edges[:-1], edges[1:]))
        return (ended - begun) / self.rate


class Hawkes(PointProcess):
    """Each event excites events of all kinds, by sums of exponentials.

    Args:
        base: Intensity of each kind without events, shape (K,).
        weights: Mean number of events that an event causes, by exponential, kind caused and kind that causes, shape
            (J, K, K).
        decays: Rate of decay of each exponential, shape (J,).
    """

    def __init__(self, base: ArrayLike, weights: ArrayLike, decays: ArrayLike) -> None:
        self.base, self.weights, self.decays = (np.asarray(each, np.float64) for each in (base, weights, decays))
        self.kinds = len(self.base)

    @property
    def mean_rate(self) -> Array:
        """Events of each kind in a unit of time once the process is stationary, shape (K,)."""
        return np.linalg.solve(np.eye(self.kinds) - self.weights.sum(0), self.base)

    def simulate(self, random: np.random.Generator, window: float) -> Events:
        """Draw what comes by itself, then what each generation causes (Hawkes & Oakes 1974)."""
        counts = random.poisson(self.base * window)
        time, kind = random.uniform(0, window, counts.sum()), np.repeat(np.arange(self.kinds), counts)
        generations = [(time, kind)]
        while len(time):
            children = []
            for weights, decay in zip(self.weights, self.decays, strict=True):
                caused = random.poisson(weights[:, kind].T)  # (parents, K)
                born = np.repeat(time, caused.sum(1)) + random.exponential(1 / decay, caused.sum())
                children.append((born, np.repeat(np.tile(np.arange(self.kinds), len(time)), caused.ravel())))
            time, kind = (np.concatenate(each) for each in zip(*children, strict=True))
            time, kind = time[time < window], kind[time < window]
            generations.append((time, kind))
        time, kind = (np.concatenate(each) for each in zip(*generations, strict=True))
        order = np.argsort(time)
        return Events(time[order], kind[order])

    def intensity(self, at: Array, events: Events) -> Array:
        """Return the base and what is left of each excitation."""
        ago = at[:, None] - events.time  # (times, N)
        found = np.broadcast_to(self.base, (len(at), self.kinds)).copy()
        for weights, decay in zip(self.weights, self.decays, strict=True):
            left = np.where(ago > 0, decay * np.exp(-decay * np.maximum(ago, 0)), 0.0)
            found += left @ weights[:, events.kind].T
        return found

    def compensator(self, events: Events, window: float) -> Array:
        """Return differences of the integral from 0."""
        edges = np.concatenate([[0.0], events.time, [window]])
        ago, total = np.maximum(edges[:, None] - events.time, 0.0), self.base.sum() * edges
        for weights, decay in zip(self.weights, self.decays, strict=True):
            total += -np.expm1(-decay * ago) @ weights[:, events.kind].sum(0)
        return np.diff(total)


PROCESSES: dict[str, tuple[str, PointProcess]] = {
    "poisson": ("stationary Poisson", ModulatedRenewal()),
    "inhomogeneous": ("inhomogeneous Poisson", ModulatedRenewal(amplitude=0.99)),
    "renewal": ("stationary renewal", LognormalRenewal()),
    "modulated": ("modulated renewal", ModulatedRenewal(shape=4, amplitude=0.99)),
    "self_correcting": ("self-correcting", SelfCorrecting()),
    "hawkes1": ("Hawkes-1", Hawkes([0.2], [[[0.8]]], [1.0])),
    "hawkes2": ("Hawkes-2", Hawkes([0.2], [[[0.4]], [[0.4]]], [1.0, 20.0])),
    "marked": (
        "marked Hawkes",  # kind 0 causes 1, 1 causes 2, 2 causes 0
        Hawkes([0.1, 0.1, 0.1], [[[0.2, 0.05, 0.5], [0.5, 0.2, 0.05], [0.05, 0.5, 0.2]]], [2.0]),
    ),
}
"""Title and process by the name of the row."""
FEATURES = (Feature("mark", kind="categorical"),)
"""Of an event: 0 for the marker at time 0, else its kind, counted from 1."""


def simulate_sequences(
    process: PointProcess, seed: int = SEED, parts: dict[str, int] = PARTS, window: float = WINDOW
) -> list[EventSequence]:
    """Draw sequences, each beginning with a marker at time 0; their names are their part and a number."""
    random, sequences = np.random.default_rng(seed), []
    for name in (f"{part}{i}" for part, count in parts.items() for i in range(count)):
        time, kind = process.simulate(random, window)
        rows = np.concatenate([[0], kind + 1])[:, None]
        sequences.append(EventSequence(FEATURES, rows, np.concatenate([[0.0], time]), name))
    return sequences


def write_process(process: PointProcess, path: Path, parts: dict[str, int] = PARTS) -> tuple[Path, Path]:
    """Write a data set of a process, and beside it its split; return both paths."""
    split = path.with_name(f"{path.stem}_split.json")
    io.write(path, simulate_sequences(process, parts=parts))
    names = {part: [f"{part}{i}" for i in range(count)] for part, count in parts.items()}
    with replacing(split) as beside:
        beside.write_text(json.dumps(names) + "\n", encoding="utf-8")
    return path, split


def score_truth(
    process: PointProcess, sequences: Sequence[EventSequence], window: float = WINDOW
) -> tuple[list[Array], Array]:
    """Return the true NLL of the events of each sequence but its marker, and what survival to the window's end costs.

    Survival is the last compensator of each sequence, in nats, shape (sequences,); the NLL does not hold it.
    """
    nll, survival = [], []
    for sequence in sequences:
        assert sequence.time is not None
        events = Events(sequence.time[1:], sequence.data[1:, 0].astype(np.int64) - 1)
        nll.append(process.nll(events, window))
        survival.append(process.compensator(events, window)[-1])
    return nll, np.array(survival)
