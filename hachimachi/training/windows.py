"""Windows of events: where sequences are cut, in which order windows come, and who sees which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from hachimachi.events import EventSequence
from hachimachi.io.collection import BLOCK, POOL, Collection

Places = NDArray[np.int64]


class Windows(IterableDataset[Tensor]):
    """Every sequence cut at a random place and then every so many events, in random order: each event once an epoch.

    What is in memory comes in any order. What is on disk comes in pools: blocks of 65,536 events that lie together are
    drawn from all over the collection, 64 for a pool, and the windows that begin in a pool come in any order. So a
    batch holds events from everywhere, and yet only a pool is looked at at a time. A collection of one pool, four
    million events, comes in the order in which it would from memory.

    Args:
        sequences: What to cut; windows never cross from one to the next.
        window: Events in a window, T.
        batch_size: Windows in a batch, B.
        seed: With the epoch, the process and the worker it draws the places.
    """

    def __init__(self, sequences: Sequence[EventSequence], window: int, batch_size: int, seed: int) -> None:
        self.sequences = Collection.of(sequences)
        self.window, self.batch_size, self.seed, self.epoch = window, batch_size, seed, 0
        self.skip = 0
        """Batches of the next epoch that have been seen already, by a run that goes on."""

    def __iter__(self) -> Iterator[Tensor]:
        random = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        sequence, start, stop = cut(self.sequences.lengths, self.window, random)
        order = self._share(self.order(sequence, start, random))
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        own = self._own(batches)
        self.skip = 0
        for batch in own:
            places = zip(*(each[batch].tolist() for each in (sequence, start, stop)), strict=True)
            yield pad([self.sequences.rows(*place) for place in places], self.window)

    @property
    def in_pools(self) -> bool:
        """Whether neighbours are read together."""
        return not self.sequences.source.resident

    def order(self, sequence: Places, start: Places, random: np.random.Generator) -> Places:
        """Return an order of windows, given which sequence each is of and its first event there."""
        order = random.permutation(len(start))
        if not self.in_pools:
            return order
        blocks, block = np.unique((self.sequences.places[sequence] + start) // BLOCK, return_inverse=True)
        pool = random.permutation(len(blocks))[block] // POOL
        return order[np.argsort(pool[order], kind="stable")]

    def _share(self, order: Places) -> Places:
        """Return what this process is to see of all; every process sees as many, so a few may be seen twice."""
        if not torch.distributed.is_initialized():
            return order
        processes, rank = torch.distributed.get_world_size(), torch.distributed.get_rank()
        evened = np.resize(order, -(-len(order) // processes) * processes)
        return evened.reshape(processes, -1)[rank] if self.in_pools else evened[rank::processes]

    def _own(self, batches: list[Places]) -> list[Places]:
        """Return the batches of this worker that have not been seen: the loader takes one of each in turn.

        Of pools each worker has a stretch, so that each pool has one reader.
        """
        worker = torch.utils.data.get_worker_info()
        if worker is None:
            return batches[self.skip :]
        if self.in_pools:
            turns = zip_longest(*np.array_split(np.arange(len(batches)), worker.num_workers))
            batches = [batches[place] for turn in turns for place in turn if place is not None]
        return batches[self.skip + worker.id :: worker.num_workers]


def cut(lengths: Places, window: int, random: np.random.Generator) -> tuple[Places, Places, Places]:
    """Cut sequences of given lengths: return for each window which sequence it is of, its first event and its end."""
    heads = np.minimum(random.integers(window, size=len(lengths)), lengths)  # what comes before the first cut
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
