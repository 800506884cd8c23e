"""Varying the windows that a model learns from by augmentations that the user wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from hachimachi.augment.bound import Bound, Tally
from hachimachi.columns import Column


@dataclass
class Chained:
    """Shows a share of the windows after augmentations, and says which ones.

    Windows to which an augmentation was applied count as varied, as those of
    :class:`~hachimachi.training.variation.Variation` do; what the model makes of that is the same.

    Args:
        among: Share of the windows that may be changed.
        bound: What is done to them, the one after the other, each with its own probability.
        tallies: What has been done so far.
    """

    among: float
    bound: Bound
    tallies: list[Tally] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything is varied."""
        return self.share > 0

    @property
    def share(self) -> float:
        """Share of the windows to which any augmentation is applied."""
        return self.among * (1 - math.prod(1 - op.p for op, _ in self.bound.ops))

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows, shape (B, T, D), some of them varied, and which, shape (B,)."""
        # drawn from torch, so that the seed of a run, and what a checkpoint keeps of it, holds for this too
        random = np.random.default_rng(int(torch.randint(2**63 - 1, ())))
        among = random.random(len(rows)) < self.among
        outcome = self.bound(rows.to("cpu", torch.float64).numpy(), random, among)
        self._count(outcome.tallies)
        return torch.from_numpy(outcome.rows).to(rows), torch.from_numpy(outcome.applied).to(rows.device)

    def _count(self, tallies: list[Tally]) -> None:
        pairs = zip(self.tallies, tallies, strict=True)
        self.tallies = [before + now for before, now in pairs] if self.tallies else tallies

    def names(self, columns: Sequence[Column]) -> list[str]:  # noqa: ARG002  (as of every variation)
        """Return the names of the columns that are varied."""
        return self.bound.touched

    def lines(self) -> list[str]:
        """Say which augmentations left the range of a column, and how often."""
        said = []
        for (op, _), tally in zip(self.bound.ops, self.tallies, strict=False):
            seen = zip(self.bound.layout.names, tally.held.tolist(), tally.seen.tolist(), strict=True)
            held = [f"{held / all_:.1%} of {name}" for name, held, all_ in seen if held]
            if held:
                said.append(f"{', '.join(held)} left their range and were held at its ends, by {op}")
        return said
