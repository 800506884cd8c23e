"""How much time has passed since a sequence began, as a model observes it, where sequences share a zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import EventSequence

Numbers = NDArray[np.float64]
FEWEST = 20  # sequences that tell whether they share a zero
LONGEST = 1024  # events in a sequence, which has to be learned from as a whole
CYCLES = 8  # mean inter-event times in the shortest period
BINS = 12  # of time passed, and of the inter-event time that follows, to tell whether the one predicts the other
SURE = 3.0  # standard errors by which it has to, on what is held out


@dataclass(frozen=True)
class Clock:
    """Time since the first event of a sequence, and whether events come early or late, as numbers of bounded size."""

    pace: float  # seconds from one event to the next, on average over the training data
    offset: float  # when the first event would have come at that pace, in seconds
    spread: float  # standard deviation of the drift, how far events are from that pace, in seconds
    periods: tuple[float, ...]  # in seconds; each gives the sine and the cosine of the phase

    @property
    def size(self) -> int:
        """How many numbers say what time it is: the drift, and a sine and a cosine for each period."""
        return 1 + 2 * len(self.periods)

    @staticmethod
    def of(numbers: Sequence[float]) -> Clock:
        """Return the clock of :attr:`numbers`."""
        pace, offset, spread, *periods = numbers
        if not (all(map(math.isfinite, numbers)) and spread > 0 and min(periods, default=0) > 0):
            raise ValueError("a clock of numbers that cannot be")
        return Clock(pace, offset, spread, tuple(periods))

    @property
    def numbers(self) -> list[float]:
        """All that a model keeps of it: pace, offset, spread and periods."""
        return [self.pace, self.offset, self.spread, *self.periods]

    def read(self, elapsed: float, index: float) -> list[float]:
        """Return those numbers, ``size`` of them, at an event that comes so many seconds and events after the first.
        The drift is in standard deviations, beyond one on a log scale: it stays small however long one plays."""
        drift = (elapsed - self.offset - self.pace * index) / self.spread
        turns = [2 * math.pi * elapsed / period for period in self.periods]
        return [math.asinh(drift), *(part(turn) for turn in turns for part in (math.sin, math.cos))]


def fit_clock(train: Sequence[EventSequence], resolution: float) -> Clock:
    """Return the clock of sequences that share a zero, their first event; times within the resolution are the same.
    Periods, in seconds, halve from the longest sequence on down to a few events."""
    elapsed, index = (np.concatenate(each) for each in zip(*map(_since_first, train), strict=True))
    pace, offset = np.polyfit(index, elapsed, 1).tolist() if index.any() else (resolution, 0.0)
    spread = max(float((elapsed - offset - pace * index).std()), resolution)
    longest, shortest = max(float(elapsed.max()), resolution), CYCLES * max(abs(pace), resolution)
    halvings = max(0, int(math.log2(max(longest / shortest, 1.0))))
    return Clock(pace, offset, spread, tuple(longest / 2**i for i in range(halvings + 1)))


def predicts(
    clock: Clock, train: Sequence[EventSequence], held_out: Sequence[EventSequence], resolution: float
) -> bool:
    """Return whether the time that has passed tells when held-out events come, better than the events before do.

    By the shares in which inter-event times of the training data fall into twelfths, given the twelfth of the drift, or
    of the longest period, that the event before stands in. What is held out has to cost less by them, sequence by
    sequence, than by the shares of all, or given the last inter-event time, or given their mean so far.
    """
    if len(train) < FEWEST or not held_out or max(map(len, [*train, *held_out])) > LONGEST:
        return False
    conditions, wait, _ = _conditions(clock, train, resolution)
    conditions_held, wait_held, sequence = _conditions(clock, held_out, resolution)
    if not len(wait) or not len(wait_held):
        return False
    target, target_held = _twelfths(wait, wait, wait_held)
    logs = []  # ln of the share of each held-out event, given each condition
    for given, given_held in zip(conditions.T, conditions_held.T, strict=True):
        known, known_held = _twelfths(given, given, given_held)
        logs.append(np.log(_shares(known, target))[known_held, target_held])
    *passed, last, mean = logs
    overall = np.log(_shares(np.zeros_like(target), target))[0, target_held]
    other = max((overall, last, mean), key=np.sum)
    for log in passed:
        gains = np.bincount(sequence, log - other) / np.maximum(np.bincount(sequence), 1)
        if len(gains) > 1 and gains.mean() > SURE * gains.std(ddof=1) / math.sqrt(len(gains)):
            return True
    return False


def _since_first(sequence: EventSequence) -> tuple[Numbers, Numbers]:
    """Return seconds and events since the first one, for each event."""
    assert sequence.time is not None
    return sequence.time - sequence.time[:1], np.arange(len(sequence), dtype=np.float64)


def _conditions(
    clock: Clock, sequences: Sequence[EventSequence], resolution: float
) -> tuple[Numbers, Numbers, NDArray[np.int64]]:
    """Return drift, angle of the longest period, last inter-event time and their mean so far, shape (N, 4), and when
    the next event comes and in which sequence, shapes (N,)."""
    rows, waits = [np.empty((0, 4))], [np.empty(0)]
    for elapsed, index in map(_since_first, sequences):
        wait = np.round(np.diff(elapsed) / resolution) * resolution
        last, mean = np.append(clock.pace, wait), (elapsed + clock.pace) / (index + 1)
        drift = elapsed - clock.offset - clock.pace * index
        rows.append(np.stack([drift, elapsed % clock.periods[0], last, mean], axis=-1)[:-1])
        waits.append(wait)
    counts = [len(wait) for wait in waits[1:]]
    return np.concatenate(rows), np.concatenate(waits), np.repeat(np.arange(len(counts)), counts)


def _twelfths(values: Numbers, *others: Numbers) -> list[NDArray[np.int64]]:
    """Return in which twelfth of values others lie."""
    edges = np.quantile(values, np.arange(1, BINS) / BINS)
    return [np.searchsorted(edges, each, side="right") for each in others]


def _shares(given: NDArray[np.int64], target: NDArray[np.int64]) -> Numbers:
    """Return the share of each target given each condition, shape (BINS, BINS), half a count added to each."""
    counts = np.full((BINS, BINS), 0.5)
    np.add.at(counts, (given, target), 1)
    return counts / counts.sum(1, keepdims=True)
