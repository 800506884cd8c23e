"""What is counted in one pass is what all of it together says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hachimachi
from hachimachi import io
from hachimachi.columns import fit_columns
from hachimachi.description.describe import EventSample, describe
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import read
from hachimachi.io.collection import Collection

CONTROL = (Feature("x"), Feature("mode", "categorical"), Feature("held", masked=True, resolution=0.5))


def pieces(lengths: list[int], seed: int = 0) -> list[EventSequence]:
    chance = np.random.default_rng(seed)
    made = []
    for number, length in enumerate(lengths):
        data = np.column_stack(
            [chance.random(length), chance.integers(0, 3, length), chance.integers(0, 9, length) / 2]
        )
        time = np.cumsum(chance.exponential(0.1, length) * chance.integers(0, 2, length))
        data = data.astype(np.float64)
        made.append(EventSequence(CONTROL, data, time, f"piece {number}"))
    return made


def test_counts_and_quantiles_are_those_of_all_events() -> None:
    sequences = pieces([300, 40, 7])
    data = describe(sequences)
    rows = np.concatenate([sequence.rows() for sequence in sequences])
    between = rows[~np.isnan(rows[:, 0]), 0]
    assert (data.sequences, data.events, data.lengths) == (3, 347, (7, 40, 300))
    assert (data.shortest, data.longest) == ("piece 2", "piece 0")
    assert data.seconds == pytest.approx(sum(sequence.seconds for sequence in sequences))
    assert data.at_zero == np.mean(between == 0)
    assert data.at_once == np.mean(between < 0.005)
    assert [column.name for column in data.columns] == ["time", "x", "mode", "held"]
    assert data["time"].events == len(between) == 344
    for column, values in zip(data.columns, [between, *rows[:, 1:].T], strict=True):
        assert (column.low, column.high) == (values.min(), values.max())
        assert column.distinct == len(np.unique(values))
        assert column.quantiles[0.5] == np.quantile(values, 0.5, method="inverted_cdf")
        assert np.array_equal(column.values, np.sort(values))
    assert data["mode"].counts == {value: int((rows[:, 2] == value).sum()) for value in (0.0, 1.0, 2.0)}
    assert data["held"].masked
    assert data["held"].declared == ("resolution",)
    assert data.sampled == data.events


def test_an_iterator_and_a_collection_are_data_too() -> None:
    sequences = pieces([200, 3, 1, 120])
    whole = describe(sequences).to_json()
    assert describe(iter(sequences)).to_json() == whole
    assert describe(Collection.of(sequences)).to_json() == whole


def test_locations_are_those_of_the_events() -> None:
    sequences = [*pieces([50, 0, 70]), pieces([9])[0]]
    sample = EventSample(Collection.of(sequences).take([0, 1, 2]))
    for row in range(len(sample.rows)):
        event, name = sample.locate(row).removeprefix("event ").split(" of ")
        sequence = next(s for s in sequences if s.name == name)
        assert np.array_equal(sequence.rows()[int(event) - 1], sample.rows[row], equal_nan=True)


VALUES = st.sampled_from(["whole", "lattice", "fine", "wide", "constant", "huge"])


@given(VALUES, st.integers(1, 80), st.integers(0, 5))
def test_kind_and_resolution_are_those_of_training(how: str, length: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = {
        "whole": chance.integers(-5, 50, length),
        "lattice": chance.integers(0, 128, length) / 127,
        "fine": chance.random(length) * 1e-4,
        "wide": chance.normal(size=length) * 300,
        "constant": np.full(length, 0.3),
        "huge": chance.integers(0, 2, length) * 1e12,
    }[how]
    sequence = EventSequence((Feature("v"),), np.asarray(values, float)[:, None], 0.3 * np.arange(float(length)))
    for column, trained in zip(describe(sequence).columns, fit_columns([sequence]), strict=True):
        assert (column.kind, column.resolution) == (trained.feature.kind, trained.feature.resolution)


def test_of_much_data_on_disk_a_sample_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    sequences = pieces([3000] * 20)
    sequences[7].data[1234, 0] = 17.25
    io.write(tmp_path / "data.arrow", sequences)
    whole = describe(sequences)
    monkeypatch.setattr(Collection.sampled, "__defaults__", (8192,))
    data = describe(tmp_path / "data.arrow")
    assert data.events == whole.events == 60_000 > data.sampled >= 8192
    assert data.lengths == whole.lengths
    assert data.seconds == pytest.approx(whole.seconds, rel=0.05)
    for column, exact in zip(data.columns, whole.columns, strict=True):
        for key in ("low", "high", "kind", "resolution", "events", "declared"):
            assert getattr(column, key) == getattr(exact, key)
    assert data["x"].distinct is None
    assert data["x"].quantiles[0.5] == pytest.approx(0.5, abs=0.05)
    assert data["mode"].counts.keys() == {0.0, 1.0, 2.0}
    assert sum(data["mode"].counts.values()) == pytest.approx(60_000, abs=2)


def test_one_fraction_among_many_whole_numbers_is_not_lost() -> None:
    values = np.arange(30_000.0)
    assert describe(make_sequence(values[:, None]))["0"].kind == "integer"
    values[17_000] += 0.5
    assert describe(make_sequence(values[:, None]))["0"].kind == "continuous"


def test_instruments_by_name(shared_data: Path) -> None:
    data = describe(shared_data / "single" / "multi_train.json")
    assert list(data.instruments.items())[:2] == [("Electric Bass (pick)", 1368), ("Drums", 1060)]
    assert data.name.endswith("multi_train.json")
    assert sum(data.instruments.values()) == data.events == 3292


def test_from_python_a_folder_or_what_was_read(tmp_path: Path) -> None:
    for number, sequence in enumerate(pieces([30, 50])):
        io.write(tmp_path / f"{number}.json", sequence)
    by_path, by_events = describe(tmp_path), describe(read(tmp_path))
    assert by_path.columns == by_events.columns
    assert hachimachi.describe is describe
    assert json.loads(json.dumps(by_path.to_json()))["columns"][2]["counts"].keys() == {"0", "1", "2"}


def test_single_events_and_extreme_numbers() -> None:
    data = describe([make_sequence([[1.0]], [0.0]), make_sequence([[1e308]], [5.0])])
    assert (data["time"].events, data.seconds, data.at_zero) == (0, 0.0, 0.0)
    assert data["0"].high == 1e308
    assert [finding.kind for finding in data.findings if finding.column] == ["range"]


def test_what_cannot_be_described() -> None:
    with pytest.raises(HachimachiError, match="no events to describe"):
        describe([])
    with pytest.raises(HachimachiError, match="no events to describe"):
        describe([make_sequence(np.empty((0, 1)))])
    with pytest.raises(HachimachiError, match="differ in features"):
        describe([make_sequence([[1]]), make_sequence([[1, 2]])])
