"""What an Arrow file says of itself: features, sequences and their statistics, in the metadata of its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io.json_features import describe, read_features
from hachimachi.io.summary import Statistics

KEY = b"hachimachi"
"""Under which the metadata stands."""
SEQUENCE = "sequence"
"""The column that says which sequence an event is of."""
VERSION = 1


@dataclass(frozen=True, eq=False)
class Index:
    """What can be known of a file without reading its events.

    Args:
        features: What its columns are.
        temporal: Whether there is time.
        names: Of its sequences.
        lengths: Of its sequences, in events.
        statistics: Of its sequences; inter-event time first where there is time, then the features.
    """

    features: tuple[Feature, ...]
    temporal: bool
    names: tuple[str, ...]
    lengths: NDArray[np.int64]
    statistics: Statistics

    @property
    def columns(self) -> list[str]:
        """The names of the columns that hold numbers, as they stand in the file."""
        return [TIME] * self.temporal + [feature.name for feature in self.features]

    @staticmethod
    def of(sequences: Sequence[EventSequence]) -> Index:
        """Describe sequences, at least one, that share their features."""
        first, lengths = sequences[0], np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        columns = [np.concatenate([each.data[:, place] for each in sequences]) for place in range(len(first.features))]
        if first.temporal:
            columns.insert(0, np.concatenate([each.rows()[:, 0] for each in sequences]))
        statistics = Statistics.of(columns, lengths, categorical(first.features, first.temporal))
        return Index(first.features, first.temporal, tuple(each.name for each in sequences), lengths, statistics)

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the metadata of a schema; features stand there as they do in JSON."""
        told = {
            "version": VERSION,
            "features": {str(place): describe(feature) for place, feature in enumerate(self.features)},
            "temporal": self.temporal,
            "sequences": {"names": self.names, "lengths": self.lengths.tolist()},
            "statistics": self.statistics.to_json(),
        }
        return {KEY: json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()}


def categorical(features: Sequence[Feature], temporal: bool) -> list[int]:
    """Return the places of categorical columns, time counted where there is time."""
    return [temporal + place for place, feature in enumerate(features) if feature.kind == "categorical"]


def read_index(schema: pa.Schema, events: int) -> Index | None:
    """Return the index in a schema; nothing where there is none, or where it is no longer true of so many events.

    Raises:
        HachimachiError: An index that a newer version wrote, or that contradicts itself.
    """
    text = (schema.metadata or {}).get(KEY)
    if text is None:
        return None
    try:
        told = json.loads(text)
        version = told["version"]
        if version == VERSION:
            index = _index(told)
            return index if int(index.lengths.sum()) == events and set(index.columns) <= set(schema.names) else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise HachimachiError(f"its description under {KEY.decode()!r} is damaged: {error!r}") from error
    raise HachimachiError(f"its description has version {version}, expected {VERSION}; a newer hachimachi wrote it")


def read_description(schema: pa.Schema, names: Sequence[str]) -> tuple[Feature, ...]:
    """Return what a file without a true index says of its columns, by their names.

    A column of a dictionary of numbers is categorical, as is one marked ``#``; ``~`` marks masked ones, as in CSV.
    """
    try:
        told: Mapping[str, Any] = json.loads((schema.metadata or {}).get(KEY, b"{}")).get("features", {})
        known = {feature.name: feature for feature in read_features(told, len(told))}
    except (ValueError, AttributeError):
        known = {}
    return tuple(known.get(name) or _feature(name, schema.field(name).type) for name in names)


def _feature(name: str, kind: pa.DataType) -> Feature:
    named = name.endswith("#") or pa.types.is_dictionary(kind)
    plain = name.removeprefix("~").removesuffix("#").strip()
    return Feature(plain, "categorical" if named else None, masked=name.startswith("~"))


def _index(told: Mapping[str, Any]) -> Index:
    features, temporal = read_features(told["features"], len(told["features"])), bool(told["temporal"])
    names = tuple(map(str, told["sequences"]["names"]))
    lengths = np.array(told["sequences"]["lengths"], dtype=np.int64)
    if lengths.shape != (len(names),) or (lengths < 0).any():
        raise ValueError(f"{len(names)} names and {len(lengths)} lengths")
    statistics = Statistics.from_json(told["statistics"], len(names), temporal + len(features))
    return Index(features, temporal, names, lengths, statistics)
