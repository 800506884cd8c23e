"""Each column goes back towards its marginals as far as that helps with what is held out, alone."""

from typing import Any

import numpy as np
import pytest
import torch

from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.training.shrinkage import SHARES, shrink


@pytest.fixture
def pieces(make_pieces: Any) -> list[EventSequence]:
    return make_pieces([120, 60])


def build(pieces: list[EventSequence], wild: float, head: str = "autoregressive") -> EventModel:
    torch.manual_seed(0)
    model = build_model(pieces[:1], {"name": "gru", "size": 8}, {"name": head}).eval()
    with torch.no_grad():
        for weight in model.head.parameters():
            weight.add_(wild * torch.randn_like(weight))
    return model


def nats(model: EventModel, pieces: list[EventSequence]) -> dict[str, float]:
    return {name: each["nats"] for name, each in evaluate(model, pieces).by_feature().items()}


def test_a_share_of_one_changes_nothing_and_of_zero_gives_the_marginals(pieces: list[EventSequence]) -> None:
    model = build(pieces, wild=0.5)
    before = nats(model, pieces)
    model.head.shrink([1.0] * 5)
    assert nats(model, pieces) == before
    model.head.shrink([0.0] * 5)
    result = evaluate(model, pieces[:1])
    assert result.nats_per_event == pytest.approx(result.marginal_nats_per_event, abs=0.15 * 5)


def test_a_column_is_changed_alone(pieces: list[EventSequence]) -> None:
    model = build(pieces, wild=0.5)
    before = nats(model, pieces)
    model.head.shrink([1.0, 1.0, 0.5, 1.0, 1.0])
    after = nats(model, pieces)
    assert {name for name in before if before[name] != after[name]} == {"velocity"}


def test_each_column_keeps_what_is_best(pieces: list[EventSequence]) -> None:
    model = build(pieces, wild=0.2)
    each = []
    for share in SHARES:
        other = build(pieces, wild=0.2)
        other.head.shrink([share] * 5)
        each.append(list(nats(other, pieces).values()))
    kept = shrink(model, pieces)
    assert list(kept) == ["time", "pitch", "velocity", "duration", "instrument"]
    assert list(nats(model, pieces).values()) == pytest.approx(np.min(each, axis=0), abs=1e-6)
    assert list(kept.values()) == [SHARES[place] for place in np.argmin(each, axis=0)]
    assert min(kept.values()) < 1  # noise is not kept


def test_nothing_to_judge_by_and_nothing_to_take_back(pieces: list[EventSequence]) -> None:
    model = build(pieces, wild=0.5)
    before = nats(model, pieces)
    assert shrink(model, []) == shrink(model, [pieces[0][:1]]) == {}
    assert nats(model, pieces) == before
    classic = build(pieces, wild=0.1, head="mixture")
    assert shrink(classic, pieces) == {}
