"""Pitches by interval, and histograms that are shifted along with windows that are transposed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import Column, fit_columns
from hachimachi.events import EventSequence
from hachimachi.models.event_model import build_model
from hachimachi.models.heads.column_distribution import NumberDistribution
from hachimachi.training.module import EventModule
from hachimachi.training.window_augmentation import MusicAugmentation, Shift

REACH = 3


@pytest.fixture(scope="module")
def pitch(events: EventSequence) -> Column:
    return fit_columns([events])[1]


def histogram_alone(distribution: NumberDistribution) -> torch.Tensor:
    """Parameters by which nothing but the histogram weighs, shape (P,)."""
    raw = torch.zeros(distribution.size, dtype=torch.float64)
    raw[1 : 2 + distribution.components] = -60
    return raw


@given(st.integers(-6, 6), st.integers(46, 74))
def test_a_transposed_value_costs_what_it_costs_in_the_key_of_the_piece(pitch: Column, steps: int, value: int) -> None:
    distribution = NumberDistribution(pitch, components=2)
    raw = histogram_alone(distribution)
    plain = distribution.log_prob(raw, torch.tensor(float(value)), original=torch.tensor(float(value)))
    moved = distribution.log_prob(raw, torch.tensor(float(value + steps)), original=torch.tensor(float(value)))
    assert float(moved) == pytest.approx(float(plain), abs=1e-9)


def test_an_event_that_is_learned_from_does_not_count_itself(pitch: Column) -> None:
    distribution = NumberDistribution(pitch, components=2)
    raw, grid = histogram_alone(distribution), distribution.scale.grid
    for index, count in zip(pitch.occupied, pitch.counts, strict=True):
        value = torch.tensor(float(grid.value(np.array(index))))  # pyright: ignore[reportArgumentType]
        seen, learned = (float(distribution.log_prob(raw, value, original=each).exp()) for each in (None, value))
        kept = 1 - distribution.histogram.novel
        assert seen - learned == pytest.approx(kept / pitch.events, rel=1e-3), count


def test_only_pitches_are(events: EventSequence) -> None:
    level = NumberDistribution(fit_columns([events])[2], components=2)
    raw, value, before = histogram_alone(level), torch.tensor(0.1), torch.tensor(-0.2)
    assert torch.equal(level.log_prob(raw, value, original=before), level.log_prob(raw, value))


@given(st.integers(-6, 6))
def test_an_interval_is_the_same_in_every_key(pitch: Column, steps: int) -> None:
    distribution = NumberDistribution(pitch, components=2, intervals=REACH)
    raw = histogram_alone(distribution)
    raw[-(2 * REACH + 1) :] = torch.randn(2 * REACH + 1, generator=torch.Generator().manual_seed(1))
    values = torch.tensor([50.0, 53.0, 61.0, 66.0])
    before = torch.tensor([51.0, 53.0, 60.0, 40.0])
    plain = distribution.log_prob(raw, values, distribution.scale.standardise(before), values)
    moved = distribution.log_prob(raw, values + steps, distribution.scale.standardise(before + steps), values)
    np.testing.assert_allclose(moved, plain, atol=1e-9)


def test_an_interval_that_is_asked_for_is_what_comes(pitch: Column) -> None:
    distribution = NumberDistribution(pitch, components=2, intervals=REACH)
    raw = histogram_alone(distribution)
    raw[-(2 * REACH + 1) + REACH + 2] = 20.0  # two semitones up
    table = distribution.table(raw, distribution.scale.standardise(torch.tensor(60.0)))
    assert float(table.sum()) == pytest.approx(1, abs=1e-9)
    low = distribution.scale.grid.low
    assert int(table.argmax()) + low == 62
    assert float(table[62 - low]) > 0.6  # but for what is kept for values never seen


def test_training_shifts_the_histogram_along(events: EventSequence, monkeypatch: pytest.MonkeyPatch) -> None:
    augmentation = MusicAugmentation(1, [Shift(1, 6, 0, 127, told=False)], [], 0.0)
    model = build_model([events], head={"name": "autoregressive", "intervals": REACH}, augmentation=augmentation.size)
    module = EventModule(model, augmentation=augmentation).eval()
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    rows = torch.from_numpy(events.rows())[None]
    torch.manual_seed(5)
    changed, amounts = augmentation(rows)
    assert (changed - rows)[..., 1].abs().max() > 0
    torch.manual_seed(5)
    loss = float(module.training_step(rows, 0).detach())
    told = -model.log_prob(changed, amounts, rows).sum().detach() / len(events)
    untold = -model.log_prob(changed, amounts).sum().detach() / len(events)
    assert loss == pytest.approx(float(told), rel=1e-6)
    assert abs(float(untold) - loss) > 1e-3


def test_times_never_seen_are_even_on_the_log_scale(events: EventSequence) -> None:
    time = fit_columns([events])[0]
    assert time.even is not None
    low, high = time.occupied[0], time.occupied[-1]
    table = NumberDistribution(time, components=2).histogram
    scale = NumberDistribution(time, components=2).scale
    index = torch.arange(time.grid.bins)
    p = table.log_prob(index, *scale.edges(index)).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-9)
    unseen = [i for i in range(low + 1, high) if i not in time.occupied]
    assert float(p[unseen[0]]) > float(p[unseen[-1]])  # as wide as they are there
    assert Column.from_json(time.to_json()) == time
    older = {key: value for key, value in time.to_json().items() if key != "log_even"}
    assert Column.from_json(older).even is None
