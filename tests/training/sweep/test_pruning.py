"""Ending jobs that fall behind the median of the finished ones."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.training.sweep.results import CURVE, Score, read_curve
from hachimachi.training.sweep.search import Prune, best_at


class Fit:
    """Stands for Lightning's trainer in the middle of a run."""

    is_global_zero, sanity_checking, should_stop = True, False, False

    def __init__(self) -> None:
        self.strategy = SimpleNamespace(reduce_boolean_decision=lambda said, all: said)  # noqa: ARG005
        self.state = SimpleNamespace(fn="fit")
        self.callback_metrics: dict[str, Any] = {}
        self.global_step = 0

    def validate(self, prune: Prune, step: int, nats: float) -> None:
        self.global_step, self.callback_metrics = step, {"val/nll": torch.tensor(nats)}
        prune.on_validation_end(self, None)  # pyright: ignore[reportArgumentType]


def finish(sweep: Path, name: str, curve: dict[int, float], **more: Any) -> None:
    folder = sweep / name
    folder.mkdir()
    rows = "".join(f"{step},0.0,{nats}\n" for step, nats in curve.items())
    (folder / CURVE).write_text("step,seconds,nats\n" + rows)
    Score(min(curve.values()), **more).write(folder)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Three finished jobs, whose best at step 10 is 5, 6 and 7, at step 20 3, 4 and 7; others say nothing."""
    finish(tmp_path, "0", {10: 5.0, 20: 3.0})
    finish(tmp_path, "1", {10: 6.0, 20: 4.0})
    finish(tmp_path, "2", {10: 7.0, 20: 9.0})
    finish(tmp_path, "3", {10: 0.1}, pruned=10)
    finish(tmp_path, "4", {10: 0.1}, stopped="Ctrl-C")
    finish(tmp_path, "5", {10: 0.1}, error="no")
    (tmp_path / "9").mkdir()
    return tmp_path


def go(sweep: Path, after: int | None, warmup: int, *validations: tuple[int, float]) -> Prune:
    prune, fit = Prune(sweep / "9", sweep, after, warmup), Fit()
    prune.on_train_start(fit, None)  # pyright: ignore[reportArgumentType]
    for step, nats in validations:
        if not fit.should_stop:
            fit.validate(prune, step, nats)
    assert fit.should_stop == (prune.pruned is not None)
    return prune


def test_what_is_behind_at_the_same_step_is_ended(sweep: Path) -> None:
    assert go(sweep, 3, 0, (10, 6.5)).pruned == 10
    assert go(sweep, 3, 0, (10, 6.0), (15, 6.2), (20, 4.5)).pruned == 20


def test_what_keeps_up_goes_on(sweep: Path) -> None:
    assert go(sweep, 3, 0, (10, 5.5), (20, 3.9), (30, 8.0)).pruned is None  # the best counts, not the last


def test_not_before_enough_have_finished_nor_in_the_first_steps(sweep: Path) -> None:
    assert go(sweep, 4, 0, (10, 99.0), (20, 99.0)).pruned is None
    assert go(sweep, 3, 20, (10, 99.0), (20, 99.0)).pruned == 20
    assert go(sweep, None, 0, (10, 99.0)).pruned is None


def test_where_no_other_was_validated_yet_nothing_is_compared(sweep: Path) -> None:
    assert go(sweep, 1, 0, (9, 99.0)).pruned is None


def test_jobs_that_finish_meanwhile_count(sweep: Path) -> None:
    prune, fit = Prune(sweep / "9", sweep, 4, 0), Fit()
    prune.on_train_start(fit, None)  # pyright: ignore[reportArgumentType]
    fit.validate(prune, 10, 6.5)
    assert prune.pruned is None
    finish(sweep, "6", {10: 6.0})
    fit.validate(prune, 11, 6.5)
    assert prune.pruned == 11


def test_its_curve_is_on_disk_as_it_goes(sweep: Path) -> None:
    go(sweep, None, 0, (10, 6.5), (20, 4.25))
    assert read_curve(sweep / "9") == [(10, 6.5), (20, 4.25)]


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 9)), max_size=9), st.integers(0, 60))
def test_the_best_up_to_a_step_never_rises(curve: list[tuple[int, float]], step: int) -> None:
    before, later = best_at(curve, step), best_at(curve, step + 5)
    assert before is None or (later is not None and later <= before)
    assert (before is None) == all(at > step for at, _ in curve)
