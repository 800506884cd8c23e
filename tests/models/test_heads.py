"""What every head holds to: probabilities on the stated grid, a start at the marginals, and learning what is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hachimachi import plugins
from hachimachi.columns import FLOOR
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import read
from hachimachi.models.event_model import EventModel, build_model

Make = Callable[..., EventModel]
HEADS = plugins.names("head")
SMALL = {"name": "gru", "size": 8}


@pytest.fixture(params=HEADS)
def head(request: pytest.FixtureRequest) -> str:
    return request.param


def before(model: EventModel, column: int, rows: torch.Tensor) -> torch.Tensor:
    """Return rows that tell only the columns that are predicted before one."""
    known = rows.clone()
    order = model.head.order
    known[..., list(order[order.index(column) :])] = torch.nan
    return known


@pytest.fixture
def wild(make: Make, head: str) -> EventModel:
    return make(head=head).double()


def test_every_table_sums_to_one(wild: EventModel, rows: torch.Tensor) -> None:
    rows = rows[:, :20]
    distribution = wild(rows)[0]
    for column, described in enumerate(wild.columns):
        table = distribution.table(column, before(wild, column, rows))
        assert table.shape == (1, 20, described.grid.bins)
        assert table.min() >= FLOOR / described.grid.bins * 0.999
        torch.testing.assert_close(table.sum(-1), torch.ones(1, 20, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_actual_row_of_a_table_is_its_probability(wild: EventModel, rows: torch.Tensor) -> None:
    rows = rows[:, :20]
    distribution = wild(rows)[0]
    p = distribution.log_prob(rows).exp()
    for column, described in enumerate(wild.columns):
        index = torch.from_numpy(described.grid.index(rows[0, 1:, column].numpy()))
        actual = distribution.table(column, before(wild, column, rows))[0, 1:].gather(-1, index[:, None])[:, 0]
        torch.testing.assert_close(p[0, 1:, column], actual, rtol=1e-9, atol=1e-12)


def test_training_and_judging_precision_agree(make: Make, head: str, rows: torch.Tensor) -> None:
    model = make(head=head)
    single, double = model.log_prob(rows), model.double().log_prob(rows)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3)


def test_a_table_follows_any_column_that_is_given_and_never_its_own(wild: EventModel, rows: torch.Tensor) -> None:
    row = rows[:, 1:2]
    distribution = wild(row)[0]
    tables = [distribution.table(column, row) for column in range(5)]
    for changed in range(5):
        other = row.clone()
        other[..., changed] = rows[0, :, changed].max()
        for column, table in enumerate(tables):
            assert torch.equal(distribution.table(column, other), table) == (column == changed)


def test_what_is_not_known_costs_nothing(wild: EventModel, rows: torch.Tensor) -> None:
    unknown = torch.full_like(rows, torch.nan)
    assert torch.equal(wild.log_prob(unknown), torch.zeros_like(rows))
    assert torch.equal(wild.log_prob(rows)[:, 0, 0], torch.zeros(1, dtype=torch.float64))  # no time before the first
    assert (wild.log_prob(rows)[:, 1:] < 0).all()


def test_outside_a_closed_support_costs_exactly_the_floor(wild: EventModel, rows: torch.Tensor) -> None:
    pitch, time = rows.clone(), rows.clone()
    pitch[:, 5, 1], time[:, 5, 0] = 128, -0.02
    floors = [(pitch, 1, math.log(FLOOR / 128)), (time, 0, math.log(FLOOR / 6001))]
    for changed, column, floor in floors:
        assert wild.log_prob(changed)[0, 5, column].item() == pytest.approx(floor, abs=1e-9)
    far = rows.clone()
    far[:, 5, 0] = 1e6  # but the last bin of time is open
    last = rows.clone()
    last[:, 5, 0] = 60
    assert wild.log_prob(far)[0, 5, 0] == wild.log_prob(last)[0, 5, 0] > math.log(FLOOR / 6001)


def test_all_unknown_categories_cost_the_same_and_are_rare(wild: EventModel, rows: torch.Tensor) -> None:
    one, other = rows.clone(), rows.clone()
    one[:, 5, 4], other[:, 5, 4] = 99, -3
    assert torch.equal(wild.log_prob(one)[0, 5], wild.log_prob(other)[0, 5])
    assert wild(rows)[0].table(4, rows)[..., -1].max() <= 0.01


@pytest.mark.parametrize("task", ["fresh", "drums", "multi", "control"])
def test_untrained_it_is_near_the_marginal_baseline(shared_data: Path, head: str, task: str) -> None:
    (train,), (test,) = (read(shared_data / "single" / f"{task}_{part}.json") for part in ("train", "test"))
    torch.manual_seed(0)
    result = evaluate(build_model([train], SMALL, {"name": head}), test[:400])
    assert result.nats_per_event == pytest.approx(result.marginal_nats_per_event, abs=0.15 * len(result.names))


def test_learning_finds_what_is_there(head: str) -> None:
    """A category that mostly goes round; what it was a moment ago decides the numbers' place, never their spread."""
    torch.manual_seed(0)
    chance = np.random.default_rng(0)
    kind = (chance.choice([1, 0, 2], 3000, p=TURNS).cumsum() % 3).astype(float)
    before = np.roll(kind, 1)
    whole = chance.binomial(8, 0.5, 3000) + 20 * before
    real = np.clip(chance.logistic(1 + before, 0.1), -1, 5)
    features = (
        Feature("whole", min=0, max=127),
        Feature("real", min=-1, max=5, resolution=0.05),
        Feature("kind", kind="categorical"),
    )
    data = EventSequence(features, np.column_stack([whole, real, kind]).astype(float))
    train, test = data[:2500], data[2500:]
    model = build_model([train], {"name": "gru", "size": 8}, {"name": head})
    fit(model, torch.from_numpy(train.rows()).view(50, 50, 3), steps=80)
    learned = {name: nats["nats"] for name, nats in evaluate(model, test).by_feature().items()}
    # what the true distribution costs on this very test part
    turn = np.diff(test.column("kind")).astype(int) % 3
    assert learned["kind"] == pytest.approx(-np.log(np.array(TURNS)[[1, 0, 2]][turn]).mean(), abs=0.05)
    edges = (np.arange(-20, 102) - 0.5) * 0.05
    place = np.floor((test.column("real") - before[2500:] - 1) / 0.05 + 0.5).astype(int) + 40
    logistic = np.diff(1 / (1 + np.exp(-(edges - 1) / 0.1)))
    # a head that hears the chance number before it learns some of the noise by heart
    slack = 0.1 if head == "mixture" else 0.2
    assert learned["real"] == pytest.approx(-np.log(logistic[place[1:]]).mean(), abs=slack)
    binomial = np.array([math.comb(8, k) for k in range(9)]) / 256
    steps = (test.column("whole") - 20 * before[2500:]).astype(int)
    assert learned["whole"] == pytest.approx(-np.log(binomial[steps[1:]]).mean(), abs=0.1)


TURNS = [0.9, 0.06, 0.04]


def fit(model: EventModel, rows: torch.Tensor, steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    # the rate falls, lest it be chance where the last step ends
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = -model.log_prob(rows[torch.randint(len(rows), (8,))]).sum(-1).mean()
        loss.backward()
        optimizer.step()
        falling.step()


@pytest.mark.parametrize(
    "feature",
    [
        Feature("x", kind="continuous", resolution=1e-9),
        Feature("x", min=-1e7, max=1e7, resolution=0.01),
        Feature("x", min=-1e-3),
        Feature("duration", min=-2.0),
        Feature("x", kind="integer"),
    ],
    ids=["fine", "far", "near", "negative duration", "coarse"],
)
def test_gradients_stay_finite(head: str, feature: Feature) -> None:
    values = np.random.default_rng(0).uniform(size=60)
    values[-2:] = [-1.5, 9]
    values[-1] = -1e5 if feature.min is not None else 9  # beyond the support
    data = EventSequence((feature,), values[:, None])
    model = build_model([data], SMALL, {"name": head})
    log_p = model.log_prob(torch.from_numpy(data.rows())[None])
    log_p.sum().backward()
    assert torch.isfinite(log_p).all()
    assert (log_p <= 0).all()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_every_parameter_gets_a_gradient(make: Make, head: str, rows: torch.Tensor) -> None:
    model = make(head=head).train()
    (-model.log_prob(rows).sum()).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_a_grid_too_fine_to_tabulate_is_refused_by_name(head: str) -> None:
    data = make_sequence([[0.5], [1e6]], names=["x"])
    model = build_model([EventSequence((Feature("x", resolution=0.01),), data.data)], SMALL, {"name": head})
    with pytest.raises(HachimachiError, match=r"feature 'x' has .* bins.*feature\.x\.resolution"):
        model.table(torch.zeros(0, 1, dtype=torch.float64))
