"""The mark that says whether a window was varied: heard everywhere, and by the fast form that plays too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from hachimachi.models import registry
from hachimachi.models.event_model import EventModel
from hachimachi.player.engine import Player, RowEncoder

Make = Callable[..., EventModel]


@pytest.fixture(params=registry.names("backbone"))
def model(request: pytest.FixtureRequest, make: Make) -> EventModel:
    return make(request.param, "autoregressive").double()


def test_what_is_said_of_each_window_is_the_mark_it_has(model: EventModel, rows: Tensor) -> None:
    batch, varied = rows.view(4, 30, 5), torch.tensor([True, False, False, True])
    told = model.log_prob(batch, varied)
    for mark in (0.0, 1.0):
        model.encoder.mark.fill_(mark)
        unsaid, chosen = model.log_prob(batch), varied == bool(mark)
        torch.testing.assert_close(told[chosen], unsaid[chosen])
        assert (told[~chosen] != unsaid[~chosen])[:, :, 1:].any(-1).all()  # from the first event on


def test_the_mark_stands_last_and_moves_nothing_else(model: EventModel, rows: Tensor) -> None:
    plain, marked = (model.encoder(rows, torch.full((1,), mark)) for mark in (0.0, 1.0))
    assert torch.equal(plain[..., :-1], marked[..., :-1])
    assert (plain[..., -1].unique().tolist(), marked[..., -1].unique().tolist()) == ([0], [1])


@pytest.mark.parametrize("mark", [0.0, 1.0])
def test_the_fast_form_hears_the_mark(model: EventModel, rows: Tensor, mark: float) -> None:
    model.encoder.mark.fill_(mark)
    player, encode = Player(model), RowEncoder(model)
    with torch.inference_mode():
        hidden, state = model.listen(*model.beginning(1))
        for row in rows[0, :40]:
            np.testing.assert_allclose(player.state.hidden, hidden[0].numpy(), rtol=1e-4, atol=1e-5)
            assert player.state.hidden[-1] == encode(row.tolist())[-1] == mark
            player.observe(row.numpy())
            hidden, state = model.listen(model.encoder(row[None]), state)
