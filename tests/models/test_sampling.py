"""What is drawn is what is stated: frequencies of draws against the probability table, by chi-square."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hachimachi import plugins
from hachimachi.columns import Column, fit_columns
from hachimachi.constraints import Constraint
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.player.engine import Player
from hachimachi.sampling import ColumnSampling, Sampling
from tests.conftest import chi_square

DRAWS = 2500
HEADS = plugins.names("head")
Make = Callable[..., EventModel]
Floats = NDArray[np.float64]


def stated(model: EventModel, past: torch.Tensor, given: dict[str, float], name: str, how: Sampling) -> Floats:
    """Return the table of a column as drawn; an unknown category cannot be played."""
    table = model.table(past, given, how)[name][2]
    assert table.sum() == pytest.approx(1, abs=1e-6)
    return table


def count(column: Column, values: Floats) -> Floats:
    return np.bincount(column.grid.index(values), minlength=column.grid.bins).astype(float)


def draw(model: EventModel, past: torch.Tensor, how: float | Sampling, draws: int = DRAWS) -> Floats:
    player = Player(model, 0, sampling=how if isinstance(how, Sampling) else Sampling(how))
    for row in past:
        player.observe(row.numpy())
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
    columns = [replace(column, steps=None) for column in columns]  # what is drawn again is no part of a table
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


WAYS = {
    "cool": Sampling(0.7),
    "as learned": Sampling(),
    "hot": Sampling(1.5),
    "by column": Sampling({"kind": 0.5, "time": 2.0}),
    "nucleus": Sampling(top_p=0.8),
    "min-p": Sampling(1.4, min_p={"time": 0.2, "real": 0.1}),
    "all at once": Sampling(
        0.8, 0.9, 0.02, {"whole": Constraint.scale("C major"), "real": Constraint.between(0.12, 0.61)}
    ),
    "a middle column": Sampling(constraints={"whole": Constraint.between(3, 6)}),
    "the last column": Sampling(constraints={"real": Constraint.among([0.2, 0.45])}),
    "one value": Sampling(constraints={"whole": Constraint.among([4])}),
    "improbable": Sampling(constraints={"time": Constraint.among([0.4, 0.5])}),
    "two columns": Sampling(
        1.2, constraints={"kind": Constraint.among([0, 3, 7]), "time": Constraint.between(0.015, 0.2)}
    ),
}


@pytest.fixture(scope="module", params=WAYS)
def drawn(request: pytest.FixtureRequest, coupled: EventModel, past: torch.Tensor) -> tuple[Sampling, Floats]:
    return WAYS[request.param], draw(coupled, past, WAYS[request.param])


def columns_as_drawn(model: EventModel, how: Sampling) -> list[int]:
    return list(how.order([column.name for column in model.columns], model.head.order))


@pytest.mark.parametrize("place", range(4))
def test_each_column_is_drawn_by_its_table_given_those_drawn_before(
    coupled: EventModel, past: torch.Tensor, drawn: tuple[Sampling, Floats], place: int
) -> None:
    how, rows = drawn
    *before, last = columns_as_drawn(coupled, how)[: place + 1]
    columns = [coupled.columns[column] for column in before]
    for seen in most_frequent(columns, rows[:, before]):
        given = dict(zip([column.name for column in columns], seen.tolist(), strict=True))
        alike = (bins(columns, rows[:, before]) == bins(columns, seen[None])).all(1)
        table = stated(coupled, past, given, coupled.columns[last].name, how)
        assert chi_square(count(coupled.columns[last], rows[alike, last]), table) < 5


def test_what_is_asked_is_played(drawn: tuple[Sampling, Floats], coupled: EventModel) -> None:
    how, rows = drawn
    for column, values in zip(coupled.columns, rows.T, strict=True):
        constraint = how.constraints.get(column.name)
        assert constraint is None or all(map(constraint.allows, values.tolist()))


def bins(columns: list[Column], values: Floats) -> NDArray[np.int64]:
    registry = [column.grid.index(part) for column, part in zip(columns, values.T, strict=True)]
    return np.stack(registry, axis=1) if registry else np.zeros((len(values), 0), dtype=np.int64)


def most_frequent(columns: list[Column], values: Floats) -> Floats:
    """Return an example of each of the three most frequent combinations of bins, if there are enough of it."""
    if not columns:
        return values[:1]
    _, first, counts = np.unique(bins(columns, values), axis=0, return_index=True, return_counts=True)
    order = np.argsort(counts)[::-1]
    assert counts[order[0]] > 30
    return values[first[[place for place in order[:3] if counts[place] > 30]]]


def test_a_wrong_table_would_be_noticed(coupled: EventModel, past: torch.Tensor) -> None:
    rows, time = draw(coupled, past, Sampling({"time": 0.7})), coupled.columns[0]
    assert chi_square(count(time, rows[:, 0]), stated(coupled, past, {}, "time", Sampling(1.0))) > 5


def test_the_table_of_what_is_drawn_is_that_of_what_is_predicted_reshaped(
    coupled: EventModel, past: torch.Tensor
) -> None:
    """Against the formulas, written down a second time; what is not played is the only difference."""
    predicted = {name: table[2] for name, table in coupled.table(past).items()}
    first, last = coupled.columns[0].played
    predicted["time"] = np.where((np.arange(51) >= first) & (np.arange(51) <= last), predicted["time"], 0)
    real, kind = predicted["real"], predicted["kind"]
    allowed = (np.arange(21) >= 4) & (np.arange(21) <= 9)
    drawn = stated(coupled, past, {}, "real", Sampling(constraints={"real": Constraint.between(0.2, 0.45)}))
    np.testing.assert_allclose(drawn, real * allowed / (real * allowed).sum(), atol=1e-4)
    drawn = stated(coupled, past, {}, "kind", Sampling(0.5, constraints={"kind": Constraint.among([0, 2])}))
    squares = np.where([True, False, True, False, False], kind**2, 0)
    np.testing.assert_allclose(drawn, squares / squares.sum(), atol=1e-4)
    time = predicted["time"]
    kept = np.where(time >= 0.1 * time.max(), time, 0)
    np.testing.assert_allclose(
        stated(coupled, past, {}, "time", Sampling(min_p={"time": 0.1})), kept / kept.sum(), atol=1e-4
    )
    falling = np.sort(time)[::-1]
    kept = np.where(time >= falling[np.searchsorted(falling.cumsum(), 0.8 * time.sum())], time, 0)
    np.testing.assert_allclose(
        stated(coupled, past, {}, "time", Sampling(top_p={"time": 0.8})), kept / kept.sum(), atol=1e-4
    )


def test_temperature_nought_takes_each_most_probable_bin(coupled: EventModel, past: torch.Tensor) -> None:
    given: dict[str, float] = {}
    row = draw(coupled, past, 0.0, 1)[0]
    for column, value in zip(coupled.columns, row.tolist(), strict=True):
        table = stated(coupled, past, given, column.name, Sampling())
        assert column.grid.index(np.array([value]))[0] == table.argmax()
        given[column.name] = value


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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        *(({"temperature": t}, "expected a number from 0 to 100") for t in (-0.1, 101.0, np.nan, {"pitch": -1.0})),
        *(({"top_p": p}, "expected a number above 0, at most 1") for p in (0, -1, 1.1, np.nan, {"pitch": 0.0})),
        *(({"min_p": p}, "expected a number from 0 to 1") for p in (-0.1, 1.1, np.nan)),
        ({"polyphony": 0}, "expected 1 note or more"),
    ],
)
def test_a_number_out_of_range(wrong: dict, said: str) -> None:
    with pytest.raises(HachimachiError, match=f"{next(iter(wrong))} is .*{said}"):
        Sampling(**wrong)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"temperature": {"pich": 0.5}}, "temperature for 'pich': no such column; there are time, pitch"),
        ({"min_p": {"pich": 0.5}}, "min_p for 'pich': no such column"),
        ({"constraints": {"pich": Constraint.among([1])}}, "constraint for 'pich': no such column"),
        (
            {"constraints": {"pitch": Constraint.between(128, 200)}},
            "pitch: nothing that it can play is allowed by range 128 200; expected 0 to 127",
        ),
        (
            {"constraints": {"pitch": Constraint.scale("C major") & Constraint.among([61])}},
            "pitch: nothing that it can play is allowed by scale C major and values 61; expected 0 to 127",
        ),
        *(
            ({"constraints": {name: Constraint.scale("C")}}, f"{name}: scale C is of notes")
            for name in ("level", "time")
        ),
        ({"constraints": {"instrument": Constraint.scale("C")}}, "instrument: scale C is of notes; expected pitch, or"),
        ({"constraints": {"pitch": Constraint.between(60.1, 60.9)}}, "0 to 127 in steps of 1"),
        ({"constraints": {"instrument": Constraint.among([7])}}, "instrument: nothing .* expected one of 0, 5, 128"),
        ({"constraints": {"time": Constraint.between(61, 70)}}, "time: nothing .* expected within 0 to 60"),
        ({"constraints": {"time": Constraint.between(0.001, 0.004)}}, "time: nothing"),  # below 5 ms only 0 is played
    ],
)
def test_what_a_model_cannot_play(make: Make, asked: dict, said: str) -> None:
    with pytest.raises(HachimachiError, match=said):
        Player(make(), sampling=Sampling(**asked))


def test_a_row_of_nothing_stays_nothing() -> None:
    shaped = ColumnSampling(temperature=0.5).shape(np.array([[0.0, 0.0], [0.25, 0.75]]))
    assert shaped == pytest.approx(np.array([[0.0, 0.0], [0.1, 0.9]]))
