"""What each augmentation does to numbers, how it draws them, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from hachimachi.augment.apply import Outcome, augment, parse
from hachimachi.columns import fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence


def changed(ops: str, values: Sequence[float], **how: Any) -> list[float]:
    """Return what becomes of a feature x."""
    [sequence] = augment([make_sequence(np.transpose([values]), names=["x"])], ops, **how).sequences
    return sequence.data[:, 0].tolist()


def apply(ops: str, rows: ArrayLike, names: str, seed: int = 0) -> Outcome:
    """Return what becomes of windows, shape (B, T, D), of continuous features."""
    windows = np.asarray(rows, dtype=np.float64)
    features = tuple(Feature(name, "continuous") for name in names.split())
    columns = fit_columns([EventSequence(features, np.concatenate([windows.reshape(-1, len(features))]))])
    return parse(ops).bind(columns)(windows, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("ops", "before", "after"),
    [
        ("add(value=0.5, dims=x)", [1.5, -2.25], [2.0, -1.75]),
        ("sub(value=0.5, dims=0)", [1.5, -2.25], [1.0, -2.75]),
        ("mul(value=-2, dims=x)", [1.5, -2.25], [-3.0, 4.5]),
        ("div(value=0.5, dims=all)", [1.5, -2.25], [3.0, -4.5]),
        ("sub(value=mean, dims=x)", [1.5, 2.5, 5.0], [-1.5, -0.5, 2.0]),
        ("div(value=std, dims=x)", [0.5, 1.5], [1.0, 3.0]),
        ("div(value=std, dims=x)", [0.5, 0.5], [0.5, 0.5]),
        ("sub(value=mean, dims=x); div(value=std, dims=x)", [0.5, 1.5], [-1.0, 1.0]),
        ("abs(dims=x)", [0.5, -1.5, 0], [0.5, 1.5, 0]),
        ("round(dims=x)", [0.5, 1.49, -0.5, -1.6], [1, 1, 0, -2]),
        ("round(dims=x, step=0.1)", [0.31, 0.26], [0.3, 0.3]),
        ("clip(dims=x, min=0, max=1)", [-0.5, 0.5, 1.5], [0, 0.5, 1]),
        ("clip(dims=x, max=1)", [-0.5, 1.5], [-0.5, 1]),
        ("rev(dims=x)", [0.5, 1.5, 4], [4, 1.5, 0.5]),
        ("rev", [0.5, 1.5, 4], [4, 1.5, 0.5]),
        ("diff(dims=x)", [0.5, 1.5, 4], [0.5, 1, 2.5]),
        ("cumsum(dims=x)", [0.5, 1, 2.5], [0.5, 1.5, 4]),
        ("sort(dims=x)", [4, 0.5, 1.5], [0.5, 1.5, 4]),
        ("sort(dims=x, falling=true)", [4, 0.5, 1.5], [4, 1.5, 0.5]),
        ("addrand(range=(2.5, 2.5), dims=x)", [0.5], [3]),
        ("subrand(range=(2.5, 2.5), dims=x)", [0.5], [-2]),
        ("mulrand(range=(3, 3), dims=x)", [0.5], [1.5]),
        ("divrand(range=(4, 4), dims=x)", [0.5], [0.125]),
        ("mulrand(range=(3, 3), dims=x, log=true)", [0.5], [4]),
        ("divrand(dist=normal, mean=2, std=0, dims=x, log=true)", [0.5], [0.125]),
        ("addrand(range=(3, 3), dims=x, log=true)", [0.5], [8.5]),
        ("mul(value=1e300, dims=x); mul(value=1e300, dims=x)", [0.5, 0], [5e299, 0]),
        ("divrand(range=(0, 0), dims=x)", [0.5], [0.5]),
        ("add(value=2.4, dims=x)", [1, 5], [3, 7]),  # whole numbers stay whole
        ("mul(value=0.5, dims=x)", [1, -1, 3], [1, 0, 2]),
        ("abs(dims=x)", [], []),
        ("rev()", [7.5], [7.5]),
    ],
)
def test_what_each_does(ops: str, before: list[float], after: list[float]) -> None:
    if before:
        assert changed(ops, before) == after
    else:
        with pytest.raises(HachimachiError, match="no events"):
            changed(ops, before)


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=9))
def test_sums_undo_differences_and_reversing_undoes_itself(values: list[float]) -> None:
    values = [*values, 0.5]
    assert changed("diff(dims=x); cumsum(dims=x)", values) == pytest.approx(values)
    assert changed("rev; rev(dims=x)", values) == values


WINDOWS = np.arange(24.0).reshape(2, 4, 3) + 0.5


@pytest.mark.parametrize(
    ("per", "shape"),
    [("sequence", (2, 1, 1)), ("step", (2, 4, 1)), ("feature", (2, 1, 3)), ("element", (2, 4, 3))],
)
@pytest.mark.parametrize("dist", ["range=(-1, 1)", "dist=normal"])
def test_what_has_a_draw_of_its_own(per: str, shape: tuple[int, ...], dist: str) -> None:
    drawn = apply(f"addrand({dist}, per={per}, dims=all)", WINDOWS, "a b c").rows - WINDOWS
    own = drawn[tuple(slice(size) for size in shape)]
    np.testing.assert_allclose(drawn, np.broadcast_to(own, drawn.shape), atol=1e-12)
    assert len(np.unique(own.round(9))) == own.size


@pytest.mark.parametrize(("per", "axes"), [("feature", (1,)), ("step", (2,)), ("sequence", (1, 2))])
def test_of_what_a_mean_is(per: str, axes: tuple[int, ...]) -> None:
    rows = apply(f"sub(value=mean, per={per}, dims=all)", WINDOWS, "a b c").rows
    np.testing.assert_allclose(rows, WINDOWS - WINDOWS.mean(axes, keepdims=True), atol=1e-12)


def test_how_draws_are_distributed() -> None:
    rows = np.full((4000, 1, 1), 0.5)
    uniform = apply("addrand(range=(-2, 6), dims=a)", rows, "a").rows - 0.5
    assert (uniform.min(), uniform.max()) == (pytest.approx(-2, abs=0.02), pytest.approx(6, abs=0.02))
    assert uniform.mean() == pytest.approx(2, abs=0.15)
    normal = apply("addrand(dist=normal, mean=3, std=2, dims=a)", rows, "a").rows - 0.5
    assert (normal.mean(), normal.std()) == (pytest.approx(3, abs=0.15), pytest.approx(2, abs=0.1))
    factor = np.log2(apply("mulrand(range=(-1, 1), log=true, dims=a)", rows, "a").rows / 0.5)
    assert abs(factor).max() <= 1 + 1e-9
    assert factor.mean() == pytest.approx(0, abs=0.05)


def test_a_probability_is_that_of_each_window() -> None:
    outcome = apply("add(value=1, dims=a, p=0.3)", np.zeros((4000, 3, 1)), "a")
    assert outcome.applied.mean() == pytest.approx(0.3, abs=0.03)
    assert (outcome.rows == outcome.applied[:, None, None]).all()
    several = apply("add(value=1, dims=a, p=0.5); add(value=2, dims=a, p=0.5)", np.zeros((4000, 1, 1)), "a")
    values, counts = np.unique(several.rows, return_counts=True)
    assert values.tolist() == [0, 1, 2, 3]
    assert counts / 4000 == pytest.approx(0.25, abs=0.04)
    assert (several.applied == (several.rows[:, 0, 0] > 0)).all()


def test_humanized_notes_are_the_same_notes_played_otherwise() -> None:
    rows = np.stack([np.full(2000, 0.25), np.arange(2000) % 88 + 21, np.full(2000, 64), np.full(2000, 0.2)], axis=1)
    rows[0, 0] = np.nan
    data = make_sequence(rows[:, 1:], np.arange(2000) / 4, ["pitch", "velocity", "duration"])
    [played] = augment([data], "humanize(tempo=0)", seed=4).sequences
    assert sorted(played.column("pitch")) == sorted(data.column("pitch"))
    assert played.time is not None
    between = np.diff(played.time)
    assert (between >= 0).all()
    assert 0.2 < between.mean() < 0.3
    assert 0.005 < between.std() < 0.08
    assert 2 < played.column("velocity").std() < 10
    assert 0.1 < np.log(played.column("duration")).std() < 0.4
    [still] = augment([data], "humanize(tempo=0, drift=0, onset=0, length=0, louder=0, touch=0)", seed=4).sequences
    np.testing.assert_allclose(still.rows()[1:, 0], data.rows()[1:, 0], atol=1e-9)
    np.testing.assert_allclose(still.column("duration"), data.column("duration"))


def test_humanized_chords_come_apart_in_order() -> None:
    data = make_sequence([[60 + i] for i in range(6)] * 40, [i // 6 for i in range(240)], ["pitch"])
    [played] = augment([data], "humanize(tempo=0, drift=0)", seed=1).sequences
    assert (played.rows()[1:, 0] > 0).mean() > 0.9  # six notes of a chord are not struck at once
    assert played.column("pitch")[:6].tolist() != data.column("pitch")[:6].tolist()
