"""What a model begins with that has learned other data before: the same functions, where columns are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hachimachi.checkpoint import load_model, load_player, read_model, save_model
from hachimachi.columns import Column, UniformGrid, fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.models.transfer import adopt_columns, check_transferable, transfer
from tests.conftest import chi_square

Make = Callable[..., EventModel]
BACKBONES = ("gru", "lstm", "mingru", "transformer")


def begin(base: EventModel, data: EventSequence) -> EventModel:
    """Return a model for data that has learned what a base has."""
    columns = adopt_columns(fit_columns([data]), base)
    model = build_model([data], base.parts["backbone"], base.parts["head"], columns)
    transfer(base, model)
    return model.eval()


def keep(data: EventSequence, *names: str) -> EventSequence:
    kept = [i for i, feature in enumerate(data.features) if feature.name in names]
    return replace(data, features=tuple(data.features[i] for i in kept), data=data.data[:, kept])


@pytest.mark.parametrize("backbone", BACKBONES)
def test_on_its_own_data_nothing_changes(make: Make, events: EventSequence, rows: Tensor, backbone: str) -> None:
    base = make(backbone, "autoregressive")
    model = begin(base, events)
    known = [column.reference is not None for column in model.columns]
    assert known == [True, True, True, True, False]  # categories have no scale
    torch.testing.assert_close(model.log_prob(rows), base.log_prob(rows), rtol=0, atol=2e-3)


def test_so_it_is_for_a_model_that_began_with_another() -> None:
    chance, features = np.random.default_rng(0), (Feature("pitch", "integer", min=0, max=127),)
    times = np.arange(400) / 4
    wide, narrow = (
        EventSequence(features, chance.choice(pitches, (400, 1)), times)
        for pitches in ([60.0, 62.0, 64.0], [60.0, 62.0])
    )
    torch.manual_seed(0)
    base = build_model([wide], {"name": "gru", "size": 8}).eval()
    assert base.columns[1].tilts == 3
    first = begin(base, narrow)
    rows = torch.from_numpy(narrow.rows())[None]
    torch.testing.assert_close(begin(first, narrow).log_prob(rows), first.log_prob(rows), rtol=0, atol=2e-3)
    back = begin(first, wide)
    torch.testing.assert_close(back.log_prob(rows), begin(base, wide).log_prob(rows), rtol=0, atol=2e-3)


def test_columns_that_one_lacks_leave_the_others_what_they_know(make: Make, events: EventSequence) -> None:
    base = make("gru", "autoregressive")
    fewer = begin(base, keep(events, "pitch", "duration"))
    assert [column.name for column in fewer.columns] == ["time", "pitch", "duration"]
    knob = np.column_stack([events.data, np.linspace(0, 1, len(events))])
    more = replace(events, features=(*events.features, Feature("knob")), data=knob)
    model = begin(base, more)
    assert model.columns[-1].reference is None
    for each, data in ((fewer, keep(events, "pitch", "duration")), (model, more)):
        past = torch.from_numpy(data.rows()[:20])
        for _, _, p in each.table(past).values():
            assert abs(p.sum() - 1) < 1e-6
    # what is new is not heard at first
    silent = more.rows()
    silent[:, -1] = 0.5
    whole, other = (torch.from_numpy(each)[None] for each in (more.rows(), silent))
    torch.testing.assert_close(model.log_prob(whole)[..., :-1], model.log_prob(other)[..., :-1])


def test_the_shares_of_values_begin_as_those_of_the_data() -> None:
    def notes(pitches: np.ndarray) -> EventSequence:
        return EventSequence(
            (Feature("pitch", min=0, max=127),), pitches[:, None], np.arange(len(pitches)) / 4, "notes"
        )

    random = np.random.default_rng(0)
    base = build_model([notes(random.integers(48, 72, 4000).astype(float))]).eval()
    piece = notes(random.choice([60.0, 64.0, 67.0], 400))
    low, _, p = begin(base, piece).table(torch.from_numpy(piece.rows()[:10]))["pitch"]
    assert p[np.isin(low + 0.5, [60, 64, 67])].sum() > 0.8


def test_grids_of_another_step_and_values_beyond_start_from_the_data(make: Make, events: EventSequence) -> None:
    base = make("gru", "autoregressive")
    finer = replace(
        events, features=tuple(replace(f, resolution=0.001) if f.name == "level" else f for f in events.features)
    )
    beyond = replace(events, data=events.data + np.array([200.0, 0, 0, 0]))
    beyond = replace(beyond, features=tuple(replace(f, max=500) if f.name == "pitch" else f for f in events.features))
    for data, name in ((finer, "level"), (beyond, "pitch")):
        [column] = [column for column in adopt_columns(fit_columns([data]), base) if column.name == name]
        assert column.reference is None
        assert torch.isfinite(begin(base, data).log_prob(torch.from_numpy(data.rows())[None])[:, 1:]).all()


def test_a_range_without_bounds_lies_in_that_of_the_base(make: Make, events: EventSequence) -> None:
    base, open_features = make("gru", "autoregressive"), tuple(replace(f, min=None, max=None) for f in events.features)
    pitch = next(
        c for c in adopt_columns(fit_columns([replace(events, features=open_features)]), base) if c.name == "pitch"
    )
    assert isinstance(pitch.grid, UniformGrid)
    assert (pitch.grid.low, pitch.grid.high) == (0, 127)
    assert pitch.played[0] >= 30  # what is played is near what the data has, not the base


def test_instruments_are_found_by_their_numbers(make: Make, events: EventSequence) -> None:
    base = make("gru", "autoregressive")
    data = events.data.copy()
    data[:, 3] = np.where(data[:, 3] == 0, 40, data[:, 3])  # 5, 40 and 128; the base has 0, 5 and 128
    model = begin(base, replace(events, data=data))
    mine, theirs = (each.encoder.get_parameter("parts.3.embedding.weight") for each in (model, base))
    assert torch.equal(mine[[0, 2]], theirs[[1, 2]])
    assert torch.equal(mine[1], theirs[-1])


@pytest.mark.parametrize("half", [False, True])
def test_it_is_stored_and_played(make: Make, events: EventSequence, rows: Tensor, tmp_path: Path, half: bool) -> None:
    model = begin(make("gru", "autoregressive"), keep(events, "pitch", "level", "duration"))
    save_model(model, tmp_path / "model.pt", half=half)
    loaded = load_model(tmp_path / "model.pt")
    assert loaded.columns == model.columns
    assert all(weight.dtype == torch.float32 for weight in loaded.parameters())
    rows = rows[..., :-1]
    torch.testing.assert_close(loaded.log_prob(rows), model.log_prob(rows), rtol=0, atol=1.0 if half else 1e-5)
    player = load_player(tmp_path / "model.pt", seed=2)
    for row in rows[0, :30].numpy():
        player.observe(row)
    low, high, p = loaded.table(rows[0, :30])["pitch"]
    drawn = np.array([player.sample()[1] for _ in range(4000)])
    likely = p * 4000 > 5
    counts = ((drawn[:, None] >= low[likely]) & (drawn[:, None] < high[likely])).sum(0)
    rest = np.append(counts, 4000 - counts.sum())
    assert chi_square(rest, np.append(p[likely], 1 - p[likely].sum())) > 1e-4


def test_half_precision_takes_half_the_room(make: Make, tmp_path: Path) -> None:
    model = make("gru", "autoregressive")
    for name, half in (("whole.pt", False), ("half.pt", True)):
        save_model(model, tmp_path / name, half=half)
    sizes = [sum(w.nbytes for w in read_model(tmp_path / name).weights.values()) for name in ("whole.pt", "half.pt")]
    assert sizes[0] == sizes[1]  # as it is read
    weights = sum(weight.numel() for weight in model.parameters())
    saved = (tmp_path / "whole.pt").stat().st_size - (tmp_path / "half.pt").stat().st_size
    assert saved > 1.9 * weights


def test_a_column_reads_back_with_its_reference(make: Make, events: EventSequence) -> None:
    columns = adopt_columns(fit_columns([events]), make("gru", "autoregressive"))
    assert [Column.from_json(column.to_json()) for column in columns] == list(columns)
    spec = columns[1].to_json()
    spec["reference"]["grid"]["lattice"]["high"] += 1
    with pytest.raises(HachimachiError, match="contradict"):
        Column.from_json(spec)


def test_what_cannot_be_taken_apart_is_refused(
    make: Make, events: EventSequence, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HachimachiError, match="mixture"):
        check_transferable(make("gru", "mixture"))
    base = make("gru", "autoregressive")
    monkeypatch.setattr(type(base.backbone), "input_weight", "")
    begin(base, events)  # the same columns
    with pytest.raises(HachimachiError, match="input_weight"):
        begin(base, keep(events, "pitch"))
