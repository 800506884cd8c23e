"""A knob that rests and sometimes jumps: what is far out is heard as far out, and found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.columns import LIMIT
from hachimachi.events import EventSequence, Feature
from hachimachi.models.encoder import symexp, symlog
from hachimachi.models.event_model import build_model
from hachimachi.models.heads.autoregressive import AutoregressiveHead
from hachimachi.player import numpy_heads
from hachimachi.player.engine import Player
from hachimachi.sampling import Sampling


@given(st.floats(-1e6, 1e6))
def test_there_and_back(x: float) -> None:
    squashed = symlog(torch.tensor(x, dtype=torch.float64))
    assert squashed.item() == pytest.approx(numpy_heads.symlog(x), abs=1e-12)
    assert symexp(squashed).item() == pytest.approx(x, rel=1e-9)
    assert numpy_heads.symexp(numpy_heads.symlog(x)) == pytest.approx(x, rel=1e-9)
    assert abs(squashed.item()) <= max(LIMIT, LIMIT + math.log1p(abs(x)))


def test_a_rare_value_is_as_before_in_its_own_bin() -> None:
    """A controller at 0 that is at 120 in six of 3,000 events, eight standard deviations away, and stays there."""
    values = np.zeros(3000)
    values[100:106] = 120
    data = EventSequence((Feature("knob", kind="integer", min=0, max=127),), values[:, None])
    model = build_model([data], {"name": "gru", "size": 8})
    assert isinstance(model.head, AutoregressiveHead)
    with torch.no_grad():
        model.head.out_proj[0].bias[1] += 12  # as before, and hardly anything else
    past = torch.tensor([[0.0], [120.0]], dtype=torch.float64)
    assert model.table(past)["knob"][2][120] > 0.9
    player = Player(model, 0, sampling=Sampling())
    for row in past:
        player.observe(row.numpy())
    assert {float(player.sample()[0]) for _ in range(20)} == {120.0}
