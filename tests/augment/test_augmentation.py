"""What holds for every augmentation that is registered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hachimachi.augment.apply import Chain, parse
from hachimachi.augment.augmentation import known
from hachimachi.augment.ops import Draw, Humanize

from .conftest import INSTRUMENT, PITCH, SEEDS, columns, make_windows, ops

EVERY = pytest.mark.parametrize("name", list(known()))
FEW = settings(max_examples=15)
COLUMNS = columns()


def same(some: np.ndarray, others: np.ndarray) -> bool:
    return np.array_equal(some, others, equal_nan=True)


@EVERY
@FEW
@given(st.data())
def test_its_expression_reads_back(name: str, data: st.DataObject) -> None:
    op = data.draw(ops(name))
    assert parse(str(op)).ops == (op,)
    assert str(parse(str(op))) == str(op)
    assert parse(f" {op} ;{op};").ops == (op, op)


@EVERY
@FEW
@given(st.data(), SEEDS)
def test_what_it_may_change_and_what_not(name: str, data: st.DataObject, seed: int) -> None:
    op, rows = data.draw(ops(name)), make_windows(seed)
    before, bound = rows.copy(), Chain((op,)).bind(COLUMNS)
    outcome = bound(rows, np.random.default_rng(seed))
    assert same(rows, before)
    assert same(np.isnan(outcome.rows), np.isnan(rows))
    assert same(outcome.rows[~outcome.applied], rows[~outcome.applied])
    others = [place for place in range(len(COLUMNS)) if place not in bound.ops[0][1]]
    assert same(outcome.rows[..., others], rows[..., others])
    if op.dims is not None:
        drums = rows[..., INSTRUMENT] == 128
        assert same(outcome.rows[drums][:, PITCH], rows[drums][:, PITCH])
    again = bound(rows, np.random.default_rng(seed))
    assert same(again.rows, outcome.rows)
    assert same(again.applied, outcome.applied)


@EVERY
@FEW
@given(st.data(), SEEDS)
def test_it_stays_in_range_and_counts_what_it_does(name: str, data: st.DataObject, seed: int) -> None:
    op, rows = data.draw(ops(name)), make_windows(seed)
    bound = Chain((op,)).bind(COLUMNS)
    outcome = bound(rows, np.random.default_rng(seed))
    [counts] = outcome.counts
    different = (outcome.rows != rows) & ~np.isnan(rows)
    assert counts.changed.tolist() == different.sum((0, 1)).tolist()
    assert counts.windows == outcome.applied.sum()
    assert (counts.changed <= counts.seen).all()
    assert (counts.held <= counts.seen).all()
    for place, column in enumerate(COLUMNS):
        low, high = bound.layout.bounds[:, place]
        values = outcome.rows[..., place][~np.isnan(rows[..., place])]
        assert ((values >= low) & (values <= high)).all()
        assert not column.whole or (values == np.round(values)).all()


@EVERY
@FEW
@given(st.data(), SEEDS)
def test_a_probability_of_0_is_the_identity(name: str, data: st.DataObject, seed: int) -> None:
    op, rows = data.draw(ops(name)), make_windows(seed)
    outcome = Chain((replace(op, p=0),)).bind(COLUMNS)(rows, np.random.default_rng(seed))
    assert same(outcome.rows, rows)
    assert not outcome.applied.any()
    nobody = np.zeros(len(rows), dtype=np.bool_)
    assert same(Chain((op,)).bind(COLUMNS)(rows, np.random.default_rng(seed), nobody).rows, rows)


@EVERY
@FEW
@given(st.data(), SEEDS)
def test_padding_makes_no_difference(name: str, data: st.DataObject, seed: int) -> None:
    op, rows = data.draw(ops(name)), make_windows(seed)
    if isinstance(op, Draw | Humanize):
        return  # what is drawn has the shape of the padded windows
    padded = np.concatenate([rows, np.full_like(rows[:, :3], np.nan)], axis=1)
    bound = Chain((op,)).bind(COLUMNS)
    outcomes = [bound(each, np.random.default_rng(seed)).rows[:, : rows.shape[1]] for each in (rows, padded)]
    np.testing.assert_allclose(*outcomes, rtol=1e-9)  # sums are added up in another order


def test_there_are_those_that_the_page_lists() -> None:
    assert set(known()) >= {"add", "sub", "mul", "div", "addrand", "subrand", "mulrand", "divrand"}
    assert set(known()) >= {"rev", "diff", "cumsum", "abs", "round", "clip", "sort"}
