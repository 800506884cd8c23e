"""How long a run takes at most, and how often it is validated."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.training.config import compose
from hachimachi.training.holdout import sample
from hachimachi.training.limits import Limits, Pace
from tests.training.test_holdout import tagged


def data(events: int, held: int, window: int = 64, batch_size: int = 16) -> Any:
    """Stand in for data of so many events to learn from and held out."""
    valid = tagged([held]) if held else []
    shown = sample(valid, 32768, 0)
    return SimpleNamespace(events=events, valid=valid, valid_sample=shown, window=window, batch_size=batch_size)


@pytest.mark.parametrize(
    ("events", "held", "told"),
    [
        (1, 0, "60 steps or about 45 s"),
        (2000, 200, "about 45 s"),
        (10_000, 1000, "about 45 s"),
        (25_000, 2500, "about 112 s"),
        (100_000, 10_000, "about 8 minutes"),
        (10**9, 40_000, "about 14 minutes"),
    ],
)
def test_time_grows_with_the_data(events: int, held: int, told: str) -> None:
    assert str(Limits.of(compose(), data(events, held))) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trainer.max_epochs=1"], "1 epoch"),
        (["trainer.max_steps=1"], "1 step"),
        (["trainer.max_steps=1200", "trainer.max_minutes=2"], "1,200 steps or about 2 minutes"),
        (["trainer.max_minutes=0.5"], "about 30 s"),
    ],
)
def test_what_is_told_is_taken(words: list[str], told: str) -> None:
    assert str(Limits.of(compose(words), data(2000, 200))) == told


@pytest.mark.parametrize(
    ("events", "held", "pace"),
    [
        (2000, 200, Pace(1, None)),
        (1000, 1000, Pace(4, None)),  # as much held out as there is to learn from
        (0, 10, Pace(40, None)),
        (65_536, 7000, Pace(1, None)),
        (400_000, 10_000, Pace(None, 64)),
        (400_000, 25_000, Pace(None, 98)),
        (10**7, 10**6, Pace(None, 128)),
    ],
)
def test_pieces_are_validated_by_the_epoch_and_collections_more_often(events: int, held: int, pace: Pace) -> None:
    assert Pace.of(compose(), data(events, held)) == pace


def test_the_pace_can_be_set() -> None:
    assert Pace.of(compose(["trainer.check_val_every_n_epoch=3"]), data(400_000, 1000)) == Pace(3, None)


@given(st.integers(1, 10**6), st.integers(0, 10**5), st.integers(2, 512), st.integers(1, 256))
def test_validation_never_eats_the_run(events: int, held: int, window: int, batch_size: int) -> None:
    here = data(events, held, window, batch_size)
    pace = Pace.of(compose(), here)
    learned = events * pace.epochs if pace.epochs else (pace.batches or 0) * window * batch_size
    assert learned >= 4 * sum(map(len, here.valid_sample))
    assert learned <= max(events, 4 * 32768 + events, 65_536 + window * batch_size)
