"""Learning from less: what is held out stays, and less is a part of more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi.training.data import EventDataModule
from hachimachi.training.holdout import draw


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 700), st.integers(0, 5))
def test_so_many_events_are_left_and_less_is_a_part_of_more(lengths: list[int], most: int, seed: int) -> None:
    kept, more = draw(lengths, most, seed), draw(lengths, most + 20, seed)
    assert sum(kept.values()) == min(most, sum(lengths))
    assert all(0 < length <= lengths[place] for place, length in kept.items())
    assert list(kept) == sorted(kept)
    assert sum(length < lengths[place] for place, length in kept.items()) <= 1
    assert all(more[place] >= length for place, length in kept.items())


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        ([200], "limited to 50 of 180 events: the beginning"),
        ([40] * 10, "limited to 50 of 360 events: 2 of 9 sequences, drawn by seed, one of them cut"),
    ],
)
def test_what_is_held_out_stays(folder: Path, save: Callable[..., None], lengths: list[int], said: str) -> None:
    save(*lengths)
    full, less = EventDataModule(folder / "data.json"), EventDataModule(folder / "data.json", limit_events=50)
    for data in (full, less):
        data.setup()
    assert less.events == 50
    assert less.remarks == [*full.remarks, said]
    assert [each.name for each in less.valid] == [each.name for each in full.valid]
    assert all(np.array_equal(one.data, other.data) for one, other in zip(less.valid, full.valid, strict=True))
    windows = {tuple(row) for batch in less.train_dataloader() for row in batch.reshape(-1, batch.shape[-1]).tolist()}
    there = {tuple(row) for sequence in full.train for row in sequence.rows().tolist()}
    assert {row for row in windows if not np.isnan(row).any()} <= there


def test_a_limit_that_is_no_limit_changes_nothing(folder: Path, save: Callable[..., None]) -> None:
    save(100)
    data = EventDataModule(folder / "data.json", limit_events=90)
    data.setup()
    assert (data.events, data.remarks) == (90, [])
