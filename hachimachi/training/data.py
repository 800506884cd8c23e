"""Windows of events for training, whole sequences for validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
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
from hachimachi.columns import Column, fit_columns
from hachimachi.events import EventSequence
from hachimachi.io.files import Progress
from hachimachi.io.split import read_split
from hachimachi.training.holdout import Parts, follow, hold_out, sample
from hachimachi.training.recipe import suit
from hachimachi.training.shorten import shorten
from hachimachi.training.variation import Variation, decide

SAMPLE = 32768
"""Events that a validation looks at, at most; more would tell the same and take the time from training."""
PASS = 8192
"""Events, padding included, in one pass of validation."""


class EventDataModule(L.LightningDataModule):
    """Reads formatted data, holds some of it out, and cuts the rest into windows.

    Held out is what a split lists under ``valid``. Without one, whole sequences, drawn by seed, where at least five
    have two events; otherwise the last part of each one in time. Under 20 events nothing is held out.

    Args:
        path: The data set: ``.json``, ``.csv``, ``.mid``, or a folder of them.
        split: A file that lists names of sequences under ``train``, ``valid`` and ``test``; the last are left alone.
        window: Events in a window; ``None`` for what suits the amount of data.
        batch_size: Windows in a batch.
        valid_fraction: Share of the events to hold out where no split says which.
        limit_events: Events to learn from at most, see :func:`~hachimachi.training.shorten.shorten`.
        seed: Draws the windows and, where there are several, the sequences held out.
        num_workers: Processes that cut windows; 0 cuts them in this one.
        feature: Declarations that replace the data's own; see :func:`~hachimachi.columns.fit_columns`.

    >>> import tempfile, warnings, lightning as L
    >>> from hachimachi import EventDataModule, EventModule, build_model, read, write
    >>> from hachimachi.events import make_sequence
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = f"{folder.name}/data.json"
    >>> write(path, make_sequence([[60 + i % 12, 80] for i in range(64)], [i / 4 for i in range(64)]))
    >>> model = build_model(read(path))
    >>> warnings.simplefilter("ignore")  # Lightning's advice on logging and workers
    >>> trainer = L.Trainer(max_epochs=5, logger=False, enable_checkpointing=False, enable_progress_bar=False,
    ...                     enable_model_summary=False, accelerator="cpu")
    >>> trainer.fit(EventModule(model), EventDataModule(path))
    >>> trainer.current_epoch
    5
    >>> folder.cleanup()
    """

    parts: Parts
    columns: tuple[Column, ...]
    progress: Progress
    """Wraps the list of files, to show how far reading is."""
    remarks: list[str]
    """What to tell of the reading: what was mended, left out, left alone."""

    def __init__(  # noqa: PLR0913  (the keys of a group of the config)
        self,
        path: str | Path,
        *,
        split: str | Path | None = None,
        window: int | None = None,
        batch_size: int = 16,
        valid_fraction: float = 0.1,
        limit_events: int | None = None,
        seed: int = 0,
        num_workers: int = 0,
        feature: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        self.path, self.batch_size, self.seed, self._window = Path(path), batch_size, seed, window
        self.valid_fraction, self.num_workers, self.feature = valid_fraction, num_workers, feature
        self.split, self.limit_events = split, limit_events
        self.progress = iter

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002  (Lightning's signature)
        """Read the data and split it, once."""
        if hasattr(self, "parts"):
            return
        split = read_split(self.split) if self.split else None
        report = io.Report()
        sequences = io.read(self.path, report, progress=self.progress)
        how = self.valid_fraction, self.seed
        self.parts = follow(sequences, split, *how, report) if split else hold_out(sequences, *how)
        self.parts = shorten(self.parts, self.limit_events, self.seed)
        self.remarks = report.lines() + self.parts.notes
        self.columns = fit_columns(self.train, self.feature)

    @property
    def window(self) -> int:
        """Events in a window."""
        return self._window or int(suit("dataset.window", self.events))

    @property
    def train(self) -> list[EventSequence]:
        """What is learned from."""
        return self.parts.train

    @property
    def valid(self) -> list[EventSequence]:
        """What is held out."""
        return self.parts.valid

    @cached_property
    def valid_sample(self) -> list[EventSequence]:
        """What every validation looks at: all that is held out, or a sample of it, always the same."""
        return sample(self.valid, SAMPLE, self.seed)

    def marginals(self) -> dict[str, float]:
        """Return what :attr:`valid_sample` cost under the training histogram of each column, in nats per event."""
        rows = self._rows(self.valid_sample)
        return {column.name: float(column.marginal_nats(rows[:, i]).mean()) for i, column in enumerate(self.columns)}

    @property
    def events(self) -> int:
        """Number of events to learn from."""
        return sum(len(sequence) for sequence in self.train)

    def decide_variation(self, **options: Any) -> Variation:
        """Decide what is varied, from the training part and what is held out; see :func:`variation.decide`."""
        return decide(self.columns, self._rows(self.train), self._rows(self.valid), **options)

    def _rows(self, sequences: Sequence[EventSequence]) -> NDArray[np.float64]:
        """Return the rows of sequences one after the other, but for each one's first."""
        return np.concatenate([np.empty((0, len(self.columns))), *(sequence.rows()[1:] for sequence in sequences)])

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Batches of windows, shape (B, T, D), NaN where a window is shorter than T; each event once an epoch."""
        return self.load(self.train)

    def load(self, sequences: Sequence[EventSequence]) -> DataLoader[Tensor]:
        """Return batches of windows of any sequences, as :meth:`train_dataloader`."""
        windows = Windows(sequences, self.window, self.batch_size, self.seed)
        # workers that stay count epochs; new ones would cut the same windows every time
        return DataLoader(
            windows, batch_size=None, num_workers=self.num_workers, persistent_workers=self.num_workers > 0
        )

    def val_dataloader(self) -> DataLoader[Tensor]:
        """Whole sequences of :attr:`valid_sample`, shape (B, T, D), padded with NaN."""
        return DataLoader(_passes(self.valid_sample), batch_size=None)  # pyright: ignore[reportArgumentType]


class Windows(IterableDataset[Tensor]):
    """Every sequence cut at a random place and then every so many events, in random order: each event once an epoch.

    Args:
        sequences: What to cut; windows never cross from one to the next.
        window: Events in a window, T.
        batch_size: Windows in a batch, B.
        seed: With the epoch, the process and the worker it draws the places.
    """

    def __init__(self, sequences: Sequence[EventSequence], window: int, batch_size: int, seed: int) -> None:
        self.rows = [torch.from_numpy(sequence.rows()) for sequence in sequences]
        self.window, self.batch_size, self.seed, self.epoch = window, batch_size, seed, 0

    def __iter__(self) -> Iterator[Tensor]:
        random = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        pieces = [piece for rows in self.rows for piece in self._cut(rows, int(random.integers(self.window)))]
        order = _share(random.permutation(len(pieces)))
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        worker = torch.utils.data.get_worker_info()
        for batch in batches[worker.id :: worker.num_workers] if worker else batches:
            yield _pad([pieces[i] for i in batch], self.window)

    def _cut(self, rows: Tensor, offset: int) -> list[Tensor]:
        return [piece for piece in (rows[:offset], *rows[offset:].split(self.window)) if len(piece)]


def _share(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what this process is to see of all; every process sees as many, so a few may be seen twice."""
    if not torch.distributed.is_initialized():
        return order
    processes = torch.distributed.get_world_size()
    evened = np.resize(order, -(-len(order) // processes) * processes)
    return evened[torch.distributed.get_rank() :: processes]


def _passes(sequences: Sequence[EventSequence]) -> list[Tensor]:
    """Return whole sequences in padded batches, like lengths together."""
    batches, batch = [], []
    for rows in sorted((torch.from_numpy(sequence.rows()) for sequence in sequences), key=len):
        if batch and (len(batch) + 1) * len(rows) > PASS:
            batches.append(_pad(batch, len(batch[-1])))
            batch = []
        batch.append(rows)
    return [*batches, _pad(batch, len(batch[-1]))] if batch else batches


def _pad(pieces: Sequence[Tensor], length: int) -> Tensor:
    padded = torch.full((len(pieces), length, pieces[0].shape[1]), torch.nan, dtype=torch.float64)
    for row, piece in zip(padded, pieces, strict=True):
        row[: len(piece)] = piece
    return padded
