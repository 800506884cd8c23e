"""The inputs that say how a window was augmented: seen everywhere, and by the fast form that plays too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hachimachi import plugins
from hachimachi.checkpoint import load_model, save_model
from hachimachi.models.event_model import EventModel
from hachimachi.player.engine import Player

Make = Callable[..., EventModel]
SIZES = (1, 3)
"""How many numbers say how a window was augmented."""


@pytest.fixture(params=plugins.names("backbone"))
def backbone(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=SIZES)
def model(request: pytest.FixtureRequest, backbone: str, make: Make) -> EventModel:
    torch.manual_seed(1)
    made = make(backbone, "autoregressive")
    again = EventModel(made.columns, made.parts["backbone"], made.parts["head"], augmentation=request.param)
    with torch.no_grad():
        for weight in again.parameters():
            weight.copy_(0.3 * torch.randn_like(weight))
    return again.eval().double()


def numbers(model: EventModel, windows: int = 1) -> Tensor:
    """Return other numbers for each window, shape (windows, K); the first are zeros."""
    each = torch.arange(windows * len(model.encoder.augmented), dtype=torch.float64).view(windows, -1)
    return each * (torch.arange(windows) > 0)[:, None] / 10


def test_what_is_given_for_each_window_is_what_it_hears(model: EventModel, rows: Tensor) -> None:
    batch, augmented = rows.view(4, 30, 5), numbers(model, 4)
    given = model.log_prob(batch, augmented)
    torch.testing.assert_close(given[:1], model.log_prob(batch[:1]))  # zeros where nothing is given
    for window, how in zip(range(4), augmented, strict=True):
        model.encoder.augmented.copy_(how)
        unsaid = model.log_prob(batch)
        torch.testing.assert_close(given[window], unsaid[window])
        others = [i for i in range(4) if i != window]
        assert (given[others] != unsaid[others])[:, :, 1:].any(-1).all()  # from the first event on


def test_they_stand_last_and_move_nothing_else(model: EventModel, rows: Tensor) -> None:
    size = len(model.encoder.augmented)
    plain, told = (model.encoder(rows, torch.full((1, size), number)) for number in (0.0, 1.0))
    assert torch.equal(plain[..., :-size], told[..., :-size])
    assert (plain[..., -size:].unique().tolist(), told[..., -size:].unique().tolist()) == ([0], [1])


def test_the_fast_form_hears_them(model: EventModel, rows: Tensor) -> None:
    for how in (numbers(model), 0.5 + numbers(model)):
        model.encoder.augmented.copy_(how[0])
        player = Player(model)
        size = len(how[0])
        with torch.inference_mode():
            hidden, state = model.observe(*model.initial_carry(1)[:2])
            for row in rows[0, :40]:
                np.testing.assert_allclose(player.state.hidden, hidden[0].numpy(), rtol=1e-4, atol=1e-5)
                encoded = player.encoder(row.tolist(), (0.0, 0))
                assert player.state.hidden[-size:].tolist() == encoded[-size:].tolist() == how[0].float().tolist()
                player.observe(row.numpy())
                hidden, state = model.observe(model.encoder(row[None]), state)


def test_a_file_has_as_many(model: EventModel, rows: Tensor, tmp_path: Path) -> None:
    model = model.float()
    model.encoder.augmented.fill_(0.5)
    save_model(model, tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt")
    assert torch.equal(loaded.encoder.augmented, model.encoder.augmented)
    torch.testing.assert_close(loaded.log_prob(rows), model.log_prob(rows))
