"""Draws from wide grids: as the table says, whatever the temperature."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from hachimachi.columns import fit_columns
from hachimachi.constraints import Constraint
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.player.column_samplers import MixtureParams, NumberSampler
from hachimachi.sampling import Sampling

DRAWS = 2000
VALUES, SHARES = np.array([0.0, 0.1, 0.12, 30.0]), np.array([0.5, 0.3, 0.15, 0.05])


@pytest.mark.parametrize("temperature", [0.5, 0.9, 1.3])
@pytest.mark.parametrize("weight", [0.9, 0.5, 0.05])
def test_the_histogram_is_drawn_from_where_no_logistic_reaches(temperature: float, weight: float) -> None:
    """Times are one of four on the whole grid from 0 to 60 s; the only logistic, a narrow one, stands on 0.12 s."""
    chance = np.random.default_rng(0)
    steps = chance.choice(VALUES, 20_000, p=SHARES)
    (column, _) = fit_columns([EventSequence((Feature("x"),), np.ones((20_000, 1)), np.cumsum(steps))])
    sampler, (mean, std) = NumberSampler(column), column.moments
    assert sampler.grid.every.mask.size > 3000
    location = (np.log(0.12) - mean) / std
    params = MixtureParams(weight, 0.0, np.array([1 - weight]), np.array([location]), np.array([-6.0]))
    how, random = Sampling({"time": temperature}).of("time"), Random(0)
    drawn = column.grid.index(np.array([sampler.draw(params, how, random) for _ in range(DRAWS)]))
    found = np.array([(drawn == index).mean() for index in column.grid.index(VALUES)])
    counted = np.array(column.counts)[np.searchsorted(column.occupied, column.grid.index(VALUES))] / column.events
    expected = (weight * counted + (1 - weight) * (VALUES == 0.12)) ** (1 / temperature)
    expected /= expected.sum()
    assert np.abs(found - expected).max() < 4 * np.sqrt(expected * (1 - expected) / DRAWS).max() + 0.005


def test_what_cannot_be_tabulated_is_refused_before_it_is_played() -> None:
    fine = Feature("x", min=0, max=4, resolution=1e-6)
    columns = fit_columns([EventSequence((fine, Feature("y")), np.random.default_rng(0).random((50, 2)))])
    Sampling({"y": 0.5}).check(columns)
    for asked in (Sampling(0.9), Sampling(constraints={"x": Constraint.between(0, 1)}), Sampling(min_p={"x": 0.1})):
        with pytest.raises(HachimachiError, match="x: 4,000,001 bins are too many to shape; draw it as learned, or tr"):
            asked.check(columns)
