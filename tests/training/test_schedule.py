"""How the learning rate goes: at one rate by default, in a shape over whatever limits the run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.training.limits import LearningRateSchedule, Limits, shape_at


def at(schedule: LearningRateSchedule, step: int, epoch: int = 0, minutes: float = 0) -> float:
    trainer: Any = SimpleNamespace(global_step=step, current_epoch=epoch)
    schedule.setup(trainer, None, "fit")  # pyright: ignore[reportArgumentType]
    schedule.started -= minutes * 60
    return schedule(step)


@given(st.integers(0, 10**6))
def test_constant_after_the_warm_up(step: int) -> None:
    schedule = LearningRateSchedule("constant", 50, Limits(None, 100, None))
    assert at(schedule, step) == min(1.0, (step + 1) / 50)


@given(st.floats(0, 1), st.sampled_from(["cosine", "onecycle"]))
def test_shapes_stay_within_the_highest_rate(used: float, shape: str) -> None:
    assert 0 < shape_at(shape, used) <= 1


@pytest.mark.parametrize(
    ("limits", "where"),
    [
        (Limits(None, 100, None), {"step": 50}),
        (Limits(10, None, None), {"step": 7, "epoch": 5}),
        (Limits(None, None, 2), {"step": 7, "minutes": 1}),
        (Limits(None, 1000, 2), {"step": 500, "minutes": 0.1}),
    ],
)
def test_half_of_any_limit_is_half_of_the_shape(limits: Limits, where: dict[str, Any]) -> None:
    assert at(LearningRateSchedule("cosine", 0, limits), **where) == pytest.approx(shape_at("cosine", 0.5), abs=1e-3)
    assert at(LearningRateSchedule("cosine", 0, limits), 10**9, 10**9, 10**9) == pytest.approx(0.01)


def test_before_there_is_a_trainer_it_is_at_its_beginning() -> None:
    assert LearningRateSchedule("onecycle", 0, Limits(None, 9, None))(0) == pytest.approx(1 / 25)
