"""What is drawn is what is stated: frequencies of draws against the probability table, by chi-square."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hachimachi.columns import Column, fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.grid import Categories
from hachimachi.models import parts
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.models.sampling import Sampling
from hachimachi.models.step import Player

DRAWS = 2500
HEADS = parts.names("head")
Make = Callable[..., EventModel]
Floats = NDArray[np.float64]


def chi_square(counts: Floats, p: Floats) -> float:
    """Return Pearson's statistic as a standard normal deviate (Wilson & Hilferty 1931), rare bins taken together."""
    order = np.argsort(p)[::-1]
    counts, expected = counts[order], p[order] * counts.sum()
    group = np.minimum(np.arange(len(p)), max(int((expected >= 10).sum()), 1))
    observed, expected = np.bincount(group, counts), np.bincount(group, expected)
    freedom = max(len(expected) - 1, 1)
    statistic = float(((observed - expected) ** 2 / np.maximum(expected, 1e-3)).sum())
    return ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / (2 / (9 * freedom)) ** 0.5


def temper(table: Floats, temperature: float) -> Floats:
    powered = table ** (1 / temperature)
    return powered / powered.sum()


def stated(model: EventModel, past: torch.Tensor, given: dict[str, float], name: str) -> Floats:
    """Return the table of a column; an unknown category cannot be played."""
    table = model.table(past, given)[name][2]
    column = next(column for column in model.columns if column.name == name)
    return table[:-1] / table[:-1].sum() if isinstance(column.grid, Categories) else table


def count(column: Column, values: Floats) -> Floats:
    bins = column.grid.bins - isinstance(column.grid, Categories)
    return np.bincount(column.grid.index(values), minlength=bins).astype(float)


def draw(model: EventModel, past: torch.Tensor, temperature: float, draws: int = DRAWS) -> Floats:
    player = Player(model, 0, temperature)
    for row in past:
        player.hear(row.numpy())
    return np.array([player.sample() for _ in range(draws)])


@pytest.fixture(scope="module", params=HEADS)
def coupled(request: pytest.FixtureRequest) -> EventModel:
    """A model of time (often zero), a number of five values and one continuous, all depending on each other."""
    chance = np.random.default_rng(0)
    kind = chance.choice(4, 300, p=[0.4, 0.3, 0.2, 0.1])
    steps = chance.exponential(0.05, 300) * (chance.random(300) < 0.5)
    features = (
        Feature("kind", kind="categorical"),
        Feature("whole", kind="integer", min=0, max=9),
        Feature("real", min=0, max=1, resolution=0.05),
    )
    values = np.column_stack([kind, (kind * 2 + chance.integers(0, 3, 300)), chance.beta(2, 5, 300)]).astype(float)
    torch.manual_seed(5)
    data = EventSequence(features, values, np.cumsum(steps))
    columns = fit_columns([data], overrides={"time": {"max": 0.5}})  # small tables are quick
    options = {"components": 4} if request.param == "mixture" else {}
    model = build_model([data], {"name": "gru", "size": 8}, {"name": request.param, **options}, columns)
    with torch.no_grad():
        for weight in model.head.parameters():
            # enough to couple the columns, not so much that one bin takes all
            weight.add_((0.7 if request.param == "mixture" else 0.2) * torch.randn_like(weight))
    return model.double().eval()


@pytest.fixture(scope="module")
def past() -> torch.Tensor:
    return torch.tensor([[torch.nan, 1, 3, 0.4], [0.03, 0, 2, 0.7], [0, 2, 5, 0.1]], dtype=torch.float64)


@pytest.fixture(scope="module", params=[0.7, 1.0, 1.5])
def drawn(request: pytest.FixtureRequest, coupled: EventModel, past: torch.Tensor) -> tuple[float, Floats]:
    return request.param, draw(coupled, past, request.param)


def test_the_first_column_is_drawn_by_its_table(
    coupled: EventModel, past: torch.Tensor, drawn: tuple[float, Floats]
) -> None:
    temperature, rows = drawn
    table = temper(stated(coupled, past, {}, coupled.columns[0].name), temperature)
    assert chi_square(count(coupled.columns[0], rows[:, 0]), table) < 5


@pytest.mark.parametrize("place", [1, 2, 3])
def test_each_further_column_is_drawn_by_its_table_given_those_before(
    coupled: EventModel, past: torch.Tensor, drawn: tuple[float, Floats], place: int
) -> None:
    temperature, rows = drawn
    column = coupled.columns[place]
    for seen in most_frequent(coupled, rows[:, :place]):
        given = dict(zip([c.name for c in coupled.columns], seen.tolist(), strict=False))
        alike = (bins(coupled, rows[:, :place]) == bins(coupled, seen[None])).all(1)
        table = temper(stated(coupled, past, given, column.name), temperature)
        assert alike.sum() > 30
        assert chi_square(count(column, rows[alike, place]), table) < 5


def bins(model: EventModel, values: Floats) -> NDArray[np.int64]:
    pairs = zip(model.columns, values.T, strict=False)
    return np.stack([column.grid.index(part) for column, part in pairs], axis=1)


def most_frequent(model: EventModel, values: Floats) -> Floats:
    """Return an example of each of the three most frequent combinations of bins."""
    _, first, counts = np.unique(bins(model, values), axis=0, return_index=True, return_counts=True)
    return values[first[np.argsort(counts)[::-1][:3]]]


def test_a_wrong_table_would_be_noticed(coupled: EventModel, past: torch.Tensor, drawn: tuple[float, Floats]) -> None:
    temperature, rows = drawn
    table = temper(stated(coupled, past, {}, coupled.columns[0].name), temperature * 1.4)
    assert chi_square(count(coupled.columns[0], rows[:, 0]), table) > 5


def test_temperature_nought_takes_each_most_probable_bin(coupled: EventModel, past: torch.Tensor) -> None:
    given: dict[str, float] = {}
    row = draw(coupled, past, 0.0, 1)[0]
    for column, value in zip(coupled.columns, row.tolist(), strict=True):
        table = stated(coupled, past, given, column.name)
        assert column.grid.index(np.array([value]))[0] == table.argmax()
        given[column.name] = value


def test_one_column_alone_can_be_tempered(coupled: EventModel, past: torch.Tensor) -> None:
    player = Player(coupled, 0, {"kind": 0.0})
    for row in past:
        player.hear(row.numpy())
    rows = np.array([player.sample() for _ in range(1000)])
    time = coupled.columns[0]
    assert chi_square(count(time, rows[:, 0]), stated(coupled, past, {}, "time")) < 5
    for value in (0.0, 0.02):
        alike = time.grid.index(rows[:, 0]) == time.grid.index(np.array([value]))
        best = stated(coupled, past, {"time": value}, "kind").argmax()
        assert (rows[alike, 1] == best).all()


def test_draws_are_played_as_their_kind(make: Make, rows: torch.Tensor) -> None:
    for temperature in (1.0, 1.3):
        made = draw(make(), rows[0, :5], temperature, 600)
        time, pitch, level, duration, instrument = made.T
        assert (pitch == np.round(pitch)).all()
        assert pitch.min() >= 0
        assert pitch.max() <= 127
        assert set(instrument) <= {0.0, 5.0, 128.0}
        for seconds in (time, duration):
            assert seconds.min() == 0  # below 5 ms there is exactly nothing
            assert seconds[seconds > 0].min() >= 0.005 - 1e-9
            assert seconds.max() <= 60
        assert len(np.unique(level)) > 300  # not quantised to the grid
        assert len(np.unique(time[time > 0])) > (time > 0).sum() / 3


def test_a_shortest_duration_is_kept() -> None:
    data = EventSequence((Feature("duration", min=0.5),), np.random.default_rng(0).uniform(0.5, 2, (100, 1)))
    model = build_model([data], {"name": "gru", "size": 8})
    for temperature in (1.0, 1.5):
        player = Player(model, 0, temperature)
        assert min(player.sample()[0] for _ in range(500)) >= 0.5


def test_the_seed_decides(make: Make) -> None:
    model = make()
    first, same, other = (Player(model, seed).sample() for seed in (3, 3, 4))
    assert (first == same).all()
    assert (first != other).any()


@pytest.mark.parametrize("wrong", [-0.1, 101.0, float("nan"), {"pitch": -1.0}])
def test_a_temperature_out_of_range(wrong: float) -> None:
    with pytest.raises(HachimachiError, match=r"temperature is .*expected a number from 0 to 100"):
        Sampling(wrong)


def test_a_temperature_for_no_column(make: Make) -> None:
    with pytest.raises(HachimachiError, match="temperature for 'pich': no such column; there are time, pitch"):
        Player(make(), temperature={"pich": 0.5})
