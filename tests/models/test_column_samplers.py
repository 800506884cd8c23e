"""What is quicker says the same: tables by differences of the distribution function, draws made again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import Column, UniformGrid
from hachimachi.constraints import Bins, Constraint
from hachimachi.events import Feature
from hachimachi.models.encoder import Scale
from hachimachi.models.event_model import EventModel
from hachimachi.models.heads.column_distribution import SmoothedHistogram
from hachimachi.player.column_samplers import TRIES, WARM, MixtureParams, NumberSampler
from hachimachi.sampling import ColumnSampling
from tests.conftest import chi_square

Make = Callable[..., EventModel]
GRIDS = [(UniformGrid(1.0, 0, 127), (44, 60, 76)), (UniformGrid(0.01, 0, 400, log=True), (5, 20, 100))]
SAMPLERS = [NumberSampler(Column(Feature("x"), grid, occupied, (1, 2, 1))) for grid, occupied in GRIDS]
numbers = st.lists(st.tuples(st.floats(0, 1), st.floats(-30, 30), st.floats(-7, 3)), min_size=1, max_size=8)


@given(numbers, st.sampled_from(SAMPLERS), st.integers(0, 120), st.integers(1, 8))
def test_a_quick_table_misses_next_to_nothing(parts: list, logistic: NumberSampler, start: int, size: int) -> None:
    weights, locations, log_scales = np.array(parts).T
    widths = np.exp(log_scales)
    for stop in (start + size, logistic.grid.grid.bins):
        whole = logistic.exact_masses(weights, locations, widths, start, stop)
        quick = logistic.quick_masses(weights, locations, widths, start, stop)
        np.testing.assert_allclose(quick, whole, rtol=1e-9, atol=1e-14 * len(parts))
        assert quick.min() >= 0


@given(numbers, st.sampled_from(SAMPLERS), st.integers(0, 127))
def test_one_bin_is_weighed_as_a_table_does(parts: list, logistic: NumberSampler, index: int) -> None:
    _, locations, log_scales = np.array(parts).T
    for at, log_scale, mass in zip(
        locations, log_scales, logistic.bin_masses(locations, log_scales, index), strict=True
    ):
        alone = np.ones(1), np.array([at]), np.exp(np.array([log_scale]))
        assert mass == pytest.approx(logistic.exact_masses(*alone, index, index + 1)[0], rel=1e-9, abs=1e-300)


@pytest.fixture
def sampler(make: Make) -> NumberSampler:
    """Of pitch: 40 to 79 were learned, 0 to 127 can be played."""
    return NumberSampler(make().columns[1])


@pytest.mark.parametrize(("start", "stop"), [(0, 128), (36, 84), (50, 60), (90, 100)])
def test_a_tilted_histogram_is_that_of_the_reference(make: Make, start: int, stop: int) -> None:
    """Of the whole and of parts, the occupied bins partly outside."""
    column, index = make().columns[1], torch.arange(start, stop)
    histogram, sampler = SmoothedHistogram(column), NumberSampler(column)
    tilt = torch.from_numpy(np.random.default_rng(0).normal(size=len(histogram.occupied)))
    for logits in (None, tilt):
        expected = histogram.log_prob(index, *Scale.of(column).edges(index), logits).exp()
        found = sampler.histogram.table(start, stop, None if logits is None else logits.numpy())
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("temperature", [0.5, 1.0, WARM])
def test_what_is_all_but_impossible_is_weighed_exactly(sampler: NumberSampler, temperature: float) -> None:
    params = MixtureParams(0.0, 0.0, np.array([0.5, 0.5]), np.array([-9.0, -9.0]), np.array([-3.0, -2.5]))
    how, random = ColumnSampling(temperature, constraint=Constraint.between(40, 44)), Random(0)
    logistics = params.smooth, params.locations, np.exp(params.log_scales), 40, 45
    exact, quick = sampler.exact_masses(*logistics), sampler.quick_masses(*logistics)
    assert 0 < exact.sum() < 1e-20
    assert quick.sum() == 0
    counts = np.bincount([int(sampler.draw(params, how, random)) - 40 for _ in range(1000)], minlength=5).astype(float)
    assert chi_square(counts, how.shape(exact)) < 5


def test_draws_made_again_are_draws_among_what_is_allowed(sampler: NumberSampler) -> None:
    """And where none is allowed within the tries, it is the table's turn."""

    class TableError(Exception):
        """There was a need of a table."""

    def fail() -> MixtureParams:
        raise TableError

    def drawn_again(constraint: Constraint) -> float | None:
        try:
            return sampler.sample(ColumnSampling(constraint=constraint), draw, fail, random)
        except TableError:
            return None

    random, tries = Random(0), []
    asked = Constraint.scale("C major") & Constraint.between(50, 59)

    def draw() -> float:
        tries.append(1)
        return float(50 + int(random.random() ** 2 * 14))

    drawn = [drawn_again(asked) for _ in range(4000)]
    counts = np.bincount([int(value) - 50 for value in drawn if value is not None], minlength=14).astype(float)
    p = np.diff(np.sqrt(np.arange(15) / 14)) * [asked.allows(50 + step) for step in range(14)]
    assert chi_square(counts, p / p.sum()) < 5
    assert 0 < sum(value is None for value in drawn) < 400
    tries.clear()
    assert drawn_again(Constraint.between(100, 101)) is None
    assert len(tries) == TRIES


@given(st.integers(0, 5), st.lists(st.booleans(), min_size=1, max_size=6), st.integers(-3, 15))
def test_bins_contain_what_their_mask_says(start: int, allowed: list, index: int) -> None:
    bins = Bins(start, start + len(allowed), np.array(allowed))
    inside = start <= index < bins.stop
    assert (index in bins) == (inside and bool(bins.mask[index - start]))
    assert (index in Bins(start, bins.stop)) == inside
