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
from hachimachi.errors import HachimachiError
from hachimachi.events import make_sequence
from hachimachi.models.backbones.backbone import Backbone, State, check_backbone
from hachimachi.models.backbones.rnn import GRU
from hachimachi.models.event_model import build_model
from tests.plugins_apart import plugins_apart

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
    kept = [part.untyped_storage().nbytes() for part in later]
    assert max(kept) <= 8 * weigh(later), "a part of the state is a view of a longer tensor: clone it"


def test_a_later_event_never_changes_an_earlier_output(backbone: Backbone, x: Tensor) -> None:
    before, _ = backbone(x, backbone.initial_state(4))
    x[:, 11] += 1
    after, _ = backbone(x, backbone.initial_state(4))
    assert torch.equal(before[:, :11], after[:, :11])
    unmoved = torch.isclose(before[:, 11:], after[:, 11:], rtol=1e-9).all(-1)
    assert not unmoved.any(), "an event does not change every later output"


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


class Forgetful(GRU):
    """Learns with its state, and plays without."""

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: ARG002
        return super().step(x, self.initial_state(len(x)))


class Narrow(GRU):
    """Plays half of what it learned."""

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h, state = super().step(x, state)
        return h[:, : self.size // 2], state


def test_a_backbone_that_plays_what_it_learned_is_let_through(backbone: Backbone) -> None:
    training = backbone.train()
    check_backbone(training, "any")
    assert training.training


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Forgetful, r"^backbone 'wrong': step and forward differ by up to 0\.\d+, .*; make both the same function"),
        (
            Narrow,
            r"^backbone 'wrong': forward gives \(2, 8, 6\) and step \(2, 8, 3\) for 8 steps; expected",
        ),
    ],
)
def test_one_of_a_plugin_that_does_not_is_refused_before_training(part: type[Backbone], message: str) -> None:
    with plugins_apart():
        plugins.register("backbone", "wrong")(part)
        with pytest.raises(HachimachiError, match=message) as caught:
            build_model([make_sequence([[60], [64], [67]])], {"name": "wrong", "size": 6})
    assert "\n" not in str(caught.value)
