"""From the values of an ``/input`` to the row that a model hears."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hachimachi.events import Feature
from hachimachi.live.refusals import Refused, quote

LARGEST = 1e9
"""No feature has values beyond this; a network that hears one may not recover."""


class InputForm:
    """Which values an ``/input`` may carry, told apart by their number.

    All features in order; or only the unmasked ones; and of either, features that had one value in training
    may be left out. Where two of these ask for the same number of values, the first in this order is meant:
    all, unmasked, unmasked without constants, all without constants.

    Args:
        features: The model's features, F of them.
        constants: Column → the only value that this feature had in training.

    >>> form = InputForm((Feature("pitch"), Feature("velocity"), Feature("duration", masked=True)), {1: 80.0})
    >>> form.row([60]).tolist()
    [60.0, 80.0, nan]
    >>> str(form)
    '3 (pitch velocity duration), 2 (pitch velocity) or 1 (pitch)'
    """

    def __init__(self, features: Sequence[Feature], constants: Mapping[int, float]) -> None:
        self.features = tuple(features)
        every = range(len(features))
        unmasked = [i for i in every if not features[i].masked]
        self._columns: dict[int, list[int]] = {}
        for columns in (every, unmasked):
            self._columns.setdefault(len(columns), list(columns))
        for columns in (unmasked, every):
            varied = [i for i in columns if i not in constants]
            self._columns.setdefault(len(varied), varied)
        self._unknown = [math.nan if features[i].masked else constants.get(i, math.nan) for i in every]

    @property
    def shortest(self) -> list[str]:
        """Names of the fewest values that will do."""
        return [self.features[i].name for i in self._columns[min(self._columns)]]

    def row(self, values: Sequence[object]) -> NDArray[np.float64]:
        """Return the features of an event, shape (F,); what is not known is NaN.

        Raises:
            Refused: The wrong number of values, or one that is not a finite number of sensible size.
        """
        columns = self._columns.get(len(values))
        if columns is None:
            raise Refused("length", f"/input has {len(values)} values, expected {self}")
        row = self._unknown.copy()
        for column, value in zip(columns, values, strict=True):
            if type(value) is float and -LARGEST <= value <= LARGEST:  # what OSC brings: nothing more to ask
                row[column] = value
            else:
                row[column] = _number(self.features[column].name, value)
        return np.array(row)

    def __str__(self) -> str:
        forms = [
            f"{size} ({' '.join(self.features[i].name for i in columns)})" if size else "none"
            for size, columns in sorted(self._columns.items(), reverse=True)
        ]
        return " or ".join([", ".join(forms[:-1]), forms[-1]] if len(forms) > 1 else forms)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise Refused("type", f"/input: {name} is {quote(value)}, expected a number")
    number = float(value)
    if not math.isfinite(number):
        raise Refused("finite", f"/input: {name} is {number}, expected a finite number")
    if abs(number) > LARGEST:
        raise Refused("size", f"/input: {name} is {number:g}, expected at most {LARGEST:g} in size")
    return number
