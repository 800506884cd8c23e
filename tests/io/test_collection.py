"""One road for what is in memory and what is on disk: the same rows, parts and summaries from both."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi import io
from hachimachi.events import EventSequence, Feature
from hachimachi.io.arrow import ArrowSource
from hachimachi.io.collection import Collection, Summary

LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)
FEATURES = (Feature("tag"), Feature("share"), Feature("hand", "categorical"))


def tagged(lengths: Sequence[int], temporal: bool = True) -> list[EventSequence]:
    """Make sequences in which every event has a number of its own."""
    pieces, first = [], 0
    for place, length in enumerate(lengths):
        tag = np.arange(first, first + length)
        data = np.column_stack([tag, (tag % 128) / 127, tag // 7 % 3]).astype(np.float64)
        time = np.cumsum(tag % 5 / 8.0) if temporal else None
        pieces.append(EventSequence(FEATURES, data, time, f"{place}.mid"))
        first += length
    return pieces


@contextmanager
def on_disk(pieces: Sequence[EventSequence], shards: int = 1) -> Iterator[Collection]:
    """Open sequences from disk, in blocks of 16 events of which only few are open at a time."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hachimachi.io.arrow.BLOCK", 16)
        patch.setattr("hachimachi.io.arrow.OPEN", 40)
        cuts = [len(pieces) * each // shards for each in range(shards + 1)]
        for first, stop in pairwise(cuts):
            if any(map(len, pieces[first:stop])):
                io.write(f"{folder}/takes.arrow/", pieces[first:stop])
        opened = io.open_collection(f"{folder}/takes.arrow")
        assert isinstance(opened.source, ArrowSource)
        yield opened


def same(one: Collection, other: Collection) -> None:
    assert one.names == other.names
    assert one.lengths.tolist() == other.lengths.tolist()
    assert (one.features, one.temporal, one.events) == (other.features, other.temporal, other.events)
    assert list(one) == list(other)
    for place in range(len(one)):
        np.testing.assert_array_equal(one.rows(place), other.rows(place))


@given(LENGTHS, st.booleans(), st.data())
def test_rows_and_parts_are_the_same_from_disk_and_from_memory(
    lengths: list[int], temporal: bool, data: st.DataObject
) -> None:
    pieces = tagged(lengths, temporal)
    memory = Collection.of(pieces)
    assert list(memory) == pieces
    with on_disk(pieces) as disk:
        same(disk, memory)
        place = data.draw(st.integers(0, len(pieces) - 1))
        start = data.draw(st.integers(0, lengths[place]))
        stop = data.draw(st.integers(start, lengths[place] + 5))
        for each in (disk, memory):
            np.testing.assert_array_equal(each.rows(place, start, stop), pieces[place].rows()[start:stop])
        chosen = data.draw(st.lists(st.integers(0, len(pieces) - 1), max_size=6))
        most = data.draw(st.integers(0, 50))
        for act in (
            lambda each: each.take(chosen),
            lambda each: each.cut(start, stop),
            lambda each: each.cut(start, stop).take(chosen).join(each),
            lambda each: each.head(most),
            lambda each: each[1:4],
        ):
            same(act(disk), act(memory))


@given(LENGTHS, st.integers(0, 400))
def test_the_head_is_the_first_so_many_events(lengths: list[int], most: int) -> None:
    tags = [tag for piece in Collection.of(tagged(lengths)).head(most) for tag in piece.column("tag").tolist()]
    assert tags == list(range(min(most, sum(lengths))))


@given(LENGTHS, st.booleans(), st.data())
def test_summaries_are_exact_whatever_is_read(lengths: list[int], temporal: bool, data: st.DataObject) -> None:
    pieces = tagged(lengths, temporal)
    start, stop = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 60))
    with on_disk(pieces, shards=2) as disk:
        chosen = data.draw(st.lists(st.integers(0, len(disk) - 1), max_size=6, unique=True))
        for part in (disk, disk.take(chosen), disk.cut(start, stop), disk.take(chosen).join(disk.cut(0, start))):
            rows = part.all_rows()
            tag, hand = int(temporal), temporal + 2
            assert part.summarise([hand]) == [Summary.of(rows[:, i], i == hand) for i in range(part.width)]
            by_number = part.summarise([tag])[tag]  # categories of which the file knows nothing
            assert by_number.values == tuple(np.unique(rows[:, tag]).tolist())


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8).filter(lambda lengths: sum(lengths) > 100))
def test_a_sample_is_of_runs_from_everywhere(lengths: list[int]) -> None:
    with on_disk(tagged(lengths)) as disk, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hachimachi.io.collection.RUN", 10)
        looked = disk.sampled(100)
        tags = looked.all_rows()[:, 1]
        assert len(tags) == 100 == looked.events
        gaps = np.diff([0, *tags[::10], sum(lengths)])
        assert gaps.max() - 10 <= 2 * sum(lengths) / 10  # evenly
        assert (np.diff(tags)[np.arange(99) % 10 != 9] == 1).all()  # in runs
        assert disk.sampled(sum(lengths)) is disk
        memory = Collection.of(tagged(lengths))
        assert memory.sampled(100) is memory


def test_only_few_blocks_are_open_at_a_time() -> None:
    with on_disk(tagged([200, 3, 90])) as disk:
        for place in (0, 2, 1, 0):
            disk.rows(place)
            held = [columns[0] for columns in disk.source._open.values()]  # pyright: ignore
            assert sum(map(len, held)) <= 40


def test_to_another_process_go_paths_and_no_maps() -> None:
    pieces = tagged([200, 3, 90])
    with on_disk(pieces) as disk:
        disk.rows(0)
        sent = pickle.dumps(disk)
        assert not pickle.loads(sent).source._open
        assert list(pickle.loads(sent)) == pieces


def test_what_is_no_arrow_file_is_read_into_memory(tmp_path: Path) -> None:
    pieces = tagged([5, 6])
    io.write(tmp_path / "a.json", pieces)
    assert list(io.open_collection(tmp_path / "a.json")) == pieces
    io.write(tmp_path / "b.arrow", tagged([7])[0])
    both = io.open_collection(tmp_path)  # a folder of both
    assert both.source.resident
    assert both.lengths.tolist() == [5, 6, 7]
    assert io.open_collection([tmp_path / "a.json", tmp_path / "b.arrow"]).events == 18


def test_what_is_read_is_what_is_opened(tmp_path: Path) -> None:
    """Several files, patterns, links and hidden folders: the same sequences on disk as in memory."""
    for place in ("one", "two", "one/.hidden"):
        (tmp_path / place).mkdir()
        io.write(tmp_path / place / "takes.arrow", tagged([5, 6]))
    (tmp_path / "one" / "link").symlink_to(tmp_path / "two")
    one, two = tmp_path / "one", tmp_path / "two"
    for source, several in ((one, 2), ([one, two / "takes.arrow"], 3), (tmp_path / "*" / "*.arrow", 2)):
        opened, read = io.open_collection(source), io.read(source)
        assert not opened.source.resident
        assert list(opened) == read
        assert (opened.names, len(opened)) == ([each.name for each in read], 2 * several)


def test_a_remark_is_made_once(tmp_path: Path) -> None:
    table = pa.table({"x": np.arange(99.0), "__index_level_0__": np.arange(99)})
    for compression in ("lz4", None):
        path = tmp_path / f"{compression}.arrow"
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_file(str(path), table.schema, options=options) as file:
            file.write_table(table)
        report = io.Report()
        io.open_collection(path, report)
        assert [files.total() for files in report.remarks.values()] == [1]


def test_a_split_beside_shards_is_no_data(tmp_path: Path) -> None:
    io.write(f"{tmp_path}/takes.arrow/", tagged([5, 6]))
    (tmp_path / "takes.arrow" / "split.json").write_text('{"train": []}')
    assert not io.open_collection(tmp_path / "takes.arrow").source.resident


def test_sequences_without_a_name_are_called_as_their_file(tmp_path: Path) -> None:
    nameless = EventSequence(FEATURES, np.ones((3, 3)))
    io.write(f"{tmp_path}/takes.arrow/", nameless)
    io.write(f"{tmp_path}/takes.arrow/", nameless)
    names = ["part-00000.arrow", "part-00001.arrow"]
    assert (
        io.open_collection(tmp_path / "takes.arrow").names
        == names
        == [each.name for each in io.read(tmp_path / "takes.arrow")]
    )
