"""The fast form of every backbone is held to PyTorch's; scans are held to each other."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hachimachi import plugins
from hachimachi.models.backbones.backbone import Backbone
from hachimachi.models.backbones.mingru import scan, scan_by_doubling
from hachimachi.models.torch_player import TorchBackbone
from hachimachi.player.engine import playing_form, to_arrays
from hachimachi.player.numpy_backbones import NumpyBackbone

CASES: list[tuple[str, dict[str, Any]]] = [
    *(
        (name, {"layers": layers, "size": size})
        for name in plugins.names("backbone")
        for layers, size in [(1, 9), (2, 64)]
    ),
    ("transformer", {"layers": 2, "size": 64, "window": 1}),
    ("transformer", {"layers": 2, "size": 64, "window": 7}),
]
STEPS = 90  # enough for a window of 7 to fill its cache several times


def build(name: str, options: dict[str, Any]) -> Backbone:
    """Return a backbone far from where training starts, norms included."""
    torch.manual_seed(0)
    backbone = plugins.build("backbone", name, context={"size_in": 6}, dropout=0.3, **options)
    with torch.no_grad():
        for weight in backbone.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    backbone.chosen = {"name": name, **options}
    return backbone


def fast(backbone: Backbone) -> NumpyBackbone:
    """Return the form in NumPy."""
    chosen: Any = backbone.chosen
    arrays = {f"backbone.{name}": array for name, array in to_arrays(backbone).items()}
    return playing_form("backbone", {"backbone": chosen}, arrays)


@pytest.fixture(params=CASES, ids=str)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return build(*request.param)


@pytest.fixture
def x() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(STEPS, 6)).astype(np.float32)


def walk(stepper: NumpyBackbone, x: NDArray[np.float32], state: Any) -> tuple[NDArray[np.float32], Any]:
    out = []
    for row in x:
        h, state = stepper.step(row, state)
        out.append(h)
    return np.stack(out), state


def test_it_equals_the_reference(backbone: Backbone, x: NDArray[np.float32]) -> None:
    found, _ = walk(fast(backbone), x, fast(backbone).initial_state())
    assert found.dtype == np.float32
    assert found.shape == (STEPS, backbone.size)
    exact = backbone.double().eval()
    with torch.inference_mode():
        expected, _ = exact(torch.from_numpy(x).double()[None], exact.initial_state(1))
    np.testing.assert_allclose(found, expected[0].numpy(), atol=3e-5)


def test_the_one_any_backbone_has_equals_the_reference(backbone: Backbone, x: NDArray[np.float32]) -> None:
    plain, quick = TorchBackbone(backbone), fast(backbone)
    found, expected = (walk(stepper, x, stepper.initial_state())[0] for stepper in (plain, quick))
    np.testing.assert_allclose(found, expected, atol=3e-5)


def test_a_state_can_be_gone_back_to(backbone: Backbone, x: NDArray[np.float32]) -> None:
    stepper = fast(backbone)
    for kept_at in (0, 5, 30):
        _, kept = walk(stepper, x[:kept_at], stepper.initial_state()) if kept_at else (None, stepper.initial_state())
        first, _ = walk(stepper, x[kept_at:], kept)
        other, _ = walk(stepper, x[kept_at:] + 1, kept)
        again, _ = walk(stepper, x[kept_at:], kept)
        assert np.array_equal(first, again)
        assert not np.allclose(first, other)


def test_states_side_by_side_know_nothing_of_each_other(backbone: Backbone, x: NDArray[np.float32]) -> None:
    stepper = fast(backbone)
    states, heard = [stepper.initial_state() for _ in range(2)], [[], []]
    _, common = walk(stepper, x[:10], states[0])
    states = [common, common]
    for row in x[10:]:
        for side in range(2):
            h, states[side] = stepper.step(row * (side + 1), states[side])
            heard[side].append(h)
    for side in range(2):
        _, fresh = walk(stepper, x[:10], stepper.initial_state())
        assert np.array_equal(np.stack(heard[side]), walk(stepper, x[10:] * (side + 1), fresh)[0])


def test_neither_input_nor_output_is_written_to_later(backbone: Backbone, x: NDArray[np.float32]) -> None:
    stepper, before = fast(backbone), x.copy()
    h, state = stepper.step(x[0], stepper.initial_state())
    kept = h.copy()
    walk(stepper, x, state)
    assert np.array_equal(x, before)
    assert np.array_equal(h, kept)


def test_it_keeps_its_own_copy_of_the_weights(backbone: Backbone, x: NDArray[np.float32]) -> None:
    stepper = fast(backbone)
    before, _ = stepper.step(x[0], stepper.initial_state())
    with torch.no_grad():
        for weight in backbone.parameters():
            weight.zero_()
    assert np.array_equal(before, stepper.step(x[0], stepper.initial_state())[0])


def test_one_stepper_serves_several_threads(backbone: Backbone, x: NDArray[np.float32]) -> None:
    stepper, found = fast(backbone), [x] * 4

    def play(thread: int) -> None:
        found[thread] = walk(stepper, x, stepper.initial_state())[0]

    threads = [threading.Thread(target=play, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(each, found[0]) for each in found)


def test_far_from_zero_it_stays_finite(backbone: Backbone, x: NDArray[np.float32]) -> None:
    stepper = fast(backbone)
    for scale in (1e4, 0.0):
        found, _ = walk(stepper, x * np.float32(scale), stepper.initial_state())
        assert np.isfinite(found).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 70), st.integers(1, 3), st.integers(0, 99), st.booleans())
def test_scans_agree(steps: int, batch: int, seed: int, closed: bool) -> None:
    random = torch.Generator().manual_seed(seed)
    shape = (batch, steps, 4)
    decay, drive = (torch.rand(shape, dtype=torch.float64, generator=random) for _ in range(2))
    decay = decay * (decay > 0.5) if closed else decay  # gates that are shut forget everything
    start, weight = torch.randn(batch, 4, dtype=torch.float64, generator=random), torch.randn(shape, generator=random)
    results = []
    for way in (scan, scan_by_doubling):
        inputs = [part.clone().requires_grad_() for part in (decay, drive, start)]
        h = way(*inputs)
        (h * weight).sum().backward()
        results.append([h, *(part.grad for part in inputs)])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)
    expected = start
    for t in range(steps):
        expected = decay[:, t] * expected + drive[:, t]
    torch.testing.assert_close(results[0][0][:, -1], expected)
