"""Augmentations at work on windows of events, with all that holds for every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hachimachi.augment.augmentation import Augmentation
from hachimachi.augment.layout import Layout
from hachimachi.columns import Column
from hachimachi.errors import HachimachiError

Rows = NDArray[np.float64]
NEARLY = 1e-9
"""A value this near to an end of its range, as a share of it, has not left it: that is rounding."""


@dataclass(frozen=True)
class Tally:
    """What one augmentation did.

    Args:
        windows: Windows it was applied to.
        seen: Values it may have changed, by column, shape (D,).
        changed: Values it changed.
        held: Values that would have left their range, or been no numbers: held at its ends, or left as they were.
    """

    windows: int
    seen: NDArray[np.int64]
    changed: NDArray[np.int64]
    held: NDArray[np.int64]

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.windows + other.windows, self.seen + other.seen, self.changed + other.changed, self.held + other.held
        )


@dataclass(frozen=True)
class Outcome:
    """What came of windows.

    Args:
        rows: Their events, shape (B, T, D).
        applied: To which of them any augmentation was applied, shape (B,).
        tallies: What each augmentation did.
    """

    rows: Rows
    applied: NDArray[np.bool_]
    tallies: list[Tally]


@dataclass(frozen=True)
class Bound:
    """Augmentations that know which columns they are for; made by :func:`bind`."""

    layout: Layout
    ops: tuple[tuple[Augmentation, list[int]], ...]

    def __call__(self, rows: Rows, random: np.random.Generator, among: NDArray[np.bool_] | None = None) -> Outcome:
        """Apply them, one after the other.

        Args:
            rows: Windows of events, shape (B, T, D): columns as in the layout, NaN in all of them where a window is
                shorter than T (at its end), and in the first where no time came before. They stay as they are.
            random: Where to draw from; the same state gives the same outcome.
            among: Which windows may be changed, shape (B,); all by default.

        Raises:
            HachimachiError: An augmentation that returned something of another shape.
        """
        applied, tallies = np.zeros(len(rows), dtype=np.bool_), []
        for op, places in self.ops:
            chosen = random.random(len(rows)) < op.p
            chosen = chosen if among is None else chosen & among
            rows, tally = self._apply(op, places, rows, chosen, random)
            applied |= chosen
            tallies.append(tally)
        return Outcome(rows, applied, tallies)

    @property
    def touched(self) -> list[str]:
        """The names of the columns that may change."""
        places = {place for _, its in self.ops for place in its}
        return [self.layout.names[place] for place in sorted(places)]

    def _apply(
        self, op: Augmentation, places: list[int], rows: Rows, chosen: NDArray[np.bool_], random: np.random.Generator
    ) -> tuple[Rows, Tally]:
        old = self._pick(op, places, rows)
        new = np.asarray(op.change(old.copy(), random), dtype=np.float64)
        if new.shape != old.shape:
            raise HachimachiError(f"{op.name} returned shape {new.shape}, expected that of its values, {old.shape}")
        seen = chosen[:, None, None] & ~np.isnan(old)
        new, held = self._fit(op, places, old, new)
        changed = seen & (new != old)
        result = rows.copy()
        result[..., places] = np.where(changed, new, rows[..., places])
        counts = [self._count(places, which) for which in (seen, changed, seen & held)]
        return result, Tally(int(chosen.sum()), *counts)

    def _pick(self, op: Augmentation, places: list[int], rows: Rows) -> Rows:
        """Return the columns, NaN where they are to stay."""
        old = rows[..., places]
        pitch = self.layout.pitch
        if op.along and self.layout.temporal and 0 in places:
            old[:, :1, places.index(0)] = np.nan
        if op.dims is not None and pitch in places:
            old[self.layout.drums(rows), places.index(pitch)] = np.nan
        return old

    def _fit(self, op: Augmentation, places: list[int], old: Rows, new: Rows) -> tuple[Rows, NDArray[np.bool_]]:
        """Return new values as their columns may hold them, and which had to be held."""
        if op.dims is None:  # whole events: what they hold has been held before
            return new, np.zeros(new.shape, dtype=np.bool_)
        low, high = self.layout.bounds[:, places]
        lost = ~np.isfinite(new)
        new = np.where(lost, old, new)
        new = np.where(self.layout.whole[places], np.floor(new + 0.5), new)
        fitting = np.where(new == old, old, np.clip(new, low, high))
        beyond = np.abs(fitting - new) > NEARLY * np.maximum(1.0, np.abs(fitting))
        return fitting, beyond | lost

    def _count(self, places: list[int], which: NDArray[np.bool_]) -> NDArray[np.int64]:
        counts = np.zeros(len(self.layout.columns), dtype=np.int64)
        counts[places] = which.sum((0, 1))
        return counts


def bind(ops: Sequence[Augmentation], columns: Sequence[Column]) -> Bound:
    """Make augmentations ready for rows of events.

    Args:
        ops: In the order in which they are applied.
        columns: What the rows hold, as :func:`~hachimachi.columns.fit_columns` finds it.

    Raises:
        ExpressionError: A feature that is not there, or that cannot be calculated with.
    """
    layout = Layout(tuple(columns))
    return Bound(layout, tuple((op, layout.places(op)) for op in ops))
