"""Which values make an input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hachimachi.events import Feature
from hachimachi.live.history import InputForm
from hachimachi.live.protocols import Refused

NOTE = (Feature("pitch"), Feature("velocity"), Feature("duration", masked=True), Feature("instrument"))


def same(row: np.ndarray, expected: list[float]) -> bool:
    return np.array_equal(row, np.array(expected), equal_nan=True)


def test_all_features_or_the_unmasked_ones() -> None:
    form = InputForm(NOTE, {})
    assert same(form.row([60, 80, 0.5, 4]), [60, 80, 0.5, 4])
    assert same(form.row([60, 80, 4]), [60, 80, math.nan, 4])


def test_constants_may_be_left_out_of_either() -> None:
    form = InputForm((*NOTE, Feature("pan")), {3: 4.0})
    assert same(form.row([60, 80, 0.5, 9, 1]), [60, 80, 0.5, 9, 1])
    assert same(form.row([60, 80, 1]), [60, 80, math.nan, 4, 1])
    # four values: the unmasked ones, which come before all without the constants
    assert same(form.row([60, 80, 9, 1]), [60, 80, math.nan, 9, 1])


def test_a_model_of_taps_needs_no_values() -> None:
    form = InputForm((Feature("pitch"), Feature("duration", masked=True)), {0: 36.0})
    assert same(form.row([]), [36, math.nan])
    assert str(form) == "2 (pitch duration), 1 (pitch) or none"


def test_a_masked_constant_stays_unknown() -> None:
    form = InputForm((Feature("pitch"), Feature("duration", masked=True)), {1: 0.5})
    assert same(form.row([60]), [60, math.nan])


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ([60], "length", "/input has 1 values, expected 4 (pitch velocity duration instrument) or 3"),
        ([60] * 9, "length", "9 values"),
        (["sixty", 80, 1], "type", "pitch is 'sixty', expected a number"),
        ([60, None, 1], "type", "velocity is None"),
        ([60, True, 1], "type", "velocity is True"),
        ([60, [1, 2], 1], "type", "velocity is [1, 2]"),
        ([60, b"\x1b[2J", 1], "type", "velocity is b'\\x1b[2J'"),
        ([60, 80, math.nan], "finite", "instrument is nan"),
        ([60, -math.inf, 1], "finite", "velocity is -inf"),
        ([60, 1.1e9, 1], "size", "velocity is 1.1e+09"),
        ([-(2**40), 1, 1], "size", "pitch is -1.09951e+12"),
    ],
)
def test_what_is_no_event_is_refused(values: list[object], kind: str, text: str) -> None:
    with pytest.raises(Refused) as refused:
        InputForm(NOTE, {}).row(values)
    assert refused.value.kind == kind
    assert text in str(refused.value)
