"""Distances are what their definitions say, and see what they should."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import fit_columns
from hachimachi.evaluation.likeness import circular_wasserstein, measure_likeness, total_variation, wasserstein
from hachimachi.events import EventSequence, Feature
from hachimachi.io import read

numbers = st.lists(st.integers(-50, 50).map(lambda value: value / 4), min_size=1, max_size=8)


@given(some=numbers, others=numbers)
def test_the_distance_on_a_line_is_that_of_sorted_pairs(some: list[float], others: list[float]) -> None:
    # repeated so that both have as many, samples are matched in order
    pairs = np.sort(np.repeat(some, len(others))), np.sort(np.repeat(others, len(some)))
    assert wasserstein(np.array(some), np.array(others)) == pytest.approx(np.abs(pairs[0] - pairs[1]).mean())


def around(a: int, b: int) -> int:
    return min((a - b) % 12, (b - a) % 12)


@given(st.integers(1, 5).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 127), min_size=n, max_size=n)] * 2)))
def test_the_distance_on_a_circle_is_that_of_the_best_pairs(parts: tuple[list[int], list[int]]) -> None:
    some, others = parts
    best = min(sum(map(around, some, order)) for order in itertools.permutations(others)) / len(some)
    assert circular_wasserstein(np.array(some, float), np.array(others, float)) == pytest.approx(best)


def test_categories_are_equally_far_apart() -> None:
    assert total_variation(np.array([0.0, 0, 1, 128]), np.array([0.0, 1])) == pytest.approx(0.25)


def ratios(generated: list[EventSequence], real: list[EventSequence]) -> dict[str, float]:
    return {each.aspect: each.ratio for each in measure_likeness(generated, real, fit_columns(real))}


@pytest.mark.parametrize("name", ["fresh", "piano", "drums", "multi"])
def test_real_music_is_itself(shared_data: Path, name: str) -> None:
    music = read(shared_data / "single" / f"{name}_train.json")
    told = measure_likeness(music, music, fit_columns(music))
    names = {"time", "density", "pitch class", "interval", "velocity", "duration"}
    assert {each.aspect for each in told} <= names
    assert all(each.distance == 0 for each in told)
    assert sum(each.real > 0 for each in told) >= 4


CHANGES: dict[str, tuple[Callable[[np.ndarray], Any], Callable[[np.ndarray], Any], set[str]]] = {
    "transposed": (lambda data: np.add(data, [5, 0, 0, 0]), lambda time: time, {"pitch class"}),
    "octaves": (lambda data: data + 12 * (np.arange(len(data)) % 2)[:, None] * [1, 0, 0, 0], lambda t: t, {"interval"}),
    "louder": (lambda data: np.add(data, [0, 30, 0, 0]), lambda time: time, {"velocity"}),
    "longer": (lambda data: np.add(data, [0, 0, 1, 0]), lambda time: time, {"duration"}),
    "slower": (lambda data: data, lambda time: 3 * time, {"time", "density"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_seen_where_it_is(make_pieces: Any, change: str) -> None:
    of_data, of_time, seen = CHANGES[change]
    real = make_pieces([400, 397])
    changed = [EventSequence(piece.features, of_data(piece.data), of_time(piece.time)) for piece in real]
    told = measure_likeness(changed, real, fit_columns(real))
    assert {each.aspect for each in told if each.distance > 1e-9} == seen
    assert {each.aspect for each in told if each.ratio > 2} == seen


def test_other_data_is_compared_by_values_and_steps() -> None:
    chance = np.random.default_rng(0)
    features = (Feature("x"), Feature("mode", kind="categorical"), Feature("still"))
    data = np.column_stack([chance.random(300), chance.integers(0, 3, 300), np.ones(300)]).astype(float)
    real = [EventSequence(features, data)]
    assert set(ratios(real, real)) == {"x", "x step", "mode"}  # what never changes says nothing
    slow = [EventSequence(features, data[np.argsort(data[:, 0])])]
    assert ratios(slow, real)["x"] == 0
    assert ratios(slow, real)["x step"] > 2


def test_halves_are_of_whole_sequences_where_there_are_several(make_pieces: Any) -> None:
    real = make_pieces([50] * 6)
    shifted = [
        EventSequence(piece.features, np.add(piece.data, [0, 20 * (number % 2), 0, 0]), piece.time)
        for number, piece in enumerate(real)
    ]
    [velocity] = [each for each in measure_likeness(real, shifted, fit_columns(real)) if each.aspect == "velocity"]
    assert velocity.real == pytest.approx(20, abs=2)


def test_too_little_to_compare(make_pieces: Any) -> None:
    one = make_pieces([1])
    assert measure_likeness(one, one, fit_columns(make_pieces([40]))) == ()
