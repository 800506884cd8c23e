"""Masked features are hidden from a model, unless they are known: then they are inputs, in training now and then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hachimachi.checkpoint import load_model, load_player, save_model
from hachimachi.columns import fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.models.transfer import adopt_columns, transfer
from hachimachi.player.engine import Player
from hachimachi.training.module import EventModule

DURATION, CHANGED = 3, 20  # the masked column, and the event whose value is another
KINDS = ("continuous", "categorical")


@pytest.fixture(params=KINDS)
def data(request: pytest.FixtureRequest, events: EventSequence) -> EventSequence:
    """The events, their masked column of either kind."""
    if request.param == "continuous":
        return events
    features = (*events.features[:2], Feature("duration", "categorical", masked=True), events.features[3])
    values = events.data.copy()
    values[:, 2] = np.round(values[:, 2] * 4)
    return replace(events, features=features, data=values)


def build(data: EventSequence, *, hear_masked: bool = True, backbone: str = "gru") -> EventModel:
    torch.manual_seed(0)
    model = build_model([data], {"name": backbone, "size": 8, "dropout": 0.0}, hear_masked=hear_masked).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


def alter(data: EventSequence) -> tuple[Tensor, Tensor]:
    """Return the rows, shape (1, N, D), and the same with another masked value at one event."""
    rows = torch.from_numpy(data.rows())[None]
    other = rows.clone()
    other[0, CHANGED, DURATION] = rows[0, :, DURATION].unique()[-2]
    assert other[0, CHANGED, DURATION] != rows[0, CHANGED, DURATION]
    return rows, other


def test_what_is_masked_is_an_input_where_it_is_known_alone(data: EventSequence) -> None:
    model = build(data)
    rows, other = alter(data)
    with torch.inference_mode():
        hidden, same = model.log_prob(rows), model.log_prob(other)
        heard, differs = model.log_prob(rows, known=True), model.log_prob(other, known=True)
    assert torch.equal(hidden[:, CHANGED + 1 :], same[:, CHANGED + 1 :])
    assert torch.equal(heard[:, :CHANGED], differs[:, :CHANGED])
    assert not torch.equal(heard[:, CHANGED + 1], differs[:, CHANGED + 1])
    deaf = build(data, hear_masked=False)
    assert deaf.encoder.masked is None
    with torch.inference_mode():
        assert torch.equal(deaf.log_prob(rows, known=True), deaf.log_prob(rows))


def test_without_masked_columns_there_is_nothing_to_hear() -> None:
    data = make_sequence([[60.0, 1.0], [62.0, 0.5], [64.0, 0.2]], [0, 0.5, 1])
    assert build_model([data], hear_masked=True).encoder.masked is None


@pytest.mark.parametrize("backbone", ["gru", "transformer"])
def test_the_player_hears_what_a_row_holds(data: EventSequence, tmp_path: Path, backbone: str) -> None:
    model = build(data, backbone=backbone)
    save_model(model, tmp_path / "model.pt")
    rows, known = torch.from_numpy(data.rows())[:40], torch.rand(40) < 0.5
    for player in (load_player(tmp_path / "model.pt"), Player(load_model(tmp_path / "model.pt"))):
        with torch.inference_mode():
            carry = model.start()[1]
            for row, hears in zip(rows, known.tolist(), strict=True):
                _, carry = model.step(row[None], carry, known=hears)
                seen = row.clone()
                seen[DURATION] = row[DURATION] if hears else torch.nan
                player.observe(seen.numpy())
            hidden, _ = model.observe(carry.last, carry.state)
            player.observe(np.full(len(model.columns), np.nan))
        assert player.state.hidden.shape == hidden[0].shape
    # the last observed event, encoded: bit for bit what torch makes of it
    player = Player(model)
    player.observe(rows[0].numpy())
    with torch.inference_mode():
        _, carry = model.step(rows[:1], model.start()[1], known=True)
    np.testing.assert_allclose(player.encoder.encoded, carry.last[0].numpy(), rtol=1e-5, atol=1e-6)


def test_some_are_known_in_training(events: EventSequence, monkeypatch: pytest.MonkeyPatch) -> None:
    module = EventModule(build(events))
    given: list[Tensor] = []

    def log_prob(rows: Tensor, _augmented: object, _original: object, known: Tensor) -> Tensor:
        given.append(known)
        return torch.zeros_like(rows)

    monkeypatch.setattr(module, "log_prob", log_prob)
    torch.manual_seed(0)
    module.training_step(torch.from_numpy(events.rows())[None].expand(400, -1, -1), 0)
    shares = given[0].double().mean((1, 2))  # (400,)
    assert 0.15 < float((shares == 0).double().mean()) < 0.35
    assert 0.15 < float((shares == 1).double().mean()) < 0.35
    assert 0.45 < float(shares.mean()) < 0.55


def test_figures_hide_them_unless_told(events: EventSequence) -> None:
    model = build(events)
    rows, _ = alter(events)
    with torch.inference_mode():
        exact = build(events).double()
        hidden, heard = (-exact.log_prob(rows, known=known)[0, 1:].sum(-1).mean() for known in (False, True))
    assert evaluate(model, events).nats_per_event == pytest.approx(float(hidden), abs=1e-6)
    assert evaluate(model, events, hear=["duration"]).nats_per_event == pytest.approx(float(heard), abs=1e-6)
    assert abs(float(hidden - heard)) > 1e-3
    with pytest.raises(HachimachiError, match="hear 'pitch': expected a masked feature, duration"):
        evaluate(model, events, hear=["pitch"])
    with pytest.raises(HachimachiError, match="never hears masked features"):
        evaluate(build(events, hear_masked=False), events, hear=["duration"])


def test_tables_know_as_much(events: EventSequence) -> None:
    model = build(events)
    past = torch.from_numpy(events.rows()[: CHANGED + 1])
    other = past.clone()
    other[CHANGED, DURATION] *= 2
    tables = [model.table(each, known=known)["pitch"][2] for known in (False, True) for each in (past, other)]
    assert np.array_equal(tables[0], tables[1])
    assert not np.array_equal(tables[2], tables[3])
    assert all(abs(table.sum() - 1) < 1e-9 for table in tables)


def test_a_model_that_begins_with_a_deaf_one_learns_to_hear(events: EventSequence) -> None:
    base, model = build(events, hear_masked=False), build(events)
    transfer(base, model)
    rows, _ = alter(events)
    with torch.inference_mode():
        heard, hidden = model.log_prob(rows, known=True), model.log_prob(rows)
    torch.testing.assert_close(heard, hidden, rtol=0, atol=1e-6)
    loss = -model.log_prob(rows, known=True).sum()
    loss.backward()
    weight = model.backbone.get_parameter(str(model.backbone.input_weight))
    assert weight.grad is not None
    assert bool((weight.grad[:, (weight == 0).all(0)] != 0).any())


def test_a_base_that_knows_a_column_always_has_no_flag_for_it(events: EventSequence) -> None:
    features = tuple(replace(feature, masked=False) for feature in events.features)
    base = build(replace(events, features=features), hear_masked=False)
    columns = adopt_columns(fit_columns([events]), base)
    model = build_model([events], base.parts["backbone"], base.parts["head"], columns, hear_masked=True).eval()
    transfer(base, model)
    rows, _ = alter(events)
    with torch.inference_mode():
        expected, heard = base.log_prob(rows), model.log_prob(rows, known=True)
    others = [0, 1, 2]  # a duration that may be unknown has no component that moves along with the one before
    torch.testing.assert_close(heard[..., others], expected[..., others], rtol=0, atol=2e-3)
