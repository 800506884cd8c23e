"""What every backbone holds to, whatever it is made of."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hachimachi import plugins
from hachimachi.models.backbones.backbone import Backbone, State

SHAPES = [(1, 8), (2, 8), (3, 5), (2, 70)]
"""Layers and size."""
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {"layers": layers, "size": size}) for name in plugins.names("backbone") for layers, size in SHAPES),
    ("transformer", {"layers": 2, "size": 8, "window": 5}),  # shorter than the sequence
]


def build(name: str, options: dict[str, Any]) -> Backbone:
    torch.manual_seed(0)
    return plugins.build("backbone", name, context={"size_in": 6}, dropout=0.3, **options).double().eval()


@pytest.fixture(params=CASES, ids=str)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return build(*request.param)


@pytest.fixture
def x() -> Tensor:
    return make_input(20)


def make_input(steps: int) -> Tensor:
    return torch.randn(4, steps, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_there_are_backbones() -> None:
    assert {"lstm", "gru", "mingru", "transformer"} <= set(plugins.names("backbone"))


def test_a_whole_sequence_equals_step_by_step(backbone: Backbone, x: Tensor) -> None:
    whole, last = backbone(x, backbone.initial_state(4))
    assert whole.shape == (4, 20, backbone.size)
    state, steps = backbone.initial_state(4), []
    for t in range(20):
        h, state = backbone.step(x[:, t], state)
        steps.append(h)
    same(torch.stack(steps, 1), whole)
    same(state, last)


@settings(deadline=None, max_examples=60)
@given(case=st.sampled_from(CASES), lengths=st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_the_state_carries_over_any_split(case: tuple[str, dict[str, Any]], lengths: list[int]) -> None:
    backbone, x = build(*case), make_input(sum(lengths))
    whole, last = backbone(x, backbone.initial_state(4))
    state, pieces = backbone.initial_state(4), []
    for piece in x.split(lengths, dim=1):
        h, state = backbone(piece, state)
        pieces.append(h)
    same(torch.cat(pieces, 1), whole)
    same(state, last)


def test_the_state_matters(backbone: Backbone, x: Tensor) -> None:
    _, state = backbone(x[:, :7], backbone.initial_state(4))
    fresh, _ = backbone(x[:, 7:], backbone.initial_state(4))
    assert not torch.allclose(fresh, backbone(x[:, 7:], state)[0])
    assert all(part.shape[0] == 4 for part in state)  # the batch comes first


def test_the_state_does_not_grow_for_ever(backbone: Backbone) -> None:
    def weigh(state: State) -> int:
        return sum(part.nelement() for part in state)

    x = make_input(300)
    _, state = backbone(x[:, :100], backbone.initial_state(4))
    _, later = backbone(x[:, 100:], state)
    assert weigh(state) == weigh(later)
    assert all(part.untyped_storage().nbytes() <= 8 * weigh(later) for part in later)  # nor what stands behind it


def test_a_later_event_never_changes_an_earlier_output(backbone: Backbone, x: Tensor) -> None:
    before, _ = backbone(x, backbone.initial_state(4))
    x[:, 11] += 1
    after, _ = backbone(x, backbone.initial_state(4))
    assert torch.equal(before[:, :11], after[:, :11])
    assert not torch.isclose(before[:, 11:], after[:, 11:], rtol=1e-9).all(-1).any()


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
    (h * torch.randn_like(h)).sum().backward()  # what comes out of a norm has the same squares whatever went in
    assert all(weight.grad is not None and weight.grad.abs().sum() > 1e-6 for weight in backbone.parameters())


def test_gradients_are_those_of_the_output(backbone: Backbone, x: Tensor) -> None:
    def listen(x: Tensor) -> Tensor:
        return backbone(x, backbone.initial_state(2))[0]

    short = x[:2, :7].clone().requires_grad_()
    assert torch.autograd.gradcheck(listen, (short,), fast_mode=True)


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
