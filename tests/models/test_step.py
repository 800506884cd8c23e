"""The fast form that plays is held to the torch model, for every backbone and head."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from hachimachi import plugins
from hachimachi.models.event_model import EventModel
from hachimachi.models.heads.autoregressive import AutoregressiveDistribution
from hachimachi.models.heads.head import Distribution
from hachimachi.models.heads.mixture import MixtureDistribution
from hachimachi.player.engine import Player
from hachimachi.player.numpy_heads import NumpyAutoregressive, NumpyMixture
from hachimachi.sampling import Sampling

Make = Callable[..., EventModel]
Pairs = Iterator[tuple[NDArray[np.float32], Tensor]]
PAIRS = [(backbone, head) for backbone in plugins.names("backbone") for head in plugins.names("head")]


@pytest.fixture(scope="module")
def odd(rows: Tensor) -> Tensor:
    """200 rows, shape (200, 5): some of the data, some nobody learned: unknown, far away, in no category."""
    chance = np.random.default_rng(4)
    odd = rows[0, chance.permutation(200) % 120].clone()
    odd[torch.from_numpy(chance.random((200, 5)) < 0.1)] = torch.nan
    for column, far in enumerate([(0.0, 70.0, 0.005), (-5, 300, 60.5), (-1e6, 1e6, 2.0), (0.0, 99.0, 0.004), (7, -3)]):
        places = torch.from_numpy(chance.choice(200, 10 * len(far), replace=False))
        odd[places, column] = torch.tensor(far, dtype=torch.float64).repeat(10)
    return odd


@pytest.fixture(params=PAIRS, ids="-".join)
def model(request: pytest.FixtureRequest, make: Make) -> EventModel:
    return make(*request.param).double()


def of_autoregressive(player: Player, predicted: Distribution, rows: Tensor, t: int) -> Pairs:
    """Pair the parameters of each column, given those before it in the row."""
    assert isinstance(predicted, AutoregressiveDistribution)
    assert isinstance(player.head, NumpyAutoregressive)
    head, fast = predicted.head, player.head
    row, hidden = rows[t], predicted.hidden[0, t]
    layers = head.column_hidden(hidden, head.encode(row), head.before)
    fast.begin(player.state.hidden)
    for column in head.order:
        yield fast.parameters(column), head.out_proj[column](layers[column])
        if not row[column].isnan():
            fast.reveal(column, row[column].item())


def of_mixture(player: Player, predicted: Distribution, rows: Tensor, t: int) -> Pairs:  # noqa: ARG001  (as the one above)
    """Pair the logits of the components, and their parameters."""
    assert isinstance(predicted, MixtureDistribution)
    assert isinstance(player.head, NumpyMixture)
    logits, *raws = player.head.parameters(player.state.hidden)
    yield logits - np.logaddexp.reduce(logits), predicted.log_weights[0, t]
    yield from zip(raws, (raw[0, t] for raw in predicted.raws), strict=True)


PARAMETERS = {"autoregressive": of_autoregressive, "mixture": of_mixture}
"""What a head's fast form and its reference are compared by."""


def test_it_predicts_from_the_same_parameters(model: EventModel, odd: Tensor) -> None:
    player, compare = Player(model), PARAMETERS[model.parts["head"]["name"]]
    with torch.inference_mode():
        predicted = model(odd[None])[0]
        for t, row in enumerate(odd):
            for fast, reference in compare(player, predicted, odd, t):
                assert fast.dtype == np.float32
                np.testing.assert_allclose(fast, reference.numpy(), rtol=1e-4, atol=3e-5, err_msg=f"event {t}")
            player.observe(row.numpy())


def test_it_observes_events_as_the_model_does(model: EventModel, odd: Tensor) -> None:
    player = Player(model)
    with torch.inference_mode():
        hidden, state = model.observe(*model.initial_carry(1)[:2])
        for row in odd:
            np.testing.assert_allclose(player.state.hidden, hidden[0].numpy(), rtol=1e-4, atol=1e-5)
            player.observe(row.numpy())
            hidden, state = model.observe(model.encoder(row[None]), state)


@pytest.mark.parametrize("temperature", [1.0, 0.9])
def test_the_same_seed_plays_the_same(model: EventModel, temperature: float) -> None:
    def play(seed: int) -> NDArray[np.float64]:
        return np.array([row for row, _ in goes_on(Player(model, seed, temperature), 8)])

    assert (play(3) == play(3)).all()
    assert (play(3) != play(4)).any()


def test_forks_know_nothing_of_each_other(model: EventModel, odd: Tensor) -> None:
    player = Player(model)
    for row in odd[:50].numpy():
        player.observe(row)
    state, kept = player.state, player.state.hidden.copy()
    one, two, later = (player.fork(seed=7) for _ in range(3))
    alone = list(goes_on(one, 12))
    for row in odd[50:100].numpy():
        player.observe(row)
    for expected, *found in zip(alone, goes_on(two, 12), goes_on(later, 12), strict=True):  # in turn
        for row, hidden in found:
            assert (row == expected[0]).all()
            assert (hidden == expected[1]).all()
    assert (state.hidden == kept).all()
    assert any((row != expected[0]).any() for expected, (row, _) in zip(alone, goes_on(player, 12), strict=True))


def test_a_memory_is_where_it_was_taken(model: EventModel, odd: Tensor) -> None:
    player = Player(model, sampling=Sampling(polyphony=2))
    for row in odd[:50].numpy():
        player.observe(row)
    memory = player.remember()
    player.reseed(5)
    first = list(goes_on(player, 12))
    for _ in range(2):  # to come back twice shows that a memory is not used up
        for row in odd[50:100].numpy():
            player.observe(row)
        player.recall(memory)
        assert player.remember() == memory
        player.reseed(5)
        for (row, hidden), expected in zip(goes_on(player, 12), first, strict=True):
            assert (row == expected[0]).all()
            assert (hidden == expected[1]).all()
    player.recall(memory)
    player.reseed(6)
    assert any((row != expected[0]).any() for (row, _), expected in zip(goes_on(player, 12), first, strict=True))


def test_it_tells_its_columns(model: EventModel) -> None:
    player = Player(model)
    assert [column.name for column in player.columns][player.temporal :] == [f.name for f in player.features]


def goes_on(player: Player, events: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Let a player hear itself; yield what it plays and what it predicts from then on."""
    for _ in range(events):
        row = player.sample()
        player.observe(row)
        yield row, player.state.hidden


def test_to_sample_changes_nothing(model: EventModel, odd: Tensor) -> None:
    player = Player(model)
    player.observe(odd[0].numpy())
    before = player.state, player.state.hidden.copy()
    player.sample()
    assert player.state is before[0]
    assert (player.state.hidden == before[1]).all()


def test_reset_is_a_fresh_start(model: EventModel, odd: Tensor) -> None:
    player = Player(model)
    for row in odd[:5].numpy():
        player.observe(row)
    player.reset()
    assert (player.state.hidden == Player(model).state.hidden).all()
    assert np.isnan(player.state.last).all()
