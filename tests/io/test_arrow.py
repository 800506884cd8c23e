"""Arrow files: what they are for other programs, and what other programs make of them."""

from __future__ import annotations

import sys
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
from hachimachi.events import EventSequence, Feature

NOTES = (
    Feature("pitch", kind="integer", min=0, max=127),
    Feature("duration", masked=True),
    Feature("hand", "categorical"),
)


def take(events: int, name: str = "", seed: int = 0) -> EventSequence:
    random = np.random.default_rng(seed)
    columns = [random.integers(0, 128, events), random.random(events), random.integers(0, 2, events)]
    return EventSequence(NOTES, np.column_stack(columns), np.sort(random.random(events)) * 9, name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "takes.arrow"


def save(table: pa.Table, path: Path) -> Path:
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    return path


def test_opens_as_people_expect_in_pandas_and_polars(path: Path) -> None:
    takes = [take(5, "a.mid"), take(70_000, "b.mid"), take(2, "b.mid"), take(1)]
    io.write(path, takes)
    frame = pd.read_feather(path)
    assert list(frame.columns) == ["sequence", "time", "pitch", "duration", "hand"]
    assert [str(kind) for kind in frame.dtypes] == ["category", "float64", "uint8", "float64", "uint8"]
    groups = frame.groupby("sequence", observed=True, sort=False)
    assert groups.size().to_dict() == {"a.mid": 5, "b.mid#1": 70_000, "b.mid#2": 2, "#3": 1}
    assert frame["pitch"].tolist() == [pitch for each in takes for pitch in each.column("pitch").tolist()]
    assert pl.read_ipc(path)["time"].to_list() == frame["time"].tolist()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 255], pa.uint8()),
        ([-1, 127], pa.int8()),
        ([0, 256], pa.uint16()),
        ([-129, 0], pa.int16()),
        ([0, 2**32 - 1], pa.uint32()),
        ([-1, 2**31 - 1], pa.int32()),
        ([0.5, 0.25], pa.float32()),
        ([0.1], pa.float64()),
        ([2.0**33], pa.float32()),
        ([2.0**33 + 1], pa.float64()),
        ([1e308, 0.5], pa.float64()),
    ],
)
def test_columns_have_the_smallest_type_that_is_exact(path: Path, values: list[float], kind: pa.DataType) -> None:
    written = EventSequence((Feature("x"),), np.array(values)[:, None], name="one")
    io.write(path, written)
    assert pa.ipc.open_file(str(path)).schema.field("x").type == kind
    assert io.read(path) == [written]


def test_is_not_compressed_and_is_cut_into_blocks(path: Path) -> None:
    io.write(path, take(150_000))
    reader = pa.ipc.open_file(str(path))
    assert [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)] == [65_536, 65_536, 18_928]
    assert io.open_collection(path).source.resident is False


class TestShards:
    def test_each_writing_adds_one(self, tmp_path: Path) -> None:
        first, second = [take(4, "a"), take(3, "b")], [take(5, "c", seed=1)]
        io.write(f"{tmp_path}/takes.arrow/", first)
        before = (tmp_path / "takes.arrow" / "part-00000.arrow").read_bytes()
        io.write(tmp_path / "takes.arrow", second)
        assert sorted(path.name for path in (tmp_path / "takes.arrow").iterdir()) == [
            "part-00000.arrow",
            "part-00001.arrow",
        ]
        assert (tmp_path / "takes.arrow" / "part-00000.arrow").read_bytes() == before
        assert io.read(tmp_path / "takes.arrow") == [*first, *second]
        assert list(io.open_collection(tmp_path / "takes.arrow")) == [*first, *second]
        assert pl.read_ipc(tmp_path / "takes.arrow" / "*.arrow").height == 12

    def test_many_events_make_several(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hachimachi.io.arrow.shards.SHARD", 10)
        takes = [take(length, f"{place}", place) for place, length in enumerate([4, 6, 1, 30, 2])]
        io.write(f"{tmp_path}/takes.arrow/", takes)
        parts = sorted((tmp_path / "takes.arrow").iterdir())
        assert [pd.read_feather(path).shape[0] for path in parts] == [10, 1, 30, 2]
        assert list(io.open_collection(tmp_path / "takes.arrow")) == takes

    def test_a_column_keeps_its_type_where_that_will_do(self, tmp_path: Path) -> None:
        for number, values in enumerate([[0.5, 3], [1, 2], [0.1, 2]]):
            io.write(
                f"{tmp_path}/x.arrow/", EventSequence((Feature("x"),), np.array(values)[:, None], name=str(number))
            )
        kinds = [
            pa.ipc.open_file(str(path)).schema.field("x").type for path in sorted((tmp_path / "x.arrow").iterdir())
        ]
        assert kinds == [pa.float32(), pa.float32(), pa.float64()]

    @pytest.mark.parametrize(
        ("features", "said"),
        [
            ((NOTES[0], NOTES[1]), "found features pitch, duration; expected pitch, duration, hand"),
            ((Feature("pitch", max=127), *NOTES[1:]), "feature 'pitch' has kind None; expected integer"),
            ((NOTES[0], Feature("duration"), NOTES[2]), "feature 'duration' has masked False; expected True"),
        ],
    )
    def test_other_features_are_refused(self, tmp_path: Path, features: tuple[Feature, ...], said: str) -> None:
        io.write(f"{tmp_path}/takes.arrow/", take(4, "a"))
        other = EventSequence(features, np.ones((3, len(features))), np.arange(3.0), "b")
        with pytest.raises(HachimachiError, match=r"part-00000.arrow: ") as error:
            io.write(f"{tmp_path}/takes.arrow/", other)
        assert said in str(error.value)
        assert len(list((tmp_path / "takes.arrow").iterdir())) == 1

    def test_time_in_some_only_is_refused(self, tmp_path: Path) -> None:
        io.write(f"{tmp_path}/takes.arrow/", take(4, "a"))
        with pytest.raises(HachimachiError, match="has time, the new sequences differ"):
            io.write(f"{tmp_path}/takes.arrow/", EventSequence(NOTES, np.ones((3, 3)), name="b"))

    def test_the_same_twice_is_refused(self, tmp_path: Path) -> None:
        io.write(f"{tmp_path}/takes.arrow/", take(4, "a"))
        with pytest.raises(HachimachiError, match=r"part-00000.arrow: holds 'a' already"):
            io.write(f"{tmp_path}/takes.arrow/", [take(4, "b"), take(4, "a")])

    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "takes.arrow").mkdir()
        (tmp_path / "takes.arrow" / "letter.txt").write_text("Dear Fanny")
        with pytest.raises(HachimachiError, match=r"holds letter.txt, no shards"):
            io.write(tmp_path / "takes.arrow", take(4))
        with pytest.raises(HachimachiError, match="there is no folder"):
            io.write(f"{tmp_path}/nowhere/takes.arrow/", take(4))

    def test_shards_that_differ_are_told(self, tmp_path: Path) -> None:
        io.write(tmp_path / "a.arrow", take(4))
        io.write(tmp_path / "b.arrow", EventSequence(NOTES[:2], np.ones((3, 2)), np.arange(3.0)))
        with pytest.raises(HachimachiError, match=r"b.arrow and .*a.arrow differ: found features pitch, duration;"):
            io.open_collection(tmp_path)


FRAME = pd.DataFrame(
    {"sequence": ["a", "a", "b"], "time": [0.0, 0.5, 0.25], "pitch": [60, 62, 64], "~duration": [0.1, 0.2, 0.3]}
)


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
    monkeypatch.setattr("hachimachi.io.arrow.file.BLOCK", 3)
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


def test_events_beyond_their_description_are_told(path: Path) -> None:
    io.write(path, [take(5, "a"), take(8, "b")])
    table = pa.ipc.open_file(str(path)).read_all()
    louder = pa.array(table["pitch"].to_numpy() + 300.0)
    save(table.set_column(2, "pitch", louder), path)
    with pytest.raises(HachimachiError, match=r"takes.arrow: row 7, column 'pitch': found \d+, where its description"):
        io.open_collection(path).rows(1, 1)


class TestDamaged:
    @pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.9, 0.999])
    def test_what_was_cut_short_is_one_line(self, path: Path, part: float) -> None:
        io.write(path, take(100))
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * part)])
        for act in (io.read, io.open_collection):
            with pytest.raises(HachimachiError) as error:
                act(path)
            assert "\n" not in str(error.value)
            assert str(path) in str(error.value)

    def test_any_byte_may_be_wrong(self, path: Path) -> None:
        io.write(path, take(40))
        content, random = path.read_bytes(), np.random.default_rng(0)
        for place in random.integers(0, len(content), 300):
            path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
            try:
                found = io.read(path)
            except HachimachiError as error:
                assert "\n" not in str(error)
            else:
                assert all(np.isfinite(each.data).all() for each in found)

    def test_a_newer_version_is_told(self, path: Path) -> None:
        io.write(path, take(4))
        table = pa.ipc.open_file(str(path)).read_all()
        told = table.schema.metadata[b"hachimachi"].replace(b'"version":1', b'"version":2')
        save(table.replace_schema_metadata({b"hachimachi": told}), path)
        with pytest.raises(HachimachiError, match="version 2, expected 1; a newer hachimachi wrote it"):
            io.read(path)

    def test_no_such_file(self, path: Path) -> None:
        with pytest.raises(HachimachiError, match=r"takes.arrow: there is no such file"):
            io.open_collection(path)

    def test_a_table_without_rows(self, path: Path) -> None:
        save(pa.table({"x": pa.array([], pa.float64())}), path)
        for act in (io.read, io.open_collection):
            with pytest.raises(HachimachiError, match="no events"):
                act(path)

    def test_two_columns_of_one_name(self, path: Path) -> None:
        save(pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["x", "x"]), path)
        with pytest.raises(HachimachiError, match="two columns are named 'x'"):
            io.read(path)

    def test_no_columns_of_numbers(self, path: Path) -> None:
        save(pa.table({"sequence": ["a"], "time": [0.0]}), path)
        with pytest.raises(HachimachiError, match="at least one column besides time"):
            io.read(path)

    def test_a_feature_may_not_be_called_as_the_sequences_are(self, path: Path) -> None:
        with pytest.raises(HachimachiError, match="keep this name for the sequences"):
            io.write(path, EventSequence((Feature("sequence"),), np.ones((2, 1))))
        assert not path.exists()


def test_without_pyarrow_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"anything")
    for name in [name for name in sys.modules if name.startswith("hachimachi.io.arrow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for act in (io.read, io.open_collection, lambda path: io.write(path, take(3))):
        with pytest.raises(HachimachiError, match=r"need pyarrow; pip install 'hachimachi\[columnar\]'"):
            act(path)


def test_other_formats_load_no_pyarrow(tmp_path: Path, python_process: Any) -> None:
    io.write(tmp_path / "a.csv", take(3))
    code = "import sys; from hachimachi import io; io.open_collection('a.csv'); sys.exit('pyarrow' in sys.modules)"
    assert python_process("-c", code, cwd=tmp_path).returncode == 0
