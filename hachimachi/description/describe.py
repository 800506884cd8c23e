"""Look at data of any size in one pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import fit_columns
from hachimachi.description.description import AT_ONCE, QUANTILES, ColumnDescription, Description, Finding
from hachimachi.description.findings import find
from hachimachi.description.statistics import Block, Lengths, Sample, Tally, blocks_of
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io import Report
from hachimachi.io.files import open_collection
from hachimachi.io.midi import instrument_name

_EXAMPLE = 2000
_MANY = 256
"""Of columns with more different values than this, the single values are not told."""


def describe(
    data: str | os.PathLike[str] | EventSequence | Iterable[EventSequence],
    report: Report | None = None,
    *,
    name: str = "",
    progress: Callable[[int], object] = bool,
) -> Description:
    """Say what is in data, and what looks wrong.

    Each sequence is taken once and forgotten, so that data on disk may be larger than memory.

    Args:
        data: A file or a folder, one sequence, or any number of them.
        report: Takes note of what was mended or left out while reading.
        name: What the data are called; by default as their file or sequence.
        progress: Is told from time to time how many events are counted.

    Raises:
        HachimachiError: What cannot be read, sequences that differ in features, or no events at all.
    """
    if isinstance(data, EventSequence):
        name, data = name or data.name, [data]
    if isinstance(data, str | os.PathLike):
        name, data = name or os.fspath(data), open_collection(data, report)
    return _describe(_Counted.of(data, progress), name)


@dataclass(frozen=True)
class _Counted:
    """What one pass over all sequences leaves.

    Args:
        features: The time between events, where there is time, and the features, as they are declared.
        tallies: Counts of each.
        sample: Some of the rows, or all.
        lengths: What is known of the sequences.
    """

    features: list[Feature]
    tallies: list[Tally]
    sample: Sample
    lengths: Lengths

    @staticmethod
    def of(sequences: Iterable[EventSequence], progress: Callable[[int], object]) -> _Counted:
        """Take each sequence once."""
        counted: _Counted | None = None
        for block in blocks_of(sequences):
            counted = counted or _Counted.start(block)
            for tally in counted.tallies:
                tally.add(block)
            counted.sample.add(block.rows)
            counted.lengths.add(block)
            progress(counted.sample.seen)
        if counted is None:
            raise HachimachiError("there are no events to describe: expected at least one sequence with at least one")
        return counted

    @staticmethod
    def start(block: Block) -> _Counted:
        """Begin with the columns of a first block."""
        first = block.pieces[0].events
        features = [Feature(TIME, min=0.0)] * first.temporal + list(first.features)
        tallies = [Tally(column, len(features)) for column in range(len(features))]
        return _Counted(features, tallies, Sample(len(features)), Lengths())


def _describe(counted: _Counted, name: str) -> Description:
    sample, lengths, columns, refused = counted.sample, counted.lengths, [], []
    for feature, tally in zip(counted.features, counted.tallies, strict=True):
        decided, finding = _decide(feature, tally, sample)
        columns.append(_column(decided, feature, tally, sample.rows[:, tally.column]))
        refused += [finding] if finding else []
    temporal = counted.features[0].name == TIME
    described = Description(
        name=name,
        sequences=lengths.count,
        events=sample.seen,
        seconds=lengths.seconds if temporal else None,
        lengths=lengths.three,
        shortest=lengths.shortest,
        longest=lengths.longest,
        columns=tuple(columns),
        at_zero=_share(columns[0], 0.0) if temporal else None,
        at_once=_share(columns[0], AT_ONCE) if temporal else None,
        instruments=_instruments(counted),
        findings=(),
        sampled=len(sample.rows),
        example=lengths.example[:_EXAMPLE],
    )
    return replace(described, findings=(*refused, *find(described, counted.tallies, lengths)))


def _decide(feature: Feature, tally: Tally, sample: Sample) -> tuple[Feature, Finding | None]:
    """Decide kind and resolution as training does, by the values there are: how often each is there plays no part."""
    values = tally.values
    if tally.many:  # then by those that settle most of it: the ends, a fraction if there is any, and a fair sample
        known = sample.rows[:, tally.column]
        ends = [tally.low, tally.high, *([] if tally.fraction is None else [tally.fraction])]
        values = np.unique(np.append(known[~np.isnan(known)], ends))
    try:
        if feature.name == TIME:
            pair = EventSequence((Feature("x"),), np.zeros((2, 1)), np.array([0.0, max(tally.high, 0.0)]))
            return fit_columns([pair])[0].feature, None
        return fit_columns([EventSequence((feature,), values[:, None])])[0].feature, None
    except HachimachiError as error:
        kind = feature.kind or ("integer" if tally.whole else "continuous")
        found = str(error).removeprefix(f"feature {feature.name!r}: ")
        return replace(feature, kind=kind), Finding("range", feature.name, found, "training will refuse it")


def _column(decided: Feature, declared: Feature, tally: Tally, sample: NDArray[np.float64]) -> ColumnDescription:
    values = np.sort(sample[~np.isnan(sample)])
    values = values if values.size else np.zeros(1)  # single events have no time between them
    low, high = (tally.low, tally.high) if tally.events else (0.0, 0.0)
    quantiles = np.quantile(values, QUANTILES, method="inverted_cdf").tolist()
    keys = ("kind", "min", "max", "resolution") if declared.name != TIME else ()
    few = not tally.many and len(tally.values) <= _MANY
    return ColumnDescription(
        name=decided.name,
        kind=decided.kind or "continuous",
        masked=decided.masked,
        resolution=None if decided.kind == "categorical" else decided.resolution,
        declared=tuple(key for key in keys if getattr(declared, key) is not None),
        events=tally.events,
        low=low,
        high=high,
        distinct=None if tally.many else len(tally.values),
        quantiles=dict(zip(QUANTILES, [low, *quantiles[1:-1], high], strict=True)),
        counts=dict(zip(tally.values.tolist(), tally.counts.tolist(), strict=True)) if few else {},
        values=values,
    )


def _share(column: ColumnDescription, below: float) -> float:
    """Return the share of values at 0, or below a number above it."""
    side = "left" if below > 0 else "right"
    return float(np.searchsorted(column.values, below, side=side) / len(column.values)) if column.events else 0.0


def _instruments(counted: _Counted) -> dict[str, int]:
    names = [feature.name for feature in counted.features]
    if "instrument" not in names or "pitch" not in names:
        return {}
    tally = counted.tallies[names.index("instrument")]
    order = np.argsort(-tally.counts, kind="stable").tolist()
    return {instrument_name(float(tally.values[i])): int(tally.counts[i]) for i in order}
