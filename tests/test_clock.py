"""How much time has passed: fitted where it matters, read alike by both forms of a model, bounded on a long evening."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hachimachi import io
from hachimachi.checkpoint import load_model, load_player, save_model
from hachimachi.clock import Clock, fit_clock, predicts
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player
from hachimachi.training.data import EventDataModule

HOURS = 36_000.0
FEATURES = (Feature("level"),)
STEP = 0.01


def make(times: NDArray[np.float64], name: str) -> EventSequence:
    random = np.random.default_rng(sum(name.encode()))
    return EventSequence(FEATURES, random.normal(size=(len(times), 1)), times, name)


def corrected(count: int = 40, events: int = 60) -> list[EventSequence]:
    """Events that keep to a beat, each a little early or late: what comes next depends on how late the last one was."""
    random = np.random.default_rng(3)
    times = np.arange(events) + random.uniform(-0.4, 0.4, (count, events))
    times[:, 0] = 0.0
    return [make(each, f"corrected {i}") for i, each in enumerate(times)]


def memoryless(count: int = 40, events: int = 60) -> list[EventSequence]:
    random = np.random.default_rng(4)
    times = random.exponential(1.0, (count, events)).cumsum(1)
    return [make(each - each[0], f"memoryless {i}") for i, each in enumerate(times)]


@pytest.fixture(scope="module")
def model() -> EventModel:
    """A small model with a clock and random weights."""
    torch.manual_seed(0)
    data = corrected(20)
    built = build_model(data, {"name": "gru", "size": 8}, clock=fit_clock(data, STEP).numbers).eval()
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return built


def test_it_is_of_use_where_time_passed_tells_what_comes_and_only_there() -> None:
    random = np.random.default_rng(5)
    tempos = [make(each.time * random.lognormal(0, 0.5), f"tempo {i}") for i, each in enumerate(memoryless())]  # pyright: ignore[reportOptionalOperand]
    steady = [make(np.arange(60) / 3, f"steady {i}") for i in range(40)]
    for data, expected in ((corrected(), True), (memoryless(), False), (tempos, False), (steady, False)):
        train, held_out = data[:30], data[30:]
        assert predicts(fit_clock(train, STEP), train, held_out, STEP) is expected
    few = corrected()[:10]
    assert not predicts(fit_clock(few, STEP), few, corrected()[30:], STEP)  # too few to tell


def test_it_finds_the_pace_and_periods() -> None:
    clock = fit_clock(corrected(), STEP)
    assert clock.pace == pytest.approx(1, abs=0.01)
    assert clock.spread < 0.5
    assert clock.periods[0] == pytest.approx(59, abs=1)
    assert all(long == pytest.approx(2 * short) for long, short in zip(clock.periods, clock.periods[1:], strict=False))
    assert clock.periods[-1] >= 7.9
    assert Clock.of(clock.numbers) == clock


def test_one_event_and_events_at_one_time_have_a_clock_too() -> None:
    for times in (np.zeros(1), np.zeros(5)):
        clock = fit_clock([make(times, "still")] * 3, STEP)
        assert all(math.isfinite(number) for number in [*clock.numbers, *clock.read(0.0, 0), *clock.read(5.0, 3)])


@pytest.mark.parametrize("elapsed", [0.0, 1.5, 59.0, HOURS])
def test_what_it_shows_stays_small(elapsed: float) -> None:
    for index in (0, elapsed, 100 * elapsed):
        shown = fit_clock(corrected(), STEP).read(elapsed, index)
        assert len(shown) == fit_clock(corrected(), STEP).size
        assert max(map(abs, shown)) < 25


def test_both_forms_of_a_model_read_it_alike(model: EventModel) -> None:
    rows = torch.from_numpy(corrected(1)[0].rows())
    distribution, carry = model.start()
    player = Player(model)
    for row in rows:
        expected = distribution.log_prob(row[None])
        hidden = torch.from_numpy(player.state.hidden)[None]
        torch.testing.assert_close(model.head(hidden).log_prob(row[None]), expected, rtol=1e-4, atol=1e-4)
        distribution, carry = model.step(row[None], carry)
        player.observe(row.numpy())
    assert player.state.moment == (pytest.approx(float(carry.moment[0, 0])), float(carry.moment[0, 1]))


def test_a_sequence_in_pieces_costs_what_it_costs_as_a_whole(model: EventModel) -> None:
    rows = torch.from_numpy(corrected(1)[0].rows())[None]
    whole, _ = model(rows)
    _, carry = model(rows[:, :23])
    rest, _ = model(rows[:, 23:], carry)
    torch.testing.assert_close(rest.log_prob(rows[:, 23:]), whole.log_prob(rows)[:, 23:], rtol=1e-5, atol=1e-5)


def test_it_plays_on_after_ten_hours(model: EventModel) -> None:
    player = Player(model, seed=1)
    player.observe(np.array([math.nan, 0.0]))
    player.observe(np.array([HOURS, 0.0]))
    for _ in range(100):
        row = player.sample()
        assert np.isfinite(row).all()
        player.observe(row)
    assert player.state.moment[0] > HOURS
    player.reset()
    assert player.state.moment == (0.0, -1)


def test_it_travels_in_the_model_file(model: EventModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model.pt")
    assert torch.equal(load_model(tmp_path / "model.pt").encoder.clock, model.encoder.clock)  # pyright: ignore[reportArgumentType]
    one, other = Player(model, seed=5), load_player(tmp_path / "model.pt", seed=5)
    for _ in range(20):
        rows = one.sample(), other.sample()
        np.testing.assert_array_equal(*rows)
        one.observe(rows[0])
        other.observe(rows[1])


def test_training_takes_sequences_as_a_whole_and_at_their_pace(tmp_path: Path) -> None:
    io.write(tmp_path / "data.json", corrected(100))
    data = EventDataModule(tmp_path / "data.json", clock=None)
    data.setup()
    assert data.clock is not None
    assert any("how much time has passed" in line for line in data.remarks)
    assert data.window == 60
    loaded = list(data.train_dataloader())
    assert len(loaded) == data.batches
    for batch in loaded:
        assert batch[:, 0, 0].isnan().all()
    augmentation = data.decide_augmentation(share=0.5, transpose=6, louder=10, stretch=0.2)
    assert "time" not in augmentation.names(data.columns)
    for clock, window in ((False, None), (None, 32)):
        other = EventDataModule(tmp_path / "data.json", clock=clock, window=window)
        other.setup()
        assert other.clock is None
        assert other.window != 60


def test_asked_for_where_it_cannot_be(tmp_path: Path) -> None:
    io.write(tmp_path / "few.json", corrected(3))
    with pytest.raises(HachimachiError, match="it takes sequences with time, of up to 1,024 events"):
        EventDataModule(tmp_path / "few.json", clock=True).setup()


@pytest.mark.parametrize(
    "numbers", [[1.0, 0.0, 0.0, 5.0], [1.0, 0.0, 1.0, 0.0], [math.nan, 0.0, 1.0, 5.0], [1.0, 0.0, 1.0]]
)
def test_numbers_that_cannot_be(numbers: list[float]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Clock.of(numbers)


def test_notes_have_a_tempo_and_no_clock(tmp_path: Path) -> None:
    notes = [EventSequence((Feature("pitch", kind="integer"),), 60 + (5 * each.data).round(), each.time, each.name)
             for each in corrected()]  # fmt: skip
    io.write(tmp_path / "notes.json", notes)
    for asked, expected in ((None, False), (True, True)):
        data = EventDataModule(tmp_path / "notes.json", clock=asked)
        data.setup()
        assert (data.clock is not None) is expected
