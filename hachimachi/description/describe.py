"""Look at data of any size in one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hachimachi.columns import fit_columns
from hachimachi.description.blocks import Block, blocks_of
from hachimachi.description.description import AT_ONCE, QUANTILES, ColumnDescription, Description, Finding
from hachimachi.description.findings import find
from hachimachi.description.lengths import Lengths
from hachimachi.description.tally import Sample, Tally
from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io import Report, read
from hachimachi.io.midi_options import DRUMS

_EXAMPLE = 2000
_MANY = 256
"""Of columns with more different values than this, the single values are not told."""


def describe(
    data: str | os.PathLike[str] | EventSequence | Iterable[EventSequence], report: Report | None = None, name: str = ""
) -> Description:
    """Say what is in data, and what looks wrong.

    Each sequence is taken once and forgotten, so that data may be larger than memory.

    Args:
        data: A file or a folder, one sequence, or any number of them.
        report: Takes note of what was mended or left out while reading.
        name: What the data are called; by default as their file or sequence.

    Raises:
        HachimachiError: What cannot be read, sequences that differ in features, or no events at all.
    """
    if isinstance(data, EventSequence):
        return _describe([data], name or data.name)
    if isinstance(data, str | os.PathLike):
        return _describe(read(data, report), name or os.fspath(data))
    return _describe(data, name)


def _describe(sequences: Iterable[EventSequence], name: str) -> Description:
    tallies: list[Tally] = []
    features: tuple[Feature, ...] = ()
    sample, lengths = Sample(1), Lengths()
    for block in blocks_of(sequences):
        if not tallies:
            features = _features(block)
            tallies = [Tally(column, len(features)) for column in range(len(features))]
            sample = Sample(len(features))
        for tally in tallies:
            tally.add(block)
        sample.add(block.rows)
        lengths.add(block)
    if not tallies:
        raise HachimachiError("there are no events to describe: expected at least one sequence with at least one")
    columns, refused = [], []
    for feature, tally in zip(features, tallies, strict=True):
        decided, finding = _decide(feature, tally, sample)
        columns.append(_column(decided, feature, tally, sample.rows[:, tally.column]))
        refused += [finding] if finding else []
    temporal = features[0].name == TIME
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
        instruments=_instruments(tallies, features),
        findings=(),
        sampled=len(sample.rows),
        example=lengths.example[:_EXAMPLE],
    )
    return replace(described, findings=(*refused, *find(described, tallies, lengths)))


def _features(block: Block) -> tuple[Feature, ...]:
    first = block.pieces[0].events
    return (Feature(TIME, min=0.0), *first.features) if first.temporal else first.features


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


def _instruments(tallies: list[Tally], features: tuple[Feature, ...]) -> dict[str, int]:
    names = [feature.name for feature in features]
    if "instrument" not in names or "pitch" not in names:
        return {}
    tally = tallies[names.index("instrument")]
    order = np.argsort(-tally.counts, kind="stable")
    return {instrument_name(tally.values[i]): int(tally.counts[i]) for i in order}


def instrument_name(program: float) -> str:
    """Return the name of a General MIDI program, drums for 128, and other numbers as they are."""
    from pretty_midi import program_to_instrument_name

    if program == DRUMS:
        return "Drums"
    return program_to_instrument_name(int(program)) if program in range(DRUMS) else f"{program:g}"
