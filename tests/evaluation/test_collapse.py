"""What is a collapse and what is not, on made and on real music."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import Column, fit_columns
from hachimachi.evaluation.collapse import CYCLE, REPEATS, measure_collapse
from hachimachi.events import EventSequence, Feature
from hachimachi.io import read
from hachimachi.io.midi import NOTES

KNOBS = (Feature("x"), Feature("y"))


def notes(pitch: np.ndarray, between: np.ndarray | float = 0.25, seed: int = 0) -> EventSequence:
    """Play pitches with the small unevenness of a hand."""
    chance = np.random.default_rng(seed)
    velocity, duration = chance.integers(50, 90, len(pitch)), chance.uniform(0.1, 0.3, len(pitch))
    time = np.cumsum(between + chance.uniform(-0.008, 0.008, len(pitch)))
    return EventSequence(NOTES[:3], np.column_stack([pitch, velocity, duration]).astype(float), time - time[0])


def wander(events: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(50, 71, events)


@pytest.fixture(scope="module")
def columns() -> tuple[Column, ...]:
    return fit_columns([notes(wander(500))])


@given(period=st.integers(1, CYCLE + 1), length=st.integers(2 * CYCLE + 2, 200), seed=st.integers(0, 9))
def test_a_cycle_is_as_long_as_it_lasts(columns: tuple[Column, ...], period: int, length: int, seed: int) -> None:
    cycle = 50 + np.random.default_rng(seed).permutation(20)[:period]
    pitch = np.concatenate([[71], np.resize(cycle, length), [72]])
    stats = measure_collapse(notes(pitch, seed=seed), columns)
    assert stats.repeats == (length if period <= CYCLE else 1)
    assert stats.failures == (("repeats",) if period <= CYCLE and length > REPEATS else ())


def test_another_rhythm_is_no_repetition(columns: tuple[Column, ...]) -> None:
    rhythm = np.where(np.random.default_rng(0).random(200) < 0.5, 0.1, 0.4)
    assert measure_collapse(notes(np.full(200, 60), rhythm), columns).repeats < 20


@pytest.mark.parametrize(("rest", "silent"), [(9.9, False), (10.1, True)])
def test_music_may_not_rest_for_long(columns: tuple[Column, ...], rest: float, silent: bool) -> None:
    between = np.full(100, 0.3)
    between[50] = rest
    stats = measure_collapse(notes(wander(100), between), columns)
    assert stats.silence == pytest.approx(rest, abs=0.01)
    assert stats.failures == (("silence",) if silent else ())


def test_a_controller_may_rest_as_long_as_it_did_in_training() -> None:
    chance = np.random.default_rng(0)
    between = np.full(100, 0.1)
    between[50] = 30
    training = EventSequence(KNOBS, chance.random((100, 2)), np.cumsum(between))
    columns = fit_columns([training])
    assert measure_collapse(training, columns).failures == ()
    between[50] = 31
    longer = EventSequence(KNOBS, training.data, np.cumsum(between))
    assert measure_collapse(longer, columns).failures == ("silence",)


@pytest.mark.parametrize(("pitch", "events", "far", "beyond"), [(72, 9, 0, 9), (85, 8, 8, 8), (85, 9, 9, 9)])
def test_to_stay_away_is_a_collapse(
    columns: tuple[Column, ...], pitch: int, events: int, far: int, beyond: int
) -> None:
    pitches = wander(100)
    pitches[20 : 20 + events] = pitch
    stats = measure_collapse(notes(pitches), columns)
    assert (stats.astray, stats.beyond) == (far, pytest.approx(beyond / 100, abs=0.011))
    assert stats.failures == (("astray",) if far > 8 else ())


def test_a_slow_movement_is_no_standstill() -> None:
    ramp = np.linspace(0, 1, 129)
    sequence = EventSequence(KNOBS, np.column_stack([ramp, ramp]), np.arange(129) / 50)
    columns = fit_columns([sequence])
    assert measure_collapse(sequence, columns).repeats == 1
    still = EventSequence(KNOBS, np.full((129, 2), 0.5), np.arange(129) / 50)
    assert measure_collapse(still, columns).repeats == 129


@pytest.mark.parametrize("events", [0, 1, 2])
def test_little_is_no_collapse(columns: tuple[Column, ...], events: int) -> None:
    assert measure_collapse(notes(wander(events)), columns).failures == () if events else True
    atemporal = EventSequence(KNOBS, np.arange(2.0 * events).reshape(events, 2))
    stats = measure_collapse(atemporal, fit_columns([EventSequence(KNOBS, np.random.default_rng(0).random((9, 2)))]))
    assert (stats.repeats, stats.silence) == (min(events, 1), 0)


@pytest.mark.parametrize("name", ["fresh", "piano", "drums", "multi", "control"])
def test_real_performances_do_not_collapse(shared_data: Path, name: str) -> None:
    train, test = (read(shared_data / "single" / f"{name}_{part}.json") for part in ("train", "test"))
    columns = fit_columns(train)
    assert [measure_collapse(sequence, columns).failures for sequence in (*train, *test)] == [(), ()]
