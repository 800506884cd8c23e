"""Simulated processes are what they are said to be, and their floor is what their events cost by the formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.point_processes import (
    PROCESSES,
    SEED,
    WINDOW,
    Events,
    Hawkes,
    LognormalRenewal,
    ModulatedRenewal,
    PointProcess,
    SelfCorrecting,
    score_truth,
    simulate_sequences,
    write_process,
)
from hachimachi import io
from hachimachi.io.split import read_split, select

Array = NDArray[np.float64]
DRAWS = 300
every_process = pytest.mark.parametrize("name", PROCESSES)


@pytest.fixture(scope="module")
def draw() -> Callable[[str], list[Events]]:
    """Return the events of 300 sequences of a process, drawn once."""
    drawn: dict[str, list[Events]] = {}

    def find(name: str) -> list[Events]:
        if name not in drawn:
            random = np.random.default_rng(11)
            drawn[name] = [PROCESSES[name][1].simulate(random, WINDOW) for _ in range(DRAWS)]
        return drawn[name]

    return find


def rescale(process: PointProcess, sequences: list[Events]) -> Array:
    """Return the compensated intervals of all sequences, one after the other on one axis of time.

    Where the window cuts an interval, what is left of it goes on in the next sequence; that is exact, for a unit
    exponential has no memory.
    """
    compensators = [process.compensator(events, WINDOW) for events in sequences]
    ends = np.cumsum(np.concatenate(compensators))
    happens = np.concatenate([np.arange(len(each)) < len(each) - 1 for each in compensators])
    return np.diff(ends[happens], prepend=0.0)


def ks_bound(intervals: Array) -> float:
    """Return a bound of the p-value of Kolmogorov–Smirnov against the unit exponential (Massart 1990)."""
    p, n = 1 - np.exp(-np.sort(intervals)), len(intervals)
    steps = np.arange(n + 1) / n
    distance = max((steps[1:] - p).max(), (p - steps[:-1]).max())
    return 2 * math.exp(-2 * n * distance**2)


@every_process
def test_time_rescaling_makes_unit_exponentials(name: str, draw: Callable[[str], list[Events]]) -> None:
    intervals = rescale(PROCESSES[name][1], draw(name))
    assert len(intervals) > 25_000
    assert ks_bound(intervals) > 0.01
    centred = intervals - 1  # of mean 0 and variance 1, and each independent of the one before
    assert abs(centred.mean()) * len(centred) ** 0.5 < 4
    assert abs((centred[1:] * centred[:-1]).mean()) * len(centred) ** 0.5 < 4


def test_time_rescaling_tells_one_process_from_another(draw: Callable[[str], list[Events]]) -> None:
    for name, other in [("hawkes1", "hawkes2"), ("poisson", "inhomogeneous"), ("modulated", "inhomogeneous")]:
        assert ks_bound(rescale(PROCESSES[other][1], draw(name))) < 1e-6


@every_process
def test_events_lie_in_the_window_in_order(name: str, draw: Callable[[str], list[Events]]) -> None:
    for time, kind in draw(name):
        assert (np.diff(time) > 0).all()
        assert time.size == 0 or (time[0] > 0 and time[-1] < WINDOW)
        assert kind.shape == time.shape and set(kind.tolist()) <= set(range(PROCESSES[name][1].kinds))


def expected_counts(name: str) -> Array:
    """Return the mean number of events of each kind in the window."""
    process = PROCESSES[name][1]
    if isinstance(process, Hawkes):  # the rate rises from the base to the stationary one at β(1 − W)
        assert len(process.decays) == 1
        approach = process.decays[0] * (np.eye(process.kinds) - process.weights[0])
        return process.mean_rate * WINDOW - np.linalg.solve(approach, process.mean_rate - process.base)
    assert isinstance(process, ModulatedRenewal)  # whose clock shows 100 in the end; intervals of variance 1 / shape
    return np.array([WINDOW + (1 / process.shape - 1) / 2])


@pytest.mark.parametrize("name", ["poisson", "inhomogeneous", "modulated", "hawkes1", "marked"])
def test_counts_have_their_mean(name: str, draw: Callable[[str], list[Events]]) -> None:
    counts = np.array([np.bincount(kind, minlength=PROCESSES[name][1].kinds) for _, kind in draw(name)])
    error = counts.std(0, ddof=1) / DRAWS**0.5
    assert (np.abs(counts.mean(0) - expected_counts(name)) < 4 * error).all()


def test_the_inhomogeneous_ones_follow_their_sine(draw: Callable[[str], list[Events]]) -> None:
    for name in ("inhomogeneous", "modulated"):
        time = np.concatenate([events.time for events in draw(name)])
        early = (time < WINDOW / 2).mean()  # ½ + 0.99 / π
        assert early == pytest.approx(0.5 + 0.99 / np.pi, abs=0.02)


def test_a_self_correcting_count_keeps_to_the_time(draw: Callable[[str], list[Events]]) -> None:
    counts = [len(time) for time, _ in draw("self_correcting")]
    assert min(counts) >= 95 and max(counts) <= 105


def test_kinds_come_in_the_shares_of_their_intensities(draw: Callable[[str], list[Events]]) -> None:
    process = PROCESSES["marked"][1]
    surprise, variance = np.zeros((3, 3)), np.zeros((3, 3))
    for events in draw("marked"):
        p = process.intensity(events.time, events)
        p /= p.sum(1, keepdims=True)
        happened = np.eye(3)[events.kind]
        for last in range(3):  # whatever the kind before
            after = np.flatnonzero(events.kind[:-1] == last) + 1
            surprise[last] += (happened - p)[after].sum(0)
            variance[last] += (p * (1 - p))[after].sum(0)
    assert (np.abs(surprise) < 4 * variance**0.5).all()


def integrate(process: PointProcess, events: Events, first: float, last: float) -> float:
    """Return the integral of the total intensity by quadrature, finer towards the beginning."""
    edges = first + (last - first) * np.concatenate([[0.0], np.geomspace(1e-6, 1, 80)])
    nodes, weights = np.polynomial.legendre.leggauss(8)
    half = np.diff(edges)[:, None] / 2
    at = edges[:-1, None] + half * (nodes + 1)
    return float((process.intensity(at.ravel(), events).sum(1).reshape(at.shape) * weights * half).sum())


@every_process
def test_the_compensator_is_the_integral_of_the_intensity(name: str, draw: Callable[[str], list[Events]]) -> None:
    process, events = PROCESSES[name][1], draw(name)[0]
    time, kind = events.time[:40], events.kind[:40]
    events, window = Events(time, kind), float(time[-1]) + 0.7
    edges = np.concatenate([[0.0], time, [window]])
    pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    found = [integrate(process, events, first, last) for first, last in pairs]
    assert process.compensator(events, window) == pytest.approx(found, rel=1e-6, abs=1e-8)


def one_kind(*time: float) -> Events:
    return Events(np.array(time), np.zeros(len(time), np.int64))


def test_renewal_densities_are_those_of_their_intervals() -> None:
    events, intervals = one_kind(0.4, 0.9, 6.0), np.array([0.4, 0.5, 5.1])
    s = math.log(37) ** 0.5
    lognormal = np.exp(-((np.log(intervals) + s**2 / 2) ** 2) / (2 * s**2)) / (intervals * s * math.sqrt(2 * math.pi))
    assert LognormalRenewal(1, 6).nll(events, 10) == pytest.approx(-np.log(lognormal))
    gamma = 4**4 * intervals**3 * np.exp(-4 * intervals) / 6
    assert ModulatedRenewal(shape=4).nll(events, 10) == pytest.approx(-np.log(gamma))
    assert ModulatedRenewal().nll(events, 10) == pytest.approx(intervals)


def test_intensities_are_those_of_the_formulas() -> None:
    at, e = np.array([0.5, 3.0, 7.0]), math.exp
    events = one_kind(1.0, 3.0)  # the one at 3 is not before it
    assert SelfCorrecting().intensity(at, events)[:, 0] == pytest.approx([e(0.5), e(3 - 1), e(7 - 2)])
    expected = [0.2, 0.2 + 0.8 * e(-2), 0.2 + 0.8 * (e(-6) + e(-4))]
    assert PROCESSES["hawkes1"][1].intensity(at, events)[:, 0] == pytest.approx(expected)
    expected = [0.2, 0.2 + 0.4 * e(-2) + 8 * e(-40), 0.2 + 0.4 * (e(-6) + e(-4)) + 8 * (e(-120) + e(-80))]
    assert PROCESSES["hawkes2"][1].intensity(at, events)[:, 0] == pytest.approx(expected)
    sine = 1 + 0.99 * np.sin(2 * np.pi * at / 100)
    assert PROCESSES["inhomogeneous"][1].intensity(at, events)[:, 0] == pytest.approx(sine)
    marked = Hawkes([0.1, 0.3], [[[0.2, 0.5], [0.0, 0.1]]], [2.0])  # kind 0 excites itself, kind 1 both
    found = marked.intensity(np.array([2.0]), Events(np.array([0.5, 1.0]), np.array([0, 1])))
    assert found[0] == pytest.approx([0.1 + 2 * (0.2 * e(-3) + 0.5 * e(-2)), 0.3 + 2 * 0.1 * e(-2)])


@every_process
def test_no_other_process_costs_less_than_the_true_one(name: str, draw: Callable[[str], list[Events]]) -> None:
    truth, total = PROCESSES[name][1], {}
    rivals = {other: process for other, (_, process) in PROCESSES.items() if process.kinds == truth.kinds}
    if isinstance(truth, Hawkes):
        rivals["turned"] = Hawkes(truth.base, 0.9 * truth.weights.transpose(0, 2, 1), truth.decays)
    for other, process in rivals.items():
        costs = (process.nll(each, WINDOW).sum() + process.compensator(each, WINDOW)[-1] for each in draw(name))
        total[other] = sum(costs)
    assert min(total, key=total.__getitem__) == name


FLOORS = {
    "poisson": (1.0, 0.02),
    "inhomogeneous": (0.69, 0.02),
    "renewal": (0.21, 0.03),
    "modulated": (0.335, 0.02),
    "self_correcting": (0.75, 0.01),
    "hawkes1": (0.48, 0.1),
    "hawkes2": (-0.045, 0.1),
}
"""What the draws of Shchur et al. 2020 cost, about, and three standard errors of 300 sequences."""


@pytest.mark.parametrize("name", FLOORS)
def test_floors_are_those_of_the_standard_processes(name: str, draw: Callable[[str], list[Events]]) -> None:
    nll = np.concatenate([PROCESSES[name][1].nll(events, WINDOW) for events in draw(name)])
    floor, error = FLOORS[name]
    assert nll.mean() == pytest.approx(floor, abs=error)


def test_data_is_written_with_its_split_and_read_back_with_its_floor(tmp_path: Path) -> None:
    process, parts = PROCESSES["marked"][1], {"train": 3, "valid": 2, "test": 2}
    data, split = write_process(process, tmp_path / "marked.json", parts)
    test = select(io.read(data), read_split(split), "test")
    assert [sequence.name for sequence in test] == ["test0", "test1"]
    for sequence in test:
        assert sequence.time is not None
        assert (sequence.time[0], sequence.data[0, 0]) == (0, 0)
        assert set(sequence.data[1:, 0]) == {1, 2, 3}
    drawn = simulate_sequences(process, SEED, parts)[-2:]
    nll, survival = score_truth(process, test)
    again, same = score_truth(process, drawn)
    assert [len(each) for each in nll] == [len(sequence) - 1 for sequence in test]
    assert np.concatenate(nll) == pytest.approx(np.concatenate(again), abs=1e-12)
    assert survival == pytest.approx(same) and (survival > 0).all()


def test_other_seeds_draw_other_events() -> None:
    first, same, other = (simulate_sequences(PROCESSES["poisson"][1], seed, {"test": 1})[0] for seed in (1, 1, 2))
    assert first == same and first != other
