"""What is augmented of a window and what never is, how the model is told; what is augmented of which music."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hachimachi import io
from hachimachi.columns import fit_columns
from hachimachi.events import EventSequence
from hachimachi.training.config.compose import compose, resolve_defaults
from hachimachi.training.data import EventDataModule
from hachimachi.training.window_augmentation import DRUMS, MusicAugmentation, Shift, decide_augmentation

TIME, PITCH, VELOCITY, DURATION, INSTRUMENT = range(5)
SEED = st.integers(0, 2**32 - 1)


def windows(seed: int) -> Tensor:
    """Windows of notes, shape (B, T, 5): chords, drums, notes at the bounds, padding."""
    random = np.random.default_rng(seed)
    batch, length = (int(random.integers(1, most)) for most in (7, 15))
    lowest = random.integers(0, 128, (2, batch, 1))
    span = random.integers(1, 20)
    pitch, velocity = (np.minimum(low + random.integers(0, span, (batch, length)), 127) for low in lowest)
    time, duration = (random.exponential(0.3, (batch, length)) * (random.random((batch, length)) < 0.7) for _ in "td")
    instrument = random.choice([0, 5, DRUMS], (batch, length))
    rows = np.stack([time, pitch, np.maximum(velocity, 1), duration, instrument], axis=-1).astype(float)
    rows[random.random(batch) < 0.5, 0, TIME] = np.nan  # the first of a sequence
    for row, filled in zip(rows, random.integers(1, length + 1, batch), strict=True):
        row[filled:] = np.nan
    return torch.from_numpy(rows)


def vary(share: float, transpose: int = 6, louder: int = 10, stretch: float = 0.2) -> MusicAugmentation:
    shifts = [Shift(PITCH, transpose, 0, 127, INSTRUMENT, told=False), Shift(VELOCITY, louder, 1, 127)]
    return MusicAugmentation(share, shifts, [TIME, DURATION], stretch)


def same(rows: Tensor, others: Tensor) -> bool:
    return torch.equal(rows.nan_to_num(-1), others.nan_to_num(-1)) and torch.equal(rows.isnan(), others.isnan())


@given(SEED, st.floats(0, 1), st.integers(0, 200), st.integers(0, 200), st.floats(0, 1))
def test_what_is_varied_and_what_never_is(seed: int, share: float, transpose: int, louder: int, stretch: float) -> None:
    rows = windows(seed)
    before = rows.clone()
    torch.manual_seed(seed)
    augmentation = vary(share, transpose, louder, stretch)
    changed, how = augmentation(rows)
    assert same(rows, before)
    assert torch.equal(changed.isnan(), rows.isnan())
    assert how.shape == (len(rows), augmentation.size)
    as_it_is = (how == 0).all(-1)  # but for the key, of which nothing is told
    others = [TIME, VELOCITY, DURATION, INSTRUMENT]
    assert same(changed[as_it_is][..., others], rows[as_it_is][..., others])
    check_encoding(rows, changed, how, louder, stretch)
    assert same(changed[..., INSTRUMENT], rows[..., INSTRUMENT])
    drums = rows[..., INSTRUMENT] == DRUMS
    assert torch.equal(changed[drums][:, PITCH], rows[drums][:, PITCH])
    for old, new in zip(rows, changed, strict=True):
        known = ~old[:, PITCH].isnan()
        check_shift(old[known & (old[:, INSTRUMENT] != DRUMS), PITCH], new[..., PITCH], old[..., PITCH], transpose, 0)
        check_shift(old[known, VELOCITY], new[..., VELOCITY], old[..., VELOCITY], louder, 1)
        check_stretch(old[:, [TIME, DURATION]], new[:, [TIME, DURATION]], stretch)


def check_encoding(old: Tensor, new: Tensor, how: Tensor, louder: int, stretch: float) -> None:
    """Check that the numbers say how much louder and slower each window is, where there was anything to change."""
    for before, after, numbers in zip(old, new, how, strict=True):
        louder_by = (after - before)[~before[:, VELOCITY].isnan(), VELOCITY]
        if len(louder_by) and louder:
            assert float(numbers[0]) * louder == pytest.approx(float(louder_by[0]), abs=1e-9)
        for factor in (after / before)[:, [TIME, DURATION]][before[:, [TIME, DURATION]] > 0]:
            assert float(numbers[1]) * stretch == pytest.approx(float(factor.log()), abs=1e-6)


def check_shift(shifted: Tensor, new: Tensor, old: Tensor, most: int, low: int) -> None:
    """Check that what is shifted is so by the same whole number, and stays within its bounds."""
    steps = (new - old)[~old.isnan()].unique()
    moved = steps[steps != 0]
    assert len(moved) <= 1
    assert all(abs(step) <= most and step == round(step) for step in moved.tolist())
    if len(moved):
        assert low <= (shifted + moved).min()
        assert (shifted + moved).max() <= 127
        assert int((new - old == moved).sum()) == len(shifted)


def check_stretch(old: Tensor, new: Tensor, stretch: float) -> None:
    """Check that all times are stretched by the same factor, and that zero stays zero."""
    assert torch.equal(new == 0, old == 0)
    factors = (new / old)[(old > 0)]
    if len(factors):
        torch.testing.assert_close(factors, factors[:1].expand_as(factors), rtol=1e-9, atol=0)
        assert abs(float(factors[0].log())) <= stretch + 1e-9


@given(SEED)
def test_a_share_of_zero_is_the_identity_and_one_changes_every_window(seed: int) -> None:
    rows = windows(seed)
    changed, how = vary(0)(rows)
    assert same(changed, rows)
    assert not how.any()
    assert vary(1)(rows)[1].any(-1).all()
    assert not vary(0)
    assert not MusicAugmentation(1, [], [], 0.2)
    assert vary(1)


def test_it_varies_as_far_as_it_may_and_as_often_as_it_is_told() -> None:
    torch.manual_seed(0)
    rows = torch.tensor([0.5, 60, 64, 1.0, 0], dtype=torch.float64).repeat(4000, 3, 1)
    changed, how = vary(0.75)(rows)
    varied = how.any(-1)
    assert float(varied.double().mean()) == pytest.approx(0.75, abs=0.03)
    assert (changed - rows)[..., PITCH].unique().tolist() == list(range(-6, 7))
    assert (changed - rows)[..., VELOCITY].unique().tolist() == list(range(-10, 11))
    factors = changed[varied][:, 0, TIME] / 0.5
    assert float(factors.min()) == pytest.approx(np.exp(-0.2), abs=1e-3)
    assert float(factors.max()) == pytest.approx(np.exp(0.2), abs=1e-3)
    assert torch.equal(changed[varied][:, 0, DURATION], factors)


def test_a_note_at_each_bound_holds_its_window() -> None:
    torch.manual_seed(0)
    rows = torch.tensor([[0.5, 0, 1, 1.0, 0], [0.5, 127, 127, 1.0, 0]], dtype=torch.float64).repeat(50, 1, 1)
    changed, _ = vary(1)(rows)
    assert torch.equal(changed[..., [PITCH, VELOCITY]], rows[..., [PITCH, VELOCITY]])


OPTIONS: dict[str, Any] = {
    key: value for key, value in resolve_defaults(compose(), events=1000).augment.items() if key != "name"
} | {"transpose": 6}


def decided(sequence: EventSequence, **options: Any) -> list[str]:
    """Return the names of the columns that are varied, a tenth held out at the end."""
    columns, rows = fit_columns([sequence]), sequence.rows()[1:]
    split = len(rows) * 9 // 10
    return decide_augmentation(columns, rows[:split], rows[split:], **{**OPTIONS, **options}).names(columns)


def music(shared_data: Path, task: str) -> EventSequence:
    [sequence] = io.read(shared_data / "single" / f"{task}_train.json")
    return sequence


@pytest.mark.parametrize(
    ("task", "varied"),
    [
        ("fresh", ["time", "pitch", "velocity", "duration"]),
        ("piano", ["time", "pitch", "velocity", "duration"]),
        ("drums", ["time", "velocity"]),
        ("multi", ["pitch"]),
        ("control", []),
    ],
)
def test_what_is_varied_of_which_music(shared_data: Path, task: str, varied: Sequence[str]) -> None:
    data = EventDataModule(shared_data / "single" / f"{task}_train.json")
    data.setup()
    variation = data.decide_augmentation(**OPTIONS)
    assert variation.names(data.columns) == varied
    assert bool(variation) == bool(varied)


@pytest.mark.parametrize(("task", "repeats"), [("fresh", False), ("piano", True), ("multi", True), ("control", False)])
def test_which_music_repeats_itself(shared_data: Path, task: str, repeats: bool) -> None:
    data = EventDataModule(shared_data / "single" / f"{task}_train.json")
    data.setup()
    assert data.repeats == repeats


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"transpose": 0}, {"time", "velocity", "duration"}),
        ({"louder": 0}, {"time", "pitch", "duration"}),
        ({"stretch": 0.0}, {"pitch", "velocity"}),
    ],
)
def test_each_can_be_switched_off(shared_data: Path, options: dict[str, Any], left: set[str]) -> None:
    piece = music(shared_data, "fresh")
    assert set(decided(piece)) == left | {"time", "pitch", "velocity", "duration"}
    assert set(decided(piece, **options)) == left


def test_features_with_other_names_are_left_alone(shared_data: Path) -> None:
    piece = music(shared_data, "fresh")
    features = tuple(replace(feature, name=f"my {feature.name}") for feature in piece.features)
    assert decided(EventSequence(features, piece.data, piece.time)) == ["time"]
    assert decided(EventSequence(features, piece.data)) == []


def test_a_constant_is_not_taught_to_vary(shared_data: Path) -> None:
    piece = music(shared_data, "fresh")
    data = piece.data.copy()
    data[:, 2] = 0.1
    assert set(decided(EventSequence(piece.features, data, piece.time))) == {"time", "pitch", "velocity"}
    steady = EventSequence(piece.features, piece.data, np.arange(len(piece)) / 4)
    assert set(decided(steady)) == {"pitch", "velocity"}  # what keeps to a grid is not stretched
    data[:, :2] = 60
    assert decided(EventSequence(piece.features, data, np.arange(len(piece)) / 4)) == []


def test_nothing_held_out_and_next_to_nothing_learned(shared_data: Path) -> None:
    piece = music(shared_data, "fresh")
    columns, rows = fit_columns([piece]), piece.rows()[1:]
    for train, held in ((rows, rows[:0]), (rows[:0], rows[:0]), (rows[:1], rows[1:2])):
        assert "pitch" not in decide_augmentation(columns, train, held, **OPTIONS).names(columns)
