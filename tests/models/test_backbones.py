"""What every backbone holds to, whatever it is made of."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from hachimachi.models import parts
from hachimachi.models.backbone import Backbone

SHAPES = [(1, 8), (2, 8), (3, 5)]
"""Layers and size."""


@pytest.fixture(params=[(name, *shape) for name in parts.names("backbone") for shape in SHAPES], ids=str)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    name, layers, size = request.param
    torch.manual_seed(0)
    return parts.build("backbone", name, context={"size_in": 6}, size=size, layers=layers, dropout=0.3).double().eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, 20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_there_are_backbones() -> None:
    assert {"lstm", "gru"} <= set(parts.names("backbone"))


def test_a_whole_sequence_equals_step_by_step(backbone: Backbone, x: Tensor) -> None:
    whole, last = backbone(x, backbone.initial_state(4))
    assert whole.shape == (4, 20, backbone.size)
    state, steps = backbone.initial_state(4), []
    for t in range(20):
        h, state = backbone.step(x[:, t], state)
        steps.append(h)
    torch.testing.assert_close(torch.stack(steps, 1), whole)
    torch.testing.assert_close(state, last)


def test_the_state_carries_over_a_split(backbone: Backbone, x: Tensor) -> None:
    whole, last = backbone(x, backbone.initial_state(4))
    first, state = backbone(x[:, :7], backbone.initial_state(4))
    second, state = backbone(x[:, 7:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(state, last)


def test_the_state_matters(backbone: Backbone, x: Tensor) -> None:
    _, state = backbone(x[:, :7], backbone.initial_state(4))
    fresh, _ = backbone(x[:, 7:], backbone.initial_state(4))
    assert not torch.allclose(fresh, backbone(x[:, 7:], state)[0])
    assert all(part.shape[0] == 4 for part in state)  # the batch comes first


def test_a_later_event_never_changes_an_earlier_output(backbone: Backbone, x: Tensor) -> None:
    before, _ = backbone(x, backbone.initial_state(4))
    x[:, 11] += 1
    after, _ = backbone(x, backbone.initial_state(4))
    assert torch.equal(before[:, :11], after[:, :11])
    assert not torch.isclose(before[:, 11:], after[:, 11:]).all(-1).any()


def test_rows_of_a_batch_know_nothing_of_each_other(backbone: Backbone, x: Tensor) -> None:
    together, _ = backbone(x, backbone.initial_state(4))
    alone = [backbone(row[None], backbone.initial_state(1))[0] for row in x]
    torch.testing.assert_close(torch.cat(alone), together)


def test_neither_input_nor_state_is_written_to(backbone: Backbone, x: Tensor) -> None:
    _, state = backbone(x, backbone.initial_state(4))
    former, kept = x.clone(), tuple(part.clone() for part in state)
    backbone(x, state)
    backbone.step(x[:, 0], state)
    assert torch.equal(x, former)
    assert all(map(torch.equal, state, kept))


def test_every_parameter_gets_a_gradient(backbone: Backbone, x: Tensor) -> None:
    h, _ = backbone.train()(x, backbone.initial_state(4))
    h.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in backbone.parameters())


def test_saving_is_exact(backbone: Backbone, x: Tensor) -> None:
    other = copy.deepcopy(backbone)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    other.load_state_dict(backbone.state_dict())
    assert torch.equal(other(x, other.initial_state(4))[0], backbone(x, backbone.initial_state(4))[0])


def test_dropout_is_for_training_only(backbone: Backbone, x: Tensor) -> None:
    def listen() -> Tensor:
        return backbone(x, backbone.initial_state(4))[0]

    assert torch.equal(listen(), listen())
    backbone.train()
    assert not torch.equal(listen(), listen())
    step = [backbone.step(x[:, 0], backbone.initial_state(4))[0] for _ in range(2)]
    assert torch.equal(*step)
