"""How long a run takes at most, and how often it is validated."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from hachimachi.io.collection import Collection
from hachimachi.training.config.compose import compose
from hachimachi.training.holdout import sample
from hachimachi.training.limits import LEAST, OFTEN, SHARE, Limits, ValidationInterval
from tests.training.test_holdout import tagged

COMPOSED = compose()


def data(events: int, held: int, window: int = 64, batch_size: int = 16) -> Any:
    """Stand in for data of so many events to learn from and held out."""
    valid = Collection.of(tagged([held])).take([0] if held else [])
    shown = sample(valid, 32768, 0)
    return SimpleNamespace(
        events=events, fine_tuned=False, valid=valid, valid_sample=shown, window=window, batch_size=batch_size
    )


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
        (4096, 400, ValidationInterval(1, None)),
        (4095, 400, ValidationInterval(2, None)),
        (2000, 200, ValidationInterval(3, None)),  # an epoch is a step or two
        (1, 0, ValidationInterval(4096, None)),
        (1000, 1000, ValidationInterval(6, None)),  # as much held out as there is to learn from
        (65_536, 7000, ValidationInterval(1, None)),
        (400_000, 10_000, ValidationInterval(None, 64)),
        (400_000, 25_000, ValidationInterval(None, 147)),
        (10**7, 10**6, ValidationInterval(None, 192)),
    ],
)
def test_pieces_are_validated_by_the_epoch_and_collections_more_often(
    events: int, held: int, pace: ValidationInterval
) -> None:
    assert ValidationInterval.of(compose(), data(events, held)) == pace


def test_the_pace_can_be_set() -> None:
    assert ValidationInterval.of(
        compose(["trainer.check_val_every_n_epoch=3"]), data(400_000, 1000)
    ) == ValidationInterval(3, None)


@pytest.mark.parametrize(
    ("words", "events", "held", "pace"),
    [
        (["trainer.max_epochs=2"], 200, 20, ValidationInterval(2, None)),  # 21 epochs make 4096 events
        (["trainer.max_epochs=40"], 200, 20, ValidationInterval(40, None)),
        (["trainer.max_epochs=63"], 200, 20, ValidationInterval(21, None)),
        (["trainer.max_epochs=65"], 200, 20, ValidationInterval(21, None)),
        (["trainer.max_epochs=1"], 70_000, 40_000, ValidationInterval(None, 69)),
        (["trainer.max_epochs=2"], 70_000, 40_000, ValidationInterval(None, 138)),
        (["trainer.max_epochs=3"], 70_000, 40_000, ValidationInterval(None, 192)),
        (["trainer.max_steps=150"], 70_000, 40_000, ValidationInterval(None, 150)),
    ],
)
def test_a_run_that_is_told_its_end_is_validated_before_it(
    words: list[str], events: int, held: int, pace: ValidationInterval
) -> None:
    assert ValidationInterval.of(compose(words), data(events, held)) == pace


@given(st.integers(1, 10**6), st.integers(0, 10**5), st.integers(2, 512), st.integers(1, 256))
def test_validation_never_eats_the_run(events: int, held: int, window: int, batch_size: int) -> None:
    here = data(events, held, window, batch_size)
    pace = ValidationInterval.of(COMPOSED, here)
    learned = events * pace.epochs if pace.epochs else (pace.batches or 0) * window * batch_size
    enough = max(LEAST, SHARE * sum(map(len, here.valid_sample)))
    assert learned >= enough
    # nor does it come more seldom than that needs: by the whole epoch for a piece, by the batch for a collection
    assert learned < (enough + events if pace.epochs else max(enough, OFTEN) + window * batch_size)


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**5),
    st.integers(2, 512),
    st.integers(1, 256),
    st.sampled_from(["max_epochs", "max_steps"]),
    st.integers(1, 300),
)
def test_a_limit_that_is_told_leaves_room_for_validation(
    events: int, held: int, window: int, batch_size: int, limit: str, most: int
) -> None:
    cfg = OmegaConf.merge(COMPOSED, {"trainer": {limit: most}})
    assert isinstance(cfg, DictConfig)
    pace = ValidationInterval.of(cfg, data(events, held, window, batch_size))
    batches = -(-events // (window * batch_size))  # of an epoch, at least
    if limit == "max_epochs":
        assert (pace.epochs or math.inf) <= most or (pace.batches or math.inf) <= batches * most
        assert not pace.epochs or most % pace.epochs < most / pace.epochs  # little is learned after the last one
    elif pace.batches:
        assert pace.batches <= most
