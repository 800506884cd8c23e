"""Arrow files that other programs have written, or written over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hachimachi import io
from hachimachi.errors import HachimachiError
from hachimachi.events import Feature
from hachimachi.io.collection import Collection

from .arrow_files import NOTES, save, take

FRAME = pd.DataFrame(
    {"sequence": ["a", "a", "b"], "time": [0.0, 0.5, 0.25], "pitch": [60, 62, 64], "~duration": [0.1, 0.2, 0.3]}
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "takes.arrow"


def by_pandas(frame: pd.DataFrame, path: Path) -> None:
    frame.to_feather(path)  # compressed


def by_pandas_plain(frame: pd.DataFrame, path: Path) -> None:
    frame.to_feather(path, compression="uncompressed")


def by_polars(frame: pd.DataFrame, path: Path) -> None:
    pl.from_pandas(frame).write_ipc(path)


def by_arrow(frame: pd.DataFrame, path: Path) -> None:
    save(pa.Table.from_pandas(frame, preserve_index=True), path)


@pytest.mark.parametrize("save_frame", [by_pandas, by_pandas_plain, by_polars, by_arrow])
class TestOfOtherPrograms:
    def test_sequences_are_runs_of_one_name(self, path: Path, save_frame: Callable[[pd.DataFrame, Path], None]) -> None:
        save_frame(FRAME, path)
        for found in (io.read(path), list(io.open_collection(path))):
            assert [each.name for each in found] == ["a", "b"]
            assert found[0].features == (Feature("pitch"), Feature("duration", masked=True))
            assert [each.time.tolist() for each in found if each.time is not None] == [[0.0, 0.5], [0.25]]
            assert found[0].data.tolist() == [[60, 0.1], [62, 0.2]]

    def test_without_sequences_all_is_one(self, path: Path, save_frame: Callable[[pd.DataFrame, Path], None]) -> None:
        save_frame(FRAME.drop(columns=["sequence", "time"]), path)
        [found] = io.read(path)
        assert (found.name, found.time, len(found)) == ("takes.arrow", None, 3)
        assert io.open_collection(path).rows(0).tolist() == found.data.tolist()

    @pytest.mark.parametrize(
        ("column", "values", "said"),
        [
            ("pitch", [60, None, 64], "row 2, column 'pitch': found "),
            ("~duration", [0.1, 0.2, np.inf], "row 3, column '~duration': found inf"),
            ("pitch", ["C", "D", "E"], "column 'pitch' holds "),
            ("time", [0.5, 0.25, 0.0], "row 2, column 'time': found 0.25"),
            ("time", [0.0, 0.25, -1.0], "row 3, column 'time': found -1"),
            ("sequence", ["a", "b", "a"], "row 3, column 'sequence': 'a' begins again"),
            ("sequence", ["a", None, "a"], "row 2, column 'sequence': found nothing"),
            ("other", pd.to_datetime(["2026-01-01"] * 3), "column 'other' holds timestamp"),
        ],
    )
    def test_what_is_wrong_is_told_with_row_and_column(
        self, path: Path, save_frame: Callable[[pd.DataFrame, Path], None], column: str, values: Any, said: str
    ) -> None:
        save_frame(FRAME.assign(**{column: values}), path)
        for act in (io.read, io.open_collection):
            with pytest.raises(HachimachiError) as error:
                act(path)
            assert str(error.value).startswith(f"{path}: ")
            assert said in str(error.value)
            assert "\n" not in str(error.value)


def test_kinds_of_numbers(path: Path) -> None:
    names = pa.array([7, 9, 7], pa.int32()).dictionary_encode()
    flags, halves = pa.array([True, False, True]), pa.array(np.array([0.5, 1, 2], dtype=np.float16))
    save(pa.table({"sequence": [1, 1, 2], "gesture": names, "on": flags, "half": halves, "n#": [1, 2, 3]}), path)
    found = io.read(path)
    assert [each.name for each in found] == ["1", "2"]
    assert [feature.kind for feature in found[0].features] == ["categorical", None, None, "categorical"]
    assert found[0].data.tolist() == [[7, 1, 0.5, 1], [9, 0, 1, 2]]


def test_sequences_that_reach_over_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hachimachi.io.arrow.BLOCK", 3)
    columns = {"sequence": ["a"] * 4 + ["b"] * 6 + ["c"], "time": [0, 1, 2, 3, 0, 1, 1, 5, 6, 7, 4], "x": range(11)}
    save(pa.table({name: list(values) for name, values in columns.items()}), path)
    found = io.open_collection(path)
    assert found.lengths.tolist() == [4, 6, 1]
    assert found.rows(1, 1, 4).tolist() == [[1, 5], [0, 6], [4, 7]]
    assert [(each.low, each.high) for each in found.summarise()] == [(0, 4), (0, 10)]


def test_row_numbers_of_pandas_are_left_out_and_it_is_said(path: Path) -> None:
    save(pa.Table.from_pandas(FRAME.set_index(pd.Index([4, 5, 6])), preserve_index=True), path)
    report = io.Report()
    assert [feature.name for feature in io.read(path, report)[0].features] == ["pitch", "duration"]
    assert "row numbers of pandas" in report.lines()[0]


def test_a_description_that_is_no_longer_true_is_not_believed(path: Path) -> None:
    io.write(path, [take(5, "a"), take(8, "b")])
    table = pa.ipc.open_file(str(path)).read_all()
    save(table.slice(2, 9), path)
    found = io.open_collection(path)
    assert found.lengths.tolist() == [3, 6]
    assert found.features == NOTES  # what is declared still holds
    assert found.rows(0, 0, 1)[0, 1:].tolist() == take(5, "a").data[2].tolist()


def test_numbers_that_another_program_changed_are_read_as_they_are(path: Path) -> None:
    io.write(path, [take(5, "a"), take(8, "b")])
    table = pa.ipc.open_file(str(path)).read_all()
    louder, back = (pa.array(table[name].to_numpy() * factor) for name, factor in (("pitch", 300.0), ("time", -1.0)))
    save(table.set_column(2, "pitch", louder), path)
    found = io.open_collection(path)
    assert found.summarise()[1].high == louder.to_numpy().max()
    save(table.set_column(1, "time", back), path)
    for act in (Collection.summarise, lambda each: each.rows(0)):
        with pytest.raises(HachimachiError, match=r"takes.arrow: row 2, column 'time': found -.*, expected seconds"):
            act(io.open_collection(path))
