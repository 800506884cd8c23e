"""What a model predicts: columns, each with its grid and its training histogram, decided from data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io.collection import LATTICES, Collection, Summary

MAX_BINS = 2**20
"""A table of more bins than this would not fit. No resolution of a continuous feature that needs more is derived."""


@dataclass(frozen=True)
class UniformGrid:
    """Bins of equal width; value v falls in bin ``floor(v / resolution + 1/2)``."""

    resolution: float  # width of a bin
    low: int  # number of the first bin
    high: int  # number of the last bin
    open_low: bool = True  # whether the first bin holds everything below it too
    open_high: bool = True  # whether the last bin holds everything above it too
    log: bool = False  # whether models look at the values on a log scale

    @property
    def bins(self) -> int:
        """Number of bins."""
        return self.high - self.low + 1

    def index(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of each value's bin, from 0; what lies outside takes the end bin."""
        number = np.floor(values / self.resolution + 0.5)
        return (np.clip(number, self.low, self.high) - self.low).astype(np.int64)

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which values lie beyond a closed end."""
        number = np.floor(values / self.resolution + 0.5)
        return ((number < self.low) & (not self.open_low)) | ((number > self.high) & (not self.open_high))

    def value(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the middle of each bin."""
        return np.asarray(index + self.low, dtype=np.float64) * self.resolution

    def edges(self) -> NDArray[np.float64]:
        """Return where bins begin and the last ends, shape (bins + 1,); seconds begin at 0, open ends reach beyond."""
        edges = (np.arange(self.low, self.high + 2, dtype=np.float64) - 0.5) * self.resolution
        return np.maximum(edges, 0.0) if self.log and self.low == 0 else edges

    def warp(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values as models look at them: as they are, or on a log scale with a foot at half a bin."""
        return np.log(np.maximum(values, self.resolution / 2)) if self.log else values


def check_bins(name: str, bins: int) -> None:
    """Raise HachimachiError for a column of too many bins to hold a table of."""
    if bins > MAX_BINS:
        advice = f"train with a coarser feature.{name}.resolution"
        raise HachimachiError(f"feature {name!r} has {bins} bins, too many to tabulate; {advice}")


def arrange(names: Sequence[str], first: Sequence[str]) -> tuple[int, ...]:
    """Return the indices of names, those to come first, each there and given once, at the front."""
    for i, name in enumerate(first):
        if name not in names or name in first[:i]:
            found = "stands there twice" if name in names else "is no column"
            raise HachimachiError(f"head.order: {name!r} {found}; the columns are {', '.join(names)}")
    return (*map(names.index, first), *(i for i, name in enumerate(names) if name not in first))


@dataclass(frozen=True)
class Categories:
    """One bin for each category of the training data, and a last one for a category never seen."""

    values: tuple[float, ...]

    @property
    def bins(self) -> int:
        """Number of bins, the one for unknown categories among them."""
        return len(self.values) + 1

    def index(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of each category, the last for unknown ones."""
        known = np.asarray(self.values)
        index = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[index] == values, index, len(known)).astype(np.int64)

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which categories are unknown."""
        return self.index(values) == len(self.values)

    def value(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the category of each bin, NaN for unknown ones."""
        return np.append(self.values, np.nan)[index]


SECONDS = (TIME, "duration")  # columns measured in seconds: 0 to 60 s in steps of 10 ms, seen on a log scale
BEYOND = 0.1
"""How far beyond the training range a model plays, as a share of its width. An input may lie anywhere and has its
probability; played, one value far out in a thousand would be a pause of half a minute, or a note nobody wrote."""
MAX_CATEGORIES = 2**16  # each has weights of its own, for which a million would take gigabytes
LARGEST = 2**53  # whole numbers beyond this are not distinguished in double precision

# The numbers of the likelihood that `models` (torch) and `player` (NumPy) share.
FLOOR = 1e-5
"""Weight of the uniform distribution mixed into every column: no event costs more than ln(bins / FLOOR) a column.

It is there for what is observed and is never played: among a thousand events it would throw in one at random."""
WIDTHS = (-7.0, 3.0)  # bounds of the ln s of a logistic, in standard deviations of the training values
FAR = 1e6
"""Stands for infinity: how much farther the first and last bin reach, in standard deviations; gradients stay finite."""
FEW = 256
"""Up to so many distinct training values the histogram may follow the context; as many whole numbers are embedded."""
OFTEN = 25  # so often a value has to occur on average for that: what is rarer would be learned by heart
SPREAD = math.sqrt(3) / math.pi  # the s of a logistic whose variance is 1
LIMIT = 5.0
"""So many standard deviations from the mean numbers stay as they are under symlog; beyond, they grow as a logarithm."""
ROUNDING = 1e-5  # a number on a log scale that was rounded to float32 is off by less than this share of its value
NUDGE = 1e-3  # share of a bin that is taken for rounding


@dataclass(frozen=True)
class Column:
    """What a model predicts: one feature, or the inter-event time, with its grid and its training histogram."""

    feature: Feature  # the feature, its kind and resolution decided
    grid: UniformGrid | Categories  # its bins
    occupied: tuple[int, ...]  # indices of the bins that training values fell in, ascending
    counts: tuple[float, ...]  # how many fell in each of them; shares of one where the grid was restated
    # of a controller's values, the farthest step down and up from one training event to the next
    steps: tuple[float, float] | None = None
    # whether values never seen are spread evenly on the log scale too, and not over the bins alone, as in older files
    log_even: bool = False
    # where weights were learned on other data first: the column there, whose scale and histogram they stand on
    reference: Column | None = None
    # whether whole numbers of a grid that is far wider than the training range are embedded, as not in older files
    embeds_range: bool = False

    @property
    def name(self) -> str:
        """The feature's name, ``time`` for the inter-event time."""
        return self.feature.name

    @property
    def events(self) -> float:
        """Number of training values."""
        return sum(self.counts)

    @property
    def constant(self) -> float | None:
        """The value it has, where it has only one."""
        return self.grid.value(np.array(self.occupied)).item() if len(self.occupied) == 1 else None

    @property
    def whole(self) -> bool:
        """Whether only whole multiples of the resolution are played."""
        return self.feature.kind == "integer" or (isinstance(self.grid, UniformGrid) and self.grid.resolution == 1)

    @property
    def played(self) -> tuple[int, int]:
        """Indices of the first and the last bin that are played without a constraint."""
        if isinstance(self.grid, Categories):
            return 0, self.grid.bins - 1
        first, last = self.occupied[0], self.occupied[-1]
        margin = round(BEYOND * (last - first))
        return max(first - margin, 0), min(last + margin, self.grid.bins - 1)

    @property
    def played_steps(self) -> tuple[float, float] | None:
        """The farthest steps down and up that are played, where they are limited."""
        if self.steps is None or isinstance(self.grid, Categories):
            return None
        (low, high), margin = self.steps, BEYOND * (self.steps[1] - self.steps[0]) + self.grid.resolution
        return low - margin, high + margin

    @property
    def tilts(self) -> int:
        """Number of occupied bins where the histogram's shares may follow the context, else 0."""
        if self.histogram is not self:
            return self.histogram.tilts
        distinct = len(self.occupied)
        return distinct if distinct <= FEW and self.events >= OFTEN * distinct else 0

    @property
    def embedded(self) -> tuple[int, int]:
        """Index of the first bin that has an embedding of its own, and how many have: whole numbers, all of them or
        those of the training range, up to `FEW`."""
        histogram, grid = self.reference or self, self.grid
        if isinstance(grid, Categories) or self.feature.kind != "integer":
            return 0, 0
        first, last = (0, grid.bins - 1) if grid.bins <= FEW else (histogram.occupied[0], histogram.occupied[-1])
        few = last - first < FEW and (grid.bins <= FEW or histogram.embeds_range)
        return (first, last - first + 1) if few else (0, 0)

    @property
    def histogram(self) -> Column:
        """The column whose histogram the model has: the base's where that follows the context, else the data's."""
        return self.reference if self.reference and self.reference.tilts else self

    @property
    def pitched(self) -> bool:
        """Whether values are MIDI pitches: the same interval is the same step, wherever it begins."""
        return self.name == "pitch" and isinstance(self.grid, UniformGrid) and self.grid.resolution == 1

    @property
    def even(self) -> tuple[float, float] | None:
        """Where values never seen begin and end on the standardised log scale; ``None`` for those even in bins."""
        if not (self.log_even and isinstance(self.grid, UniformGrid)):
            return None
        mean, std = self.moments
        low, high = self.occupied[0] + self.grid.low - 0.5, self.occupied[-1] + self.grid.low + 0.5
        low, high = ((float(self.grid.warp(np.array(end * self.grid.resolution))) - mean) / std for end in (low, high))
        return (low, high) if low < high else None

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of the training values as models look at them (:meth:`UniformGrid.warp`), the
        latter at least a quarter of the first bin above the mean."""
        if self.reference:
            return self.reference.moments
        assert isinstance(self.grid, UniformGrid)
        values = self.grid.warp(self.grid.value(np.asarray(self.occupied)))
        mean = float(np.average(values, weights=self.counts))
        variance = float(np.average((values - mean) ** 2, weights=self.counts))
        return mean, max(variance**0.5, 0.25 * (0.1 if self.grid.log else self.grid.resolution))

    def describe(self) -> dict[str, Any]:
        """Return the grid in plain words: resolution, low and high end, number of bins."""
        if isinstance(self.grid, Categories):
            return {"resolution": None, "low": None, "high": None, "bins": self.grid.bins}
        ends = {"low": self.grid.low * self.grid.resolution, "high": self.grid.high * self.grid.resolution}
        return {"resolution": self.grid.resolution, **ends, "bins": self.grid.bins}

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where each bin begins and ends; both are the category itself for categories, NaN for the unknown."""
        if isinstance(self.grid, Categories):
            values = self.grid.value(np.arange(self.grid.bins))
            return values, values
        edges = self.grid.edges()
        return edges[:-1], edges[1:]

    def marginal_nats(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each value costs under the training histogram, the marginal baseline: :func:`histogram_nats` with
        bins from the lowest to the highest training value and one more for all that lies beyond."""
        index = np.where(self.grid.outside(values), -1, self.grid.index(values))  # no bin has the index -1
        bins = self.grid.bins if isinstance(self.grid, Categories) else self.occupied[-1] - self.occupied[0] + 2
        return histogram_nats(np.asarray(self.occupied), np.asarray(self.counts), index, bins)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and texts that :meth:`from_json` reads."""
        kind = "categories" if isinstance(self.grid, Categories) else "lattice"
        spec = {**asdict(self), "grid": {kind: asdict(self.grid)}}
        return spec | {"reference": self.reference.to_json() if self.reference else None}

    @staticmethod
    def from_json(spec: Mapping[str, Any]) -> Column:
        """Make a column from what :meth:`to_json` returned."""
        ((kind, grid),) = spec["grid"].items()
        made = Categories(tuple(grid["values"])) if kind == "categories" else UniformGrid(**grid)
        steps = tuple(spec["steps"]) if spec.get("steps") else None
        later = {key: bool(spec.get(key, False)) for key in ("log_even", "embeds_range")}  # as not in older files
        reference = Column.from_json(spec["reference"]) if spec.get("reference") else None
        histogram = tuple(spec["occupied"]), tuple(spec["counts"])
        column = Column(Feature(**spec["feature"]), made, *histogram, steps, reference=reference, **later)
        # refuse what no training data can have left
        sound = isinstance(made, Categories) or (0 < made.resolution < math.inf and made.low <= made.high)
        rising = all(a < b for a, b in zip((-1, *column.occupied), (*column.occupied, made.bins), strict=True))
        counted = len(column.counts) == len(column.occupied) > 0 and min(column.counts) > 0
        ordered = steps is None or (len(steps) == 2 and -math.inf < steps[0] <= steps[1] < math.inf)
        alike = column.reference is None or (column.reference.grid == made and column.reference.reference is None)
        if not (sound and rising and counted and ordered and alike):
            raise HachimachiError(f"column {column.name!r}: its grid and its histogram contradict each other")
        return column


def histogram_nats(
    occupied: NDArray[np.int64], counts: NDArray[Any], index: NDArray[np.int64], bins: int
) -> NDArray[np.float64]:
    """Return what numbers, ``index`` of any shape, cost under a histogram, −ln((count + 1/2) / (N + bins / 2)), where
    those that occurred, ascending, were counted as often as ``counts`` says and ``bins`` there might be."""
    found = np.minimum(np.searchsorted(occupied, index), len(occupied) - 1)
    count = np.where(occupied[found] == index, counts[found], 0)
    return -np.log((count + 0.5) / (counts.sum() + 0.5 * bins))


def fit_columns(
    sequences: Sequence[EventSequence], overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[Column, ...]:
    """Decide kind, grid and histogram of every column from data: inter-event time, if any, then features in order.

    Overrides replace the data's declarations, by feature and key: ``{"pitch": {"min": 21}}``. Of much data on disk the
    histograms are those of a sample (:data:`~hachimachi.io.collection.SAMPLED`).
    """
    collection = Collection.of(sequences)
    declared = [*([Feature(TIME, min=0.0)] if collection.temporal else []), *collection.features]
    for name in overrides or {}:
        if name not in (names := [feature.name for feature in declared]):
            raise HachimachiError(f"feature.{name}: the data has no such feature; it has {', '.join(names)}")
    declared = [replace(feature, **(overrides or {}).get(feature.name, {})) for feature in declared]
    if not collection.events:
        raise HachimachiError("the data has no events to learn from")
    categorical = [i for i, feature in enumerate(declared) if feature.kind == "categorical"]
    sampled, summaries = collection.sampled(), collection.summarise(categorical)
    rows, notes = sampled.all_rows(), any(feature.name == "pitch" for feature in declared)
    columns = [_fit_column(*each) for each in zip(declared, summaries, rows.T, strict=True)]
    numbers = [i for i, column in enumerate(columns) if column.name != TIME and i not in categorical]
    if not notes and len(rows) and numbers:
        # one event and the next of the same sequence and the same categories
        groups = [np.repeat(np.arange(len(sampled)), sampled.lengths), *rows[:, categorical].T]
        order = np.lexsort(groups[::-1])
        same = np.all([group[order][1:] == group[order][:-1] for group in groups], axis=0)
        for i in numbers:
            steps = np.diff(rows[order, i])[same]
            steps = steps[~np.isnan(steps)]
            if len(steps):
                columns[i] = replace(columns[i], steps=(float(steps.min()), float(steps.max())))
    return tuple(columns)


def _fit_column(feature: Feature, summary: Summary, values: NDArray[np.float64]) -> Column:
    """Decide a column from a summary of all its values, and its histogram from those values or a sample of them."""
    values = values[~np.isnan(values)]
    if summary.low > summary.high:  # a sequence's first inter-event time is NaN; single events leave nothing else
        values = np.zeros(1)
        summary = Summary.of(values, feature.kind == "categorical")
    if feature.kind == "categorical":
        grid, ends = Categories(summary.values or ()), summary.values or ()
        if len(ends) > MAX_CATEGORIES:
            found = f"feature {feature.name!r}: {len(ends):,} categories, expected at most {MAX_CATEGORIES:,}"
            advice = "make it a number (kind=integer), or leave it out if each event has its own"
            raise HachimachiError(f"{found}; {advice}")
    else:
        _check_size(feature.name, max(abs(summary.low), abs(summary.high)), 1)
        kind, resolution, seconds = feature.kind, feature.resolution, feature.name in SECONDS
        kind = kind or ("integer" if summary.whole and not seconds else "continuous")
        if resolution is None and seconds:
            resolution = 0.01
        elif resolution is None:
            resolution = 1.0 if summary.whole or kind == "integer" else _resolution(summary)
        feature = replace(feature, kind=kind, resolution=resolution)
        grid, ends = _lattice(feature, summary), (summary.low, summary.high)
    occupied, counts = np.unique(grid.index(values), return_counts=True)
    # what a sample has left out of the ends is there all the same, once
    histogram = dict.fromkeys(grid.index(np.array(ends)).tolist(), 1)
    histogram |= dict(zip(occupied.tolist(), counts.tolist(), strict=True))
    occupied, counts = zip(*sorted(histogram.items()), strict=True)
    log_even = isinstance(grid, UniformGrid) and grid.log
    return Column(feature, grid, occupied, counts, log_even=log_even, embeds_range=True)


def _resolution(summary: Summary) -> float:
    """Return the resolution of a continuous feature: its lattice if it has one, else by its range."""
    span = summary.high - summary.low
    finest = 21 * span / (MAX_BINS - 2)  # the support is 21 ranges wide
    for steps, held in zip(LATTICES, summary.lattices, strict=True):
        apart = round(summary.low * steps) != round(summary.high * steps) or span == 0
        if held and apart and 1 / steps > finest:  # all near one point of a lattice is no sign of it
            return 1 / steps
    if span > 1:
        return 0.01 if finest < 0.01 else _one_two_five(1.6 * finest)  # the nearest is at most 1.59 times finer
    return _one_two_five(span / 200) if span > 0 else 0.01


def _one_two_five(width: float) -> float:
    """Return the number among 1, 2, 5 · 10^k nearest to a width, on a log scale."""
    power = math.floor(math.log10(width))
    numbers = [float(f"{digit}e{exponent}") for exponent in (power, power + 1) for digit in (1, 2, 5)]
    return min(numbers, key=lambda number: abs(math.log(number / width)))


def _lattice(feature: Feature, summary: Summary) -> UniformGrid:
    resolution, seconds = feature.resolution or 0.01, feature.name in SECONDS
    low, high, span = summary.low, summary.high, summary.high - summary.low
    if (feature.min is not None and high < feature.min) or (feature.max is not None and low > feature.max):
        found = f"min {feature.min}, max {feature.max}, but all values lie from {low:g} to {high:g}"
        raise HachimachiError(f"feature {feature.name!r}: {found}; expected bounds around them")
    low = feature.min if feature.min is not None else 0.0 if seconds else low - 10 * span
    high = feature.max if feature.max is not None else 60.0 if seconds else high + 10 * span
    _check_size(feature.name, max(abs(low), abs(high)), resolution)
    return UniformGrid(
        resolution=resolution,
        low=math.floor(low / resolution + 0.5),
        high=math.floor(high / resolution + 0.5),
        open_low=feature.min is None,
        open_high=feature.max is None,
        log=seconds,
    )


def _check_size(name: str, largest: float, resolution: float) -> None:
    if largest / resolution > LARGEST:
        expected = f"expected at most {LARGEST * resolution:.0e} in steps of {resolution:g}"
        raise HachimachiError(f"feature {name!r}: reaches as far as {largest:g}, {expected}; scale the data")
