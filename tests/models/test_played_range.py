"""What lies far beyond the training range is heard, with its probability, and never played unless it is asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hachimachi import plugins
from hachimachi.columns import BEYOND
from hachimachi.constraints import Constraint
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel
from hachimachi.player.engine import Player
from hachimachi.sampling import Sampling

Make = Callable[..., EventModel]
SHAPES = [Sampling(), Sampling(0.8), Sampling(1.4), Sampling(top_p=0.9), Sampling(min_p=0.01)]


def draw(model: EventModel, sampling: Sampling, draws: int = 300) -> np.ndarray:
    player = Player(model, 0, sampling=sampling)
    return np.array([player.sample() for _ in range(draws)])


@pytest.mark.parametrize("head", plugins.names("head"))
@pytest.mark.parametrize("sampling", SHAPES, ids=["plain", "cool", "hot", "top-p", "min-p"])
def test_no_draw_leaves_the_training_range_by_more_than_a_tenth(make: Make, head: str, sampling: Sampling) -> None:
    model = make(head=head)  # its wild weights throw far
    for column, values in zip(model.columns[:4], draw(model, sampling).T, strict=False):
        first, last = column.played
        index = column.grid.index(values)
        assert first <= index.min() <= index.max() <= last
        width = column.occupied[-1] - column.occupied[0]
        assert column.occupied[-1] <= last <= column.occupied[-1] + BEYOND * width + 1


@pytest.mark.parametrize("head", plugins.names("head"))
def test_asked_for_it_plays_beyond(make: Make, events: EventSequence, head: str) -> None:
    highest = events.column("level").max()
    far = Sampling(constraints={"level": Constraint.between(1.5 * highest, 3 * highest)})
    played = draw(make(head=head), far, 50)[:, 2]
    assert 1.5 * highest <= played.min() <= played.max() <= 3 * highest


@pytest.mark.parametrize("head", plugins.names("head"))
def test_it_is_heard_all_the_same(make: Make, events: EventSequence, rows: torch.Tensor, head: str) -> None:
    model = make(head=head)
    _, high, p = model.table(rows[0])["level"]
    assert p[high > 2 * events.column("level").max()].sum() > 0
