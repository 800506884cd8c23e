"""The scale on which numbers are seen, there and back through the network's precision."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import UniformGrid
from hachimachi.models.encoder import Scale
from hachimachi.player.column_samplers import PlayedGrid

SECONDS = UniformGrid(0.01, 0, 6000, log=True)


@given(mean=st.floats(-5, 3), std=st.floats(0.3, 3))
def test_every_bin_is_found_again_after_rounding(mean: float, std: float) -> None:
    scale = Scale(SECONDS, mean, std)
    index = torch.arange(SECONDS.bins)
    scaled = scale.standardise(scale.centre(index)).float()
    assert torch.equal(scale.index(scale.raw(scaled)), index)  # zero too, which stands between two bins
    played = PlayedGrid("time", scale.grid, (scale.mean, scale.std))
    for i in [0, *Random(0).sample(range(SECONDS.bins), 20)]:
        assert played.index(played.raw(scaled[i].item())) == i


def test_just_above_zero_is_not_zero() -> None:
    scale = Scale(SECONDS, -2.0, 1.0)
    scaled = scale.standardise(torch.tensor([0.0, 0.0049, 0.0051, 0.01], dtype=torch.float64)).float()
    assert scale.index(scale.raw(scaled)).tolist() == [0, 0, 1, 1]
    assert [PlayedGrid("time", scale.grid, (scale.mean, scale.std)).keep(place) for place in scaled.tolist()][:2] == [
        0,
        0,
    ]
    assert np.isclose(PlayedGrid("time", scale.grid, (scale.mean, scale.std)).keep(scaled[2].item()), 0.0051)
