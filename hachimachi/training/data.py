"""Windows of events for training, whole sequences for validation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import zip_longest
from os import PathLike
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from hachimachi import io
from hachimachi.clock import LONGEST, Clock, fit_clock, predicts
from hachimachi.columns import Column, fit_columns
from hachimachi.errors import HachimachiError, expect
from hachimachi.events import EventSequence
from hachimachi.io.collection import BLOCK, POOL, Collection
from hachimachi.io.files import Progress
from hachimachi.io.split import read_split
from hachimachi.ngrams import KINDS, OPENING, NGrams, opening_hashes
from hachimachi.training.config.compose import COLLECTION, default_for
from hachimachi.training.holdout import DataSplit, hold_out, sample, shorten, split_by_file
from hachimachi.training.window_augmentation import WindowAugmentation, decide_augmentation

Indexes = NDArray[np.int64]


class Windows(IterableDataset[Tensor]):
    """Every sequence cut at a random event and then every T events, in random order: each event once an epoch.

    What is on disk comes in pools: for each, 64 blocks of 65,536 events are drawn from all over the collection, so that
    a batch holds events from everywhere while one pool is read at a time. One pool comes in the order as from memory.

    A window has T = ``window`` events, a batch B = ``batch_size`` windows; ``seed`` draws, with the epoch, the cuts and
    the order. With ``whole`` windows begin where sequences do.
    """

    def __init__(
        self, sequences: Sequence[EventSequence], window: int, batch_size: int, seed: int, *, whole: bool = False
    ) -> None:
        self.sequences = Collection.of(sequences)
        self.window, self.batch_size, self.seed, self.epoch = window, batch_size, seed, 0
        self.in_pools, self.whole = not self.sequences.source.resident, whole
        self.skip = 0  # batches of the next epoch that have been seen already, by a run that goes on

    def __iter__(self) -> Iterator[Tensor]:
        random = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        sequence, start, stop = cut(self.sequences.lengths, self.window, None if self.whole else random)
        order = self._share(self.order(sequence, start, random))
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        first, step = self.skip, 1
        if worker := torch.utils.data.get_worker_info():  # the loader takes a batch of each in turn
            first, step = self.skip + worker.id, worker.num_workers
            if self.in_pools:  # each worker has a stretch, so that each pool has one reader
                turns = zip_longest(*np.array_split(np.arange(len(batches)), worker.num_workers))
                batches = [batches[i] for turn in turns for i in turn if i is not None]
        self.skip = 0
        for batch in batches[first::step]:
            spans = zip(*(each[batch].tolist() for each in (sequence, start, stop)), strict=True)
            yield pad([self.sequences.rows(*span) for span in spans], self.window)

    def order(self, sequence: Indexes, start: Indexes, random: np.random.Generator) -> Indexes:
        """Return an order of windows, given which sequence each is of and its first event there."""
        order = random.permutation(len(start))
        if not self.in_pools:
            return order
        blocks, block = np.unique((self.sequences.positions[sequence] + start) // BLOCK, return_inverse=True)
        pool = random.permutation(len(blocks))[block] // POOL
        return order[np.argsort(pool[order], kind="stable")]

    def _share(self, order: Indexes) -> Indexes:
        """Return the share of this process; every process has as many, so a few windows may be seen twice."""
        if not torch.distributed.is_initialized():
            return order
        processes, rank = torch.distributed.get_world_size(), torch.distributed.get_rank()
        evened = np.resize(order, -(-len(order) // processes) * processes)
        return evened.reshape(processes, -1)[rank] if self.in_pools else evened[rank::processes]


def cut(lengths: Indexes, window: int, random: np.random.Generator | None) -> tuple[Indexes, Indexes, Indexes]:
    """Cut sequences of given lengths; return of each window the index of its sequence, its first event and its end."""
    heads = np.zeros_like(lengths)  # what comes before the first cut
    if random is not None:
        heads = np.minimum(random.integers(window, size=len(lengths)), lengths)
    headed = heads > 0
    counts = headed - (heads - lengths) // window
    sequence = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(len(sequence)) - np.repeat(np.cumsum(counts) - counts, counts) - headed[sequence]
    start = heads[sequence] + number * window
    return sequence, np.maximum(start, 0), np.minimum(start + window, lengths[sequence])


def pad(pieces: Sequence[NDArray[np.float64]], length: int) -> Tensor:
    """Return rows, each of shape (up to T, D), as a batch of shape (B, T, D), NaN after the end of each."""
    padded = np.full((len(pieces), length, pieces[0].shape[1]), np.nan)
    for row, piece in zip(padded, pieces, strict=True):
        row[: len(piece)] = piece
    return torch.from_numpy(padded)


SAMPLE = 32768  # events in a validation, at most; more would take time from training
SCORED = 2**16  # events in the score at the end, at most: beyond them its error is small
HASHED = 2**16  # events on disk in a fingerprint, at most
OPENINGS = 4096  # sequences on disk that are recognised later, at most, so that a model file stays small
PASS = 8192  # events, padding included, in a batch of validation
REPEATED = 0.25  # share of what is held out, as n-grams, from which on a performance repeats itself


class EventDataModule(L.LightningDataModule):
    """Reads formatted data, holds some of it out, and cuts the rest into windows.

    Held out is what a split lists under ``valid``, without one what :func:`~hachimachi.training.holdout.hold_out` does.

    A batch is a float64 tensor of shape (B, T, D), one row an event, one column a feature, as :attr:`columns` lists
    them. Where the data has time, column 0 is the time since the previous event in seconds, unknown for a sequence's
    first; all others are the data's own values, not scaled. NaN is an unknown value; a row of NaN alone is padding.
    Training has windows of T = :attr:`window` events or fewer, not augmented: that is the part of
    :class:`~hachimachi.training.module.EventModule`. Validation and test have whole sequences, like lengths together.

    Args:
        path: The data set: ``.json``, ``.csv``, ``.mid``, ``.arrow``, or a folder of them; Arrow files stay on disk.
        split: A file that lists sequences under ``train``, ``valid`` and ``test`` (:meth:`test_dataloader` alone).
        window: Events in a window; ``None`` for what suits the amount of data.
        batch_size: Windows in a batch, likewise.
        valid_fraction: Share of the events to hold out where no split says which.
        limit_events: Events to learn from at most, see :func:`~hachimachi.training.holdout.shorten`.
        seed: Draws the windows and, where there are several, the sequences held out.
        num_workers: Processes that cut windows; 0 cuts them in this one.
        feature: Declarations that replace the data's own; see :func:`~hachimachi.columns.fit_columns`.
        clock: Whether :attr:`clock` tells how much time has passed since the first event of a sequence, for
            ``build_model(…, clock=data.clock.numbers)``; ``None`` for where what is held out says so. Sequences are
            learned from as a whole then, whatever the window.
    """

    parts: DataSplit
    train: Collection  # what is learned from
    valid: Collection  # what is held out
    columns: tuple[Column, ...]
    progress: Progress  # wraps the list of files, to show how far reading is
    remarks: list[str]
    """Remarks on the reading: what was mended, left out, left alone."""
    clock: Clock | None
    """What tells how much time has passed, where that is of use."""
    fine_tuned: bool = False  # whether a model is fine-tuned on it, for which other windows and batches are right
    position: tuple[int, int]  # where training begins: the epoch, and how many of its batches have been seen

    def __init__(  # noqa: PLR0913  (the keys of a group of the config)
        self,
        path: str | Path,
        *,
        split: str | Path | None = None,
        window: int | None = None,
        batch_size: int | None = None,
        valid_fraction: float = 0.1,
        limit_events: int | None = None,
        seed: int = 0,
        num_workers: int = 0,
        feature: Mapping[str, Mapping[str, Any]] | None = None,
        clock: bool | None = False,
    ) -> None:
        super().__init__()
        expect(isinstance(path, str | PathLike), "path", path, "the path of a data set; write(…) makes one")
        self.path, self.seed = Path(path), seed
        self._window, self._batch_size = window, batch_size
        self.valid_fraction, self.num_workers, self.feature = valid_fraction, num_workers, feature
        self.split, self.limit_events, self._clock = split, limit_events, clock
        self.progress = iter
        self.position = (0, 0)

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002  (Lightning's signature)
        """Read the data and split it, once."""
        if hasattr(self, "parts"):
            return
        split = read_split(self.split) if self.split else None
        report = io.Report()
        sequences = io.open_collection(self.path, report, progress=self.progress)
        if split:
            parts = split_by_file(sequences, split, self.valid_fraction, self.seed, report)
        else:
            parts = hold_out(sequences, self.valid_fraction, self.seed)
        self.parts = shorten(parts, self.limit_events, self.seed)
        self.train, self.valid = self.parts.train, self.parts.valid
        self.columns = fit_columns(self.train, self.feature)
        self.clock = self._decide_clock()
        self.remarks = report.lines() + self.parts.notes
        if self.clock is not None:
            self.remarks.append("the model is told how much time has passed since a sequence's first event")
        if (sampled := self.train.sampled().events) < self.events:
            self.remarks.append(f"histograms are those of {sampled:,} events from everywhere, ranges those of all")

    @property
    def window(self) -> int:
        """Events in a window; where there is a clock, those of the longest sequence."""
        if self.clock is not None:
            return int(self.train.lengths.max())
        return self._window or int(default_for("dataset.window", self.events, fine_tuned=self.fine_tuned))

    @property
    def batch_size(self) -> int:
        """Windows in a batch."""
        return self._batch_size or int(default_for("dataset.batch_size", self.events, fine_tuned=self.fine_tuned))

    @property
    def _has_pitches(self) -> bool:
        return any(column.name == "pitch" for column in self.columns)

    def _decide_clock(self) -> Clock | None:
        """Return a clock where it is of use, as the held-out part tells; notes have a tempo, and none."""
        if self._clock is False or (self._clock is None and (self._has_pitches or self._window is not None)):
            return None
        whole = self.parts.by_sequence and self.train.source.resident and max(self.train.lengths) <= LONGEST
        if not (self.train.temporal and whole):
            if not self._clock:
                return None
            needed = f"sequences with time, of up to {LONGEST:,} events, in memory, some of them held out as a whole"
            raise HachimachiError(f"dataset.clock=true: it takes {needed}; these are not")
        train, resolution = list(self.train), float(self.columns[0].describe()["resolution"])
        clock = fit_clock(train, resolution)
        return clock if self._clock or predicts(clock, train, list(self.valid), resolution) else None

    @cached_property
    def valid_sample(self) -> Collection:
        """Held-out sequences of every validation: all, or a sample, always the same."""
        return sample(self.valid, SAMPLE, self.seed)

    @cached_property
    def scored_sample(self) -> Collection:
        """Held-out sequences that a model is scored on at the end: all, or a larger sample."""
        return sample(self.valid, SCORED, self.seed)

    @property
    def batches(self) -> int:
        """Batches of the first epoch in each process; others have about as many, for windows are cut anew."""
        random = None if self.clock else np.random.default_rng([self.seed, 0])
        starts = cut(self.train.lengths, self.window, random)[1]
        processes = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        return -(-len(starts) // (self.batch_size * processes))

    def marginals(self) -> dict[str, float]:
        """Return nats per event of :attr:`valid_sample` under the training histogram of each column, by its name."""
        rows = _join_rows(self.valid_sample)
        return {column.name: float(column.marginal_nats(rows[:, i]).mean()) for i, column in enumerate(self.columns)}

    @property
    def events(self) -> int:
        """Number of events to learn from."""
        return self.train.events

    @cached_property
    def repetition(self) -> float:
        """Share of what is held out of a performance that is, as intervals, in what is learned from."""
        if self.events >= COLLECTION or not self.valid or not self._has_pitches:
            return 0.0
        ngrams = NGrams.of(self.train, self.columns, *KINDS["fresh"])
        found = np.concatenate([ngrams.found(sequence) for sequence in self.valid])
        return float(found.mean()) if len(found) else 0.0

    @property
    def repeats(self) -> bool:
        """Whether a performance repeats itself."""
        return self.repetition >= REPEATED

    @property
    def melodic(self) -> bool:
        """Whether pitches may be transposed: intervals predict about as well as they do, unlike the drums of a kit."""
        return "pitch" in self.decide_augmentation(share=1.0, transpose=1, louder=0, stretch=0.0).names(self.columns)

    def decide_augmentation(self, **options: Any) -> WindowAugmentation:
        """Decide which columns are augmented; options are those of `window_augmentation.decide_augmentation`."""
        train, held_out = _join_rows(self.train.sampled()), _join_rows(self.valid.sampled())
        options |= {"stretch": 0.0} if self.clock else {}  # a stretched window would contradict the clock
        return decide_augmentation(self.columns, train, held_out, **options)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits of a hash of all rows; of much on disk, of all lengths and a sample's rows."""
        content = hashlib.sha256()
        for part in (self.train, self.valid):
            hashed = part.sampled(HASHED)
            if hashed is not part:
                content.update(part.lengths.tobytes())
            for i in range(len(hashed)):
                content.update(hashed.rows(i).tobytes())
        return content.hexdigest()[:16]

    def openings(self, sequences: Collection) -> list[str]:
        """Return hashes by which sequences are recognised later; of many on disk, some from everywhere."""
        beginnings = sequences.cut(0, OPENING)
        if not sequences.source.resident and len(beginnings) > OPENINGS:
            beginnings = beginnings.take(np.linspace(0, len(beginnings) - 1, OPENINGS).astype(np.int64))
        return opening_hashes(beginnings)

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Batches of windows, shape (B, T, D), NaN where a window is shorter than T; each event once an epoch."""
        windows = Windows(self.train, self.window, self.batch_size, self.seed, whole=self.clock is not None)
        windows.epoch, windows.skip = self.position
        workers = self.num_workers  # those that stay count epochs; new ones would cut the same windows every time
        return DataLoader(windows, batch_size=None, num_workers=workers, persistent_workers=workers > 0)

    def val_dataloader(self) -> DataLoader[Tensor]:
        """Whole sequences of :attr:`valid_sample`, shape (B, T, D), padded with NaN."""
        return DataLoader(_batch(self.valid_sample), batch_size=None)  # pyright: ignore[reportArgumentType]

    @property
    def test(self) -> Collection:
        """What a split keeps for the test; `HachimachiError` without a split, or if the data has none of it."""
        if not self.parts.test:
            found = f"{self.split} names nothing under 'test' that is there" if self.split else "there is no split"
            raise HachimachiError(f"{self.path}: no test part: {found}; expected a split with sequences under 'test'")
        return self.parts.test

    def test_dataloader(self) -> DataLoader[Tensor]:
        """Whole sequences of :attr:`test`, shape (B, T, D), padded with NaN; raises as that does."""
        return DataLoader(_batch(self.test), batch_size=None)  # pyright: ignore[reportArgumentType]


def _batch(sequences: Collection) -> list[Tensor]:
    batches, batch = [], []
    for rows in sorted((sequences.rows(i) for i in range(len(sequences))), key=len):
        if batch and (len(batch) + 1) * len(rows) > PASS:
            batches.append(pad(batch, len(batch[-1])))
            batch = []
        batch.append(rows)
    return [*batches, pad(batch, len(batch[-1]))] if batch else batches


def _join_rows(sequences: Collection) -> NDArray[np.float64]:
    """Return the rows of sequences one after the other, but for each one's first, which is not predicted."""
    rows = (sequences.rows(i)[1:] for i in range(len(sequences)))
    return np.concatenate([np.empty((0, sequences.width)), *rows])
