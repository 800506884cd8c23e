"""Columns in short: how far their numbers reach, whether they are whole, which categories there are."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LATTICES = (127, 128)
"""Steps of one in which controllers are often recorded."""
NEAR = 1e-5
"""How near to a point of a lattice its values lie: what four-byte numbers and six decimals make of it."""
FEW = 256
"""Up to so many categories of a column in a file it is noted which sequence has which."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """One column's numbers, in short.

    Args:
        low: The least of them; infinity where there are none.
        high: The greatest; minus infinity where there are none.
        whole: Whether all are whole numbers.
        lattices: For each of :data:`LATTICES` whether all lie on it.
        values: All categories, ascending, where the column is categorical and they were asked for.
    """

    low: float
    high: float
    whole: bool
    lattices: tuple[bool, ...]
    values: tuple[float, ...] | None = None

    @staticmethod
    def of(values: Values, categorical: bool = False) -> Summary:
        """Summarise numbers, shape (N,), NaN left aside."""
        known = values[~np.isnan(values)]
        whole, *lattices = (bool(np.all(held)) for held in _holds(known))
        named = tuple(np.unique(known).tolist()) if categorical else None
        ends = float(known.min(initial=np.inf)), float(known.max(initial=-np.inf))
        return Summary(*ends, whole, tuple(lattices), named)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Summaries of S sequences, each of D columns, kept so that any of them together can be summarised unread.

    Args:
        low: Least values, shape (S, D); infinity where there are none.
        high: Greatest values, shape (S, D); minus infinity where there are none.
        holds: Whether values are whole, and on each lattice, shape (S, D, 1 + lattices).
        categories: Column → its categories, for categorical columns that have few.
        has: Column → which sequence has which category, shape (S, categories).
    """

    low: Values
    high: Values
    holds: NDArray[np.bool_]
    categories: Mapping[int, Values]
    has: Mapping[int, NDArray[np.bool_]]

    @staticmethod
    def of(columns: Sequence[Values], lengths: NDArray[np.int64], categorical: Collection[int]) -> Statistics:
        """Measure sequences of given lengths, whose values follow each other in columns of shape (N,)."""
        low = np.full((len(lengths), len(columns)), np.inf)
        high, holds = -low, np.ones((*low.shape, 1 + len(LATTICES)), dtype=np.bool_)
        some = lengths > 0
        starts = (np.cumsum(lengths) - lengths)[some]
        categories: dict[int, Values] = {}
        has: dict[int, NDArray[np.bool_]] = {}
        for place, values in enumerate(columns if len(starts) else ()):
            low[some, place] = np.fmin.reduceat(values, starts)
            high[some, place] = np.fmax.reduceat(values, starts)
            for which, held in enumerate(_holds(values)):
                holds[some, place, which] = np.logical_and.reduceat(held, starts)
            if place in categorical and len(named := np.unique(values)) <= FEW:
                categories[place] = named
                has[place] = np.zeros((len(lengths), len(named)), dtype=np.bool_)
                has[place][np.repeat(np.arange(len(lengths)), lengths), np.searchsorted(named, values)] = True
        nothing = np.isnan(low)  # a single event has no inter-event time
        low[nothing], high[nothing] = np.inf, -np.inf
        return Statistics(low, high, holds, categories, has)

    def summarise(self, which: NDArray[np.int64]) -> list[Summary]:
        """Return a summary of each column of some sequences."""
        low, high = (ends[which] for ends in (self.low, self.high))
        holds = np.all(self.holds[which], axis=0)
        named = {place: tuple(self.categories[place][has[which].any(0)].tolist()) for place, has in self.has.items()}
        summaries = []
        for place, (whole, *lattices) in enumerate(holds.tolist()):
            ends = float(low[:, place].min(initial=np.inf)), float(high[:, place].max(initial=-np.inf))
            summaries.append(Summary(*ends, whole, tuple(lattices), named.get(place)))
        return summaries

    def to_json(self) -> dict[str, Any]:
        """Return texts that :meth:`from_json` reads; numbers stand in them as base64."""
        has = {str(place): _pack(np.packbits(each, axis=1)) for place, each in self.has.items()}
        named = {str(place): values.tolist() for place, values in self.categories.items()}
        ends = {"low": _pack(self.low), "high": _pack(self.high)}
        return {**ends, "holds": _pack(self.holds), "categories": named, "has": has}

    @staticmethod
    def from_json(told: Mapping[str, Any], sequences: int, columns: int) -> Statistics:
        """Read what :meth:`to_json` returned.

        Raises:
            ValueError, KeyError, TypeError: Something else.
        """
        low, high = (_unpack(told[key], np.float64).reshape(sequences, columns) for key in ("low", "high"))
        holds = _unpack(told["holds"], np.bool_).reshape(sequences, columns, 1 + len(LATTICES))
        named = {int(place): np.array(values, dtype=np.float64) for place, values in told["categories"].items()}
        has = {}
        for place, values in named.items():
            bits = _unpack(told["has"][str(place)], np.uint8).reshape(sequences, -(-len(values) // 8))
            has[place] = np.unpackbits(bits, axis=1, count=len(values)).astype(np.bool_)
        return Statistics(low, high, holds, named, has)


def join(summaries: Sequence[Summary]) -> Summary:
    """Summarise one column from summaries of its parts; categories are known where all parts know theirs."""
    low, high = min(each.low for each in summaries), max(each.high for each in summaries)
    known = [each.values for each in summaries if each.values is not None]
    named = tuple(sorted(set().union(*known))) if len(known) == len(summaries) else None
    lattices = tuple(all(held) for held in zip(*(each.lattices for each in summaries), strict=True))
    return Summary(low, high, all(each.whole for each in summaries), lattices, named)


def _holds(values: Values) -> list[NDArray[np.bool_]]:
    """Return which values, shape (N,), are whole, and which lie on each lattice; NaN is no exception."""
    unknown = np.isnan(values)
    whole = (values == np.round(values)) | unknown
    if whole.all():
        return [whole] * (1 + len(LATTICES))
    with np.errstate(over="ignore"):  # what is too large to be multiplied is refused later, in words
        near = [np.abs(values - np.round(values * steps) / steps) <= NEAR for steps in LATTICES]
    return [whole, *(on | unknown for on in near)]


def _pack(numbers: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode("ascii")


def _unpack(text: str, kind: Any) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)
