"""Windows and splits: each event once, nothing across sequences, nothing lost."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hachimachi import io
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, make_sequence
from hachimachi.io.collection import Collection
from hachimachi.training.data import PASS, EventDataModule, Windows

LENGTHS = st.lists(st.integers(0, 90), min_size=1, max_size=12)


def tagged(lengths: Sequence[int], temporal: bool = False) -> list[EventSequence]:
    """Make sequences in which every event has a number of its own, and the number of its sequence."""
    starts = np.cumsum([0, *lengths])
    pieces = []
    for place, length in enumerate(lengths):
        data = np.column_stack([starts[place] + np.arange(length), np.full(length, place)]).reshape(length, 2)
        pieces.append(make_sequence(data, np.arange(length) if temporal else None, names=["tag", "piece"]))
    return pieces


def tags(batches: Sequence[Tensor]) -> list[int]:
    """Return the numbers of all events in batches, padding left out."""
    found = [batch[..., -2].flatten() for batch in batches]
    return torch.cat(found)[~torch.cat(found).isnan()].long().tolist() if found else []


def windows_of(batches: Sequence[Tensor]) -> set[tuple[int, ...]]:
    return {tuple(tags([window])) for batch in batches for window in batch}


@settings(deadline=None, max_examples=60)
@given(LENGTHS, st.integers(2, 40), st.integers(1, 8), st.integers(0, 99), st.booleans())
def test_every_event_once_an_epoch_in_windows_of_one_sequence(
    lengths: list[int], window: int, batch_size: int, seed: int, temporal: bool
) -> None:
    windows = Windows(tagged(lengths, temporal), window, batch_size, seed)
    for _ in range(2):
        batches = list(windows)
        assert sorted(tags(batches)) == list(range(sum(lengths)))
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
        for batch in batches:
            assert batch.shape[1:] == (window, 2 + temporal)
            assert batch.dtype == torch.float64
        for rows in (rows for batch in batches for rows in batch):
            padding = rows.isnan().all(-1)
            events = rows[~padding]
            assert len(events)
            assert not padding[: len(events)].any()  # padding follows events
            assert events[:, -1].unique().numel() == 1
            assert (events[:, -2].diff() == 1).all()


def test_windows_differ_from_epoch_to_epoch_and_are_the_same_for_the_same_seed() -> None:
    pieces = tagged([200, 90])
    first, again, other = (Windows(pieces, 16, 4, seed) for seed in (5, 5, 6))
    epochs = [windows_of(list(first)) for _ in range(3)]
    assert epochs == [windows_of(list(again)) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != windows_of(list(other))
    orders = [tags(list(Windows(pieces, 16, 4, seed))) for seed in (5, 5, 6)]
    assert orders[0] == orders[1] != orders[2]


def test_inter_event_time_is_not_known_at_the_start_of_a_sequence_only() -> None:
    [batch] = Windows(tagged([50], temporal=True), 16, 9, 0)
    unknown = batch[..., 0].isnan() & ~batch[..., 1].isnan()
    assert batch[unknown][:, 1].tolist() == [0.0]


def share(monkeypatch: pytest.MonkeyPatch, rank: int, processes: int) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: rank)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: processes)


@pytest.mark.parametrize("lengths", [[200, 90], [7], [16] * 10, [1] * 11])
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_windows_in_equally_many_batches(
    monkeypatch: pytest.MonkeyPatch, lengths: list[int], processes: int
) -> None:
    seen, counts, windows = [], [], 0
    for rank in range(processes):
        share(monkeypatch, rank, processes)
        batches = list(Windows(tagged(lengths), 16, 2, 0))
        counts.append([len(batch) for batch in batches])
        windows = sum(counts[-1])
        seen += tags(batches)
    assert counts == [counts[0]] * processes
    assert set(seen) == set(range(sum(lengths)))
    assert len(seen) - sum(lengths) < 16 * processes <= 16 * (windows + 1) * processes  # at most one window twice each


def save_json(path: Path, pieces: list[EventSequence]) -> Path:
    io.write(path / "data.json", pieces)
    return path / "data.json"


def save_csv(path: Path, pieces: list[EventSequence]) -> Path:
    io.write(path / "data.csv", pieces[0])
    return path / "data.csv"


def save_folder(path: Path, pieces: list[EventSequence]) -> Path:
    (path / "takes").mkdir()
    for place, piece in enumerate(pieces):
        io.write(path / "takes" / f"{place}.{'json' if place % 2 else 'csv'}", piece)
    return path / "takes"


@pytest.mark.parametrize("save", [save_json, save_csv, save_folder])
def test_reads(tmp_path: Path, save: Callable[[Path, list[EventSequence]], Path]) -> None:
    data = EventDataModule(save(tmp_path, tagged([40, 60, 50, 30, 80, 70], temporal=True)), window=16, batch_size=4)
    data.setup()
    batches = list(data.train_dataloader())
    assert len(tags(batches)) == data.events
    assert batches[0].shape[1:] == (16, 3)
    held = list(data.val_dataloader())
    assert sorted(tags(held)) == sorted(tag for part in data.valid for tag in part.column("tag").astype(int).tolist())
    assert data.parts.by_sequence == (save is not save_csv)
    assert [column.name for column in data.columns] == ["time", "tag", "piece"]
    assert data.columns[1].events == data.events  # the histogram counts what is learned from, not what is held out


def test_reads_once(tmp_path: Path) -> None:
    path = save_json(tmp_path, tagged([40]))
    data = EventDataModule(path)
    data.setup("fit")
    path.unlink()
    data.setup("validate")
    assert data.events == 36


def test_validation_passes_hold_whole_sequences_and_bounded_memory() -> None:
    data = EventDataModule("nowhere.json")
    whole = Collection.of(tagged([3, 9000, 40, 2, 5000, 1000]))
    data.train, data.valid = whole.take([]), whole
    passes = list(data.val_dataloader())
    rows = [tags([row]) for batch in passes for row in batch]
    assert sorted(map(len, rows)) == [2, 3, 40, 1000, 5000, 9000]
    assert all(row == list(range(row[0], row[0] + len(row))) for row in rows)
    assert all(batch.shape[0] * batch.shape[1] <= PASS or len(batch) == 1 for batch in passes)
    nothing = EventDataModule("nowhere.json")
    nothing.train, nothing.valid = whole, whole.take([])
    assert not list(nothing.val_dataloader())


def test_several_workers_see_each_event_once_and_cut_anew_every_epoch(tmp_path: Path) -> None:
    data = EventDataModule(
        save_json(tmp_path, tagged([120, 77])), window=8, batch_size=4, num_workers=2, valid_fraction=0
    )
    data.setup()
    loader = data.train_dataloader()
    epochs = [list(loader) for _ in range(2)]
    alone = Windows(data.train, 8, 4, 0)
    for batches in epochs:
        assert sorted(tags(batches)) == list(range(197))
        assert windows_of(batches) == windows_of(list(alone))
    assert windows_of(epochs[0]) != windows_of(epochs[1])


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ('{"data": [[1, 2], [3]]}', ["data.json", "row 2"]),
        ('{"data": []}', ["data.json"]),
        ("not json", ["data.json"]),
    ],
)
def test_bad_data_is_one_line(tmp_path: Path, content: str, parts: list[str]) -> None:
    path = tmp_path / "data.json"
    path.write_text(content)
    with pytest.raises(HachimachiError) as error:
        EventDataModule(path).setup()
    assert "\n" not in str(error.value)
    assert all(part in str(error.value) for part in parts)


def test_declarations_replace_the_datas_own(tmp_path: Path) -> None:
    path = save_json(tmp_path, tagged([40]))
    data = EventDataModule(path, feature={"tag": {"min": 0, "max": 99, "resolution": 0.5}})
    data.setup()
    assert data.columns[0].describe() == {"resolution": 0.5, "low": 0.0, "high": 99.0, "bins": 199}
    with pytest.raises(HachimachiError, match=r"feature.pitch: the data has no such feature; it has tag, piece"):
        EventDataModule(path, feature={"pitch": {"min": 0}}).setup()
