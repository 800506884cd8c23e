"""The input that says whether a window was augmented: seen everywhere, and by the fast form that plays too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from hachimachi import plugins
from hachimachi.models.event_model import EventModel
from hachimachi.player.engine import Player

Make = Callable[..., EventModel]


@pytest.fixture(params=plugins.names("backbone"))
def model(request: pytest.FixtureRequest, make: Make) -> EventModel:
    return make(request.param, "autoregressive").double()


def test_what_is_given_for_each_window_is_the_flag_it_has(model: EventModel, rows: Tensor) -> None:
    batch, augmented = rows.view(4, 30, 5), torch.tensor([True, False, False, True])
    given = model.log_prob(batch, augmented)
    for flag in (0.0, 1.0):
        model.encoder.augmented.fill_(flag)
        unsaid, chosen = model.log_prob(batch), augmented == bool(flag)
        torch.testing.assert_close(given[chosen], unsaid[chosen])
        assert (given[~chosen] != unsaid[~chosen])[:, :, 1:].any(-1).all()  # from the first event on


def test_the_flag_stands_last_and_moves_nothing_else(model: EventModel, rows: Tensor) -> None:
    plain, flaged = (model.encoder(rows, torch.full((1,), flag)) for flag in (0.0, 1.0))
    assert torch.equal(plain[..., :-1], flaged[..., :-1])
    assert (plain[..., -1].unique().tolist(), flaged[..., -1].unique().tolist()) == ([0], [1])


@pytest.mark.parametrize("flag", [0.0, 1.0])
def test_the_fast_form_sees_the_flag(model: EventModel, rows: Tensor, flag: float) -> None:
    model.encoder.augmented.fill_(flag)
    player = Player(model)
    encode = player.encoder
    with torch.inference_mode():
        hidden, state = model.observe(*model.initial_carry(1))
        for row in rows[0, :40]:
            np.testing.assert_allclose(player.state.hidden, hidden[0].numpy(), rtol=1e-4, atol=1e-5)
            assert player.state.hidden[-1] == encode(row.tolist())[-1] == flag
            player.observe(row.numpy())
            hidden, state = model.observe(model.encoder(row[None]), state)
