"""Descriptors of made-up sequences have the values that follow from their definitions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import fit_columns
from hachimachi.evaluation.descriptors import Descriptor, Reference
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import read
from hachimachi.io.midi import NOTES


def notes(
    pitch: object, time: object, duration: object = 0.1, velocity: object = 64, instrument: object = None
) -> EventSequence:
    rows = [pitch, velocity, duration] + ([instrument] if instrument is not None else [])
    start = np.asarray(time, dtype=float)
    data = np.column_stack([np.broadcast_to(np.asarray(values, dtype=float), start.shape) for values in rows])
    return EventSequence(NOTES[: len(rows)], data, start)


def describe(made: list[EventSequence], real: list[EventSequence] | None = None) -> dict[str, float]:
    return Reference(real or made, fit_columns(real or made)).measure(made)


SCALE = np.array([0, 2, 4, 5, 7, 9, 11])


def melody(number: int, seed: int, shift: int = 0) -> EventSequence:
    """A walk up and down a scale."""
    chance = np.random.default_rng(seed)
    degree = np.clip(np.abs(np.cumsum(chance.integers(-2, 3, number))), 0, 20)
    return notes(60 + shift + 12 * (degree // 7) + SCALE[degree % 7], 0.25 * np.arange(number))


def test_density_silence_and_notes_at_once() -> None:
    chords = notes(np.tile([60, 67], 11), np.repeat(np.arange(11) * 0.5, 2), 0.2)
    told = describe([chords])
    assert told["density"] == pytest.approx(21 / 5)
    assert told["silence"] == pytest.approx(0.6)
    assert told["polyphony"] == pytest.approx(2)
    assert told["velocity"] == 64
    slow = notes(60, np.arange(3) * 10.0, 5)
    pooled = describe([chords, slow])  # each second counts as much
    assert pooled["density"] == pytest.approx(23 / 25)
    assert pooled["silence"] == pytest.approx((3 + 10) / 25)
    assert pooled["polyphony"] == pytest.approx((4 + 10) / (2 + 10))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), min_size=2, max_size=12))
def test_silence_and_notes_at_once_are_those_of_counting(pairs: list[tuple[int, int]]) -> None:
    starts, lengths = np.array(sorted(pairs)).T
    last = starts[-1]
    sounding = np.array([((starts <= t) & (t < starts + lengths)).sum() for t in range(starts[0], last)])
    told = describe([notes(60, starts, lengths)])
    if last == starts[0]:
        assert math.isnan(told["silence"])
    else:
        assert told["silence"] == pytest.approx((sounding == 0).mean())
        assert (
            told["polyphony"] == pytest.approx(sounding[sounding > 0].mean(), nan_ok=True) if sounding.any() else True
        )


def test_repetition_and_unisons() -> None:
    told = describe([notes([60, 60, 64, 60, 60, 60], [0, 1, 1, 1, 2, 2])])
    assert told["repetition"] == pytest.approx(3 / 5)
    assert told["unisons"] == pytest.approx(2 / 6)  # the second 60 at 1 s and at 2 s
    band = notes([60, 60, 60], [0, 0, 0.001], instrument=[1, 2, 2])
    assert describe([band])["unisons"] == pytest.approx(1 / 3)


def test_key_is_the_correlation_with_the_histogram_of_the_piece() -> None:
    real = melody(600, seed=0)
    reference = Reference([real], fit_columns([real]))
    whole = np.bincount(real.column("pitch").astype(int) % 12, minlength=12)
    for shift in (0, 6):
        made = melody(100, seed=1, shift=shift)
        counts = np.bincount(made.column("pitch").astype(int) % 12, minlength=12)
        assert reference.measure([made])["key"] == pytest.approx(np.corrcoef(counts, whole)[0, 1])
    assert reference.own["key"] > 0.8
    assert reference.measure([melody(300, seed=2, shift=1)])["key"] < 0
    assert math.isnan(reference.measure([melody(99, seed=2)])["key"])


def test_of_several_pieces_each_is_to_stay_in_its_own_key() -> None:
    pieces = [melody(400, seed, shift=seed) for seed in range(6)]
    reference = Reference(pieces, fit_columns(pieces))
    steady = [melody(400, 9, shift=8)]
    wandering = [
        notes(np.concatenate([melody(100, seed, shift=3 * seed).data[:, 0] for seed in range(4)]), np.arange(400))
    ]
    assert reference.own["key"] > 0.7
    assert reference.measure(steady)["key"] > 0.7
    assert reference.measure(wandering)["key"] < 0.4


def test_drums_have_no_key() -> None:
    chance = np.random.default_rng(0)
    beat = np.tile([36, 42, 38, 42, 36, 46, 51, 42], 60)
    kit = notes(np.where(chance.random(480) < 0.2, chance.choice([37, 49, 57, 43], 480), beat), np.arange(480) / 8)
    assert math.isnan(describe([kit])["key"])
    tune = melody(480, seed=0)
    both = [
        notes(each.column("pitch"), np.arange(480.0), instrument=[number] * 480)
        for number, each in ((0, tune), (128, kit))
    ]
    rows = np.stack([each.data for each in both], axis=1).reshape(960, 4)
    band = EventSequence(NOTES, rows, np.repeat(np.arange(480.0), 2))
    assert describe([band])["key"] == pytest.approx(describe([tune])["key"])


def test_controllers_have_range_and_jumps() -> None:
    turn = np.linspace(0, 2 * np.pi, 201)
    real = make_sequence(np.column_stack([np.sin(turn), np.cos(turn)]), turn, ["x", "y"])
    reference = Reference([real], fit_columns([real]))
    assert reference.own == pytest.approx({"density": 200 / (2 * np.pi), "range x": 1, "range y": 1, "jumps": 0})
    half = make_sequence(real.data * [0.5, 1], turn, ["x", "y"])
    assert reference.measure([half])["range x"] == pytest.approx(0.5)
    data = real.data.copy()
    data[100] += 1  # there and back
    assert reference.measure([make_sequence(data, turn, ["x", "y"])])["jumps"] == pytest.approx(2 / 200)


TINY = {
    "one event": (NOTES[:3], [[60, 64, 0.1]], [0.0]),
    "no time": (NOTES[:3], [[60, 64, 0.1]] * 5, None),
    "all at once": (NOTES[:3], [[60, 64, 0.1]] * 5, [1.0] * 5),
    "pitch alone": (NOTES[:1], [[60.0]] * 200, np.arange(200.0)),
    "one number": ((Feature("x"),), [[0.5]] * 3, [0.0, 1, 2]),
    "one number, one event": ((Feature("x"),), [[0.5]], None),
    "categories": ((Feature("mode", "categorical"),), [[1.0], [2], [1]], [0.0, 1, 2]),
}


@pytest.mark.parametrize("name", TINY)
def test_what_is_too_little_is_not_told(name: str) -> None:
    features, data, time = TINY[name]
    tiny = EventSequence(features, np.array(data, dtype=float), None if time is None else np.array(time))
    reference = Reference([tiny], fit_columns([tiny]))
    assert reference.own == pytest.approx(reference.measure([tiny]), nan_ok=True)
    assert not any(each.beyond for each in reference.compare([tiny]))
    assert math.isnan(reference.own["density"]) == (name not in ("pitch alone", "one number", "categories"))


@pytest.mark.parametrize(
    ("name", "generated", "real", "beyond"),
    [
        ("key", 0.79, 0.88, 0),
        ("key", 0.77, 0.88, -1),
        ("key", 1.0, 0.5, 0),
        ("density", 11.9, 10, 0),
        ("density", 12.1, 10, 1),
        ("density", 7.9, 10, -1),
        ("silence", 0.24, 0.13, 1),
        ("polyphony", 2.6, 2, 1),
        ("velocity", 100, 50, 0),
        ("key", math.nan, 0.5, 0),
        ("density", 1, 0, 1),
        ("density", 0, 0, 0),
    ],
)
def test_how_far_is_too_far(name: str, generated: float, real: float, beyond: int) -> None:
    assert Descriptor(name, generated, real).beyond == beyond


@pytest.mark.parametrize(("part", "named"), [("fresh", False), ("piano", False), ("drums", True), ("multi", False)])
def test_real_music_knows_whether_it_has_a_key(shared_data: Path, part: str, named: bool) -> None:
    music = read(shared_data / "single" / f"{part}_train.json")
    own = Reference(music, fit_columns(music)).own
    assert math.isnan(own.pop("key")) == named
    assert all(math.isfinite(value) for value in own.values())
