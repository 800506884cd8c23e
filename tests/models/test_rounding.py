"""Times that lie right between two bins, as the ticks of a sequencer do: single and double precision agree on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hachimachi import plugins
from hachimachi.columns import UniformGrid
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence, Feature
from hachimachi.io import read
from hachimachi.models.encoder import Scale
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.column_samplers import PlayedGrid

FEATURES = (Feature("pitch", "integer", min=0, max=127), Feature("duration"), Feature("level", resolution=0.1))


@pytest.fixture(scope="module")
def ticks() -> EventSequence:
    """400 events whose times, durations and levels all lie between two bins, most of them the same as before."""
    chance = np.random.default_rng(0)
    stays = chance.random((400, 3)) < 0.8
    drawn = 0.01 * (chance.integers(0, 100, (400, 3)) + 0.5)
    drawn[:, 2] = 0.1 * (chance.integers(-20, 20, 400) + 0.5)
    for t in range(1, 400):
        drawn[t] = np.where(stays[t], drawn[t - 1], drawn[t])
    data = np.column_stack([60 + np.arange(400) % 12, drawn[:, 1:]]).astype(float)
    return EventSequence(FEATURES, data, np.cumsum(drawn[:, 0], dtype=np.float64))


def strong(pieces: list[EventSequence], head: str) -> EventModel:
    """Return a model that is sure that everything stays as it was."""
    torch.manual_seed(0)
    model = build_model(pieces, {"name": "gru", "size": 8}, {"name": head})
    optimizer, rows = torch.optim.Adam(model.parameters(), 0.02), torch.from_numpy(pieces[0].rows()[:384])
    for _ in range(60):
        optimizer.zero_grad()
        (-model.log_prob(rows.view(12, 32, -1)).sum(-1).mean()).backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("head", plugins.names("head"))
def test_both_precisions_cost_the_same_on_the_edges_of_bins(ticks: EventSequence, head: str) -> None:
    model = strong([ticks], head)
    rows = torch.from_numpy(ticks.rows())[None]
    with torch.inference_mode():
        single = -model.log_prob(rows)[0, 1:].double().mean(0)
    exact = evaluate(model, ticks).surprise.mean(0)
    np.testing.assert_allclose(single.numpy(), exact, rtol=0, atol=1e-3)


@pytest.mark.parametrize("head", plugins.names("head"))
def test_both_precisions_cost_the_same_on_music(shared_data: Path, head: str) -> None:
    [piece] = read(shared_data / "single" / "piano_train.json")
    model = strong([piece[:400]], head)
    with torch.inference_mode():
        single = -model.log_prob(torch.from_numpy(piece[:400].rows())[None])[0, 1:].double().mean(0)
    np.testing.assert_allclose(single.numpy(), evaluate(model, piece[:400]).surprise.mean(0), rtol=0, atol=1e-3)


@given(number=st.integers(0, 399), mean=st.floats(-4, 1), std=st.floats(0.3, 1.5), log=st.booleans())
def test_a_value_between_two_bins_is_found_in_the_upper_one_again(
    number: int, mean: float, std: float, log: bool
) -> None:
    scale = Scale(UniformGrid(0.01, 0, 6000, log=log), mean, std)
    edge = torch.tensor([(number + 0.5) * 0.01], dtype=torch.float64)
    scaled = scale.standardise(edge).float()
    found = int(scale.index_of_scaled(scaled))
    # the foot of a log scale stands for zero
    assert found == (0 if log and number == 0 else number + 1)
    assert PlayedGrid("x", scale.grid, (mean, std)).index_of_scaled(scaled.item()) == found
