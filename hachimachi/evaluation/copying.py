"""How much of what a model plays is its training data over again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hachimachi.events import EventSequence
from hachimachi.grams import Grams

POINTS = 0.05
"""Share of grams by which a model may copy more than unheard music does."""
TIMES = 2
"""How many times as long as that of unheard music the longest copied run may be."""


@dataclass(frozen=True)
class Copies:
    """What of some sequences is found in the training data.

    Args:
        share: Share of their grams, NaN where they are too short to have one.
        longest: Events in the longest run that is there in one piece.
    """

    share: float
    longest: int

    @staticmethod
    def of(sequences: Sequence[EventSequence], grams: Grams) -> Copies:
        """Look sequences up in the grams of the training data."""
        found = np.concatenate([grams.found(sequence) for sequence in sequences])
        share = float(found.mean()) if len(found) else float("nan")
        return Copies(share, max(grams.longest_run(sequence) for sequence in sequences))


@dataclass(frozen=True)
class Copying:
    """What a model copies, beside what music that it has not heard happens to have in common with the training data.

    Args:
        grams: Events in a gram.
        generated: Of the model.
        real: Of unheard music.
    """

    grams: int
    generated: Copies
    real: Copies

    @property
    def share_limit(self) -> float:
        """Share of copied grams that is still no copying."""
        return min(self.real.share + POINTS, 1.0)

    @property
    def longest_limit(self) -> int:
        """Longest run that is still no copying."""
        return TIMES * self.real.longest


def measure_copying(generated: Sequence[EventSequence], real: Sequence[EventSequence], grams: Grams) -> Copying:
    """Compare generations and unheard music by what they share with the training data."""
    return Copying(grams.n, Copies.of(generated, grams), Copies.of(real, grams))
