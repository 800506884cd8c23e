"""Arrow files: what they are for other programs, added to, and damaged."""

from __future__ import annotations

import sys
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

from .arrow_files import NOTES, save, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "takes.arrow"


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
        monkeypatch.setattr("hachimachi.io.arrow.SHARD", 10)
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
        with pytest.raises(HachimachiError, match="alike: one has time, the other has none"):
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
