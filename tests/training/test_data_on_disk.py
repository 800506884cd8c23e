"""Learning from what stays on disk: the same as from memory while it is small, in pools once it is large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader

from hachimachi import io
from hachimachi.events import EventSequence, make_sequence
from hachimachi.io.collection import Collection
from hachimachi.training.config.compose import compose
from hachimachi.training.data import EventDataModule, Windows
from hachimachi.training.fit import train

WINDOW, BATCH = 8, 4


def tagged(lengths: list[int]) -> list[EventSequence]:
    """Make sequences in which every event has a number of its own."""
    starts = np.cumsum([0, *lengths])
    return [make_sequence(starts[i] + np.arange(length)[:, None], names=["tag"]) for i, length in enumerate(lengths)]


def tags(batches: Any) -> list[int]:
    found = torch.cat([torch.zeros(0), *(batch.flatten() for batch in batches)])
    return found[~found.isnan()].long().tolist()


@pytest.fixture
def save(tmp_path: Path) -> Callable[[list[EventSequence]], Path]:
    def write(pieces: list[EventSequence]) -> Path:
        io.write(f"{tmp_path}/takes.arrow/", pieces)
        return tmp_path / "takes.arrow"

    return write


@pytest.fixture
def small_pools() -> Iterator[None]:
    """Make blocks of 32 events, and pools of 4 blocks."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("io.arrow", "training.data"):
            patch.setattr(f"hachimachi.{module}.BLOCK", 32)
        patch.setattr("hachimachi.training.data.POOL", 4)
        yield


def same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


@pytest.mark.parametrize("lengths", [(400,), (50, 3, 90, 1, 200, 40, 41), (90, 60)])
def test_a_run_sees_the_same_as_from_memory(tmp_path: Path, make_pieces: Any, lengths: tuple[int, ...]) -> None:
    pieces = make_pieces(lengths)
    io.write(tmp_path / "a.json", pieces)
    io.write(tmp_path / "a.arrow", pieces)
    memory, disk = (EventDataModule(tmp_path / f"a.{suffix}", window=16) for suffix in ("json", "arrow"))
    for data in (memory, disk):
        data.setup()
    assert not disk.train.source.resident
    assert disk.columns == memory.columns
    assert disk.fingerprint() == memory.fingerprint()
    assert disk.marginals() == memory.marginals()
    assert disk.openings(disk.train) == memory.openings(memory.train)
    options = {"share": 0.5, "transpose": 5, "louder": 9, "stretch": 0.1}
    assert disk.decide_augmentation(**options) == memory.decide_augmentation(**options)
    for one, other in zip(memory.train_dataloader(), disk.train_dataloader(), strict=True):
        assert same(one, other)
    for one, other in zip(memory.val_dataloader(), disk.val_dataloader(), strict=True):
        assert same(one, other)


def test_a_run_ends_the_same_as_from_memory(tmp_path: Path, make_pieces: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "model.size=8",
        "trainer.max_epochs=2",
        "callbacks.progress=false",
        "callbacks.pictures=false",
        "logger=none",
    ]
    scores = []
    for suffix in ("json", "arrow"):
        io.write(f"a.{suffix}", make_pieces([60, 70, 80, 90, 100]))
        run = train(compose([f"dataset.path=a.{suffix}", f"output={suffix}.pt", *words]))
        scores.append((run.score, sum(float(each.detach().sum()) for each in run.model.parameters())))
    assert scores[0] == scores[1]


def test_a_split_may_cut_what_is_on_disk(save: Callable[[list[EventSequence]], Path], tmp_path: Path) -> None:
    pieces = [EventSequence(each.features, each.data, name=f"{i}.mid") for i, each in enumerate(tagged([40, 50, 60]))]
    (tmp_path / "split.json").write_text('{"train": {"2.mid": [10, 60], "0": [0, 40]}, "valid": {"1.mid": [5, 25]}}')
    data = EventDataModule(save(pieces), split=tmp_path / "split.json", window=WINDOW)
    data.setup()
    assert sorted(tags(data.train_dataloader())) == [*range(40), *range(100, 150)]
    assert tags(data.val_dataloader()) == list(range(45, 65))


@pytest.mark.usefixtures("small_pools")
class TestPools:
    @settings(deadline=None, max_examples=25)
    @given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=12), seed=st.integers(0, 9))
    def test_every_event_once_an_epoch(
        self, tmp_path_factory: pytest.TempPathFactory, lengths: list[int], seed: int
    ) -> None:
        folder = tmp_path_factory.mktemp("pools")
        io.write(f"{folder}/takes.arrow/", tagged(lengths))
        windows = Windows(io.open_collection(folder / "takes.arrow"), WINDOW, BATCH, seed)
        epochs = [tags(windows) for _ in range(2)]
        assert [sorted(epoch) for epoch in epochs] == [list(range(sum(lengths)))] * 2

    def test_a_pool_is_of_few_blocks_and_all_are_mixed(self, save: Callable[[list[EventSequence]], Path]) -> None:
        collection = io.open_collection(save(tagged([400, 90, 3, 700, 5, 80, 2, 600])))
        windows = Windows(collection, WINDOW, 1, 0)
        firsts = np.array([int(batch[0, 0, 0]) for batch in windows]) // 32
        blocks = -(-collection.events // 32)
        changes = [set(firsts[i : i + 10]) for i in range(0, len(firsts) - 10)]
        assert max(map(len, changes)) <= 8  # of two pools at most
        assert np.mean([len(each) for each in changes]) > 2.5  # and not block by block
        ordered = np.corrcoef(np.arange(len(firsts)), firsts)[0, 1]
        assert abs(ordered) < 0.5
        assert len(set(firsts)) == blocks

    def test_epochs_differ_and_the_same_seed_gives_the_same(self, save: Callable[[list[EventSequence]], Path]) -> None:
        path = save(tagged([400, 90, 3, 700]))
        first, again = (Windows(io.open_collection(path), WINDOW, BATCH, 0) for _ in range(2))
        epochs = [tags(first) for _ in range(2)]
        assert epochs == [tags(again) for _ in range(2)]
        assert epochs[0] != epochs[1]

    @pytest.mark.parametrize("processes", [2, 3])
    def test_processes_see_different_windows_in_equally_many_batches(
        self, save: Callable[[list[EventSequence]], Path], monkeypatch: pytest.MonkeyPatch, processes: int
    ) -> None:
        collection = io.open_collection(save(tagged([400, 90, 3, 700, 5, 80, 2, 600])))
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda: processes)
        seen, counts, blocks = [], [], []
        for rank in range(processes):
            monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
            batches = list(Windows(collection, WINDOW, BATCH, 0))
            counts.append([len(batch) for batch in batches])
            seen.append(tags(batches))
            blocks.append(len({tag // 32 for tag in seen[-1]}))
        assert counts == [counts[0]] * processes
        visits = np.bincount([tag for each in seen for tag in each], minlength=collection.events)
        assert visits.min() == 1
        assert visits.max() <= 2
        assert np.mean(visits) < 1.05
        assert max(blocks) < 0.9 * collection.events / 32  # each reads its own part

    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("seen", [1, 2, 9])
    def test_going_on_sees_what_has_not_been_seen(
        self, save: Callable[[list[EventSequence]], Path], workers: int, seen: int
    ) -> None:
        path = save(tagged([400, 90, 3, 700]))

        def epoch(skip: int) -> list[list[int]]:
            windows = Windows(io.open_collection(path), WINDOW, BATCH, 0)
            windows.skip = skip
            return [tags([batch]) for batch in DataLoader(windows, batch_size=None, num_workers=workers)]

        assert epoch(seen) == epoch(0)[seen:]

    def test_workers_see_each_event_once(self, save: Callable[[list[EventSequence]], Path]) -> None:
        windows = Windows(io.open_collection(save(tagged([400, 90, 3, 700]))), WINDOW, BATCH, 0)
        loader = DataLoader(windows, batch_size=None, num_workers=2)
        assert sorted(tags(loader)) == list(range(1193))


def test_workers_that_are_started_anew_read_from_disk(save: Callable[[list[EventSequence]], Path]) -> None:
    windows = Windows(io.open_collection(save(tagged([200, 90]))), WINDOW, BATCH, 0)
    loader = DataLoader(windows, batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert sorted(tags(loader)) == list(range(290))


def test_of_much_data_histograms_are_sampled_and_that_is_said(
    save: Callable[[list[EventSequence]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = tagged([300, 500, 400])
    rare = pieces[1].data.copy()
    rare[77] = 9999  # no sample may miss the end of the range
    pieces[1] = EventSequence(pieces[1].features, rare)
    monkeypatch.setattr("hachimachi.io.collection.RUN", 10)
    everything = Collection.sampled
    monkeypatch.setattr(Collection, "sampled", lambda self, most=100: everything(self, min(most, 100)))
    data = EventDataModule(save(pieces), valid_fraction=0, window=WINDOW)
    data.setup()
    [column] = data.columns
    assert 100 <= column.events <= 102
    assert column.grid.value(np.asarray(column.occupied))[[0, -1]].tolist() == [0, 9999]  # pyright: ignore
    assert data.remarks == ["histograms are those of 100 events from everywhere, ranges those of all"]
    assert len(data.fingerprint()) == 16
    assert len(data.openings(data.train)) == 3
    monkeypatch.setattr("hachimachi.training.data.OPENINGS", 2)
    assert len(data.openings(data.train)) == 2


def test_what_is_held_out_of_much_data_is_sampled_to_be_judged_by(
    save: Callable[[list[EventSequence]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hachimachi.training.data.SAMPLE", 50)
    monkeypatch.setattr("hachimachi.training.data.SCORED", 120)
    data = EventDataModule(save(tagged([100] * 40)), valid_fraction=0.3)
    data.setup()
    assert data.valid.events == 1200
    assert 40 < data.valid_sample.events <= 50
    assert 100 <= data.scored_sample.events <= 120
