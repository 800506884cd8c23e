"""Varying the windows that a model learns from, where that helps with what is held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hachimachi.augment.apply import Bound, OpCounts, parse
from hachimachi.augment.expression import ExpressionError
from hachimachi.columns import SECONDS, Column, UniformGrid, histogram_nats
from hachimachi.errors import HachimachiError
from hachimachi.io.midi import DRUMS


@dataclass
class Chained:
    """Shows a share of the windows after augmentations, and says which ones.

    Windows to which an augmentation was applied count as varied, as those of
    :class:`~hachimachi.training.window_augmentation.Variation` do; what the model makes of that is the same.

    Args:
        among: Share of the windows that may be changed.
        bound: What is done to them, the one after the other, each with its own probability.
        counts: What has been done so far.
    """

    among: float
    bound: Bound
    counts: list[OpCounts] = field(default_factory=list)

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
        self._count(outcome.counts)
        return torch.from_numpy(outcome.rows).to(rows), torch.from_numpy(outcome.applied).to(rows.device)

    def _count(self, counts: list[OpCounts]) -> None:
        pairs = zip(self.counts, counts, strict=True)
        self.counts = [before + now for before, now in pairs] if self.counts else counts

    def names(self, columns: Sequence[Column]) -> list[str]:  # noqa: ARG002  (as of every variation)
        """Return the names of the columns that are varied."""
        return self.bound.touched

    def lines(self) -> list[str]:
        """Say which augmentations left the range of a column, and how often."""
        said = []
        for (op, _), tally in zip(self.bound.ops, self.counts, strict=False):
            seen = zip(self.bound.layout.names, tally.held.tolist(), tally.seen.tolist(), strict=True)
            held = [f"{held / all_:.1%} of {name}" for name, held, all_ in seen if held]
            if held:
                said.append(f"{', '.join(held)} left their range and were held at its ends, by {op}")
        return said


LOWEST, HIGHEST = 0, 127
"""What MIDI can hold, whatever the data declares."""
SMOOTH = 0.6
"""Nats by which steps may cost more than values where shifting makes sense. Independent draws from a bell-shaped
histogram lose ln(2) / 2 = 0.35 by it; the drums of a kit lose 1 or more."""
GRIDDED = 0.98
"""From this share of the events on at the five commonest values, a column keeps to a few."""
CONSTANT = 0.9
"""From this share of the events on at one value, a column is as good as constant."""


@dataclass(frozen=True)
class Shift:
    """How far the column at a place may be shifted either way, without leaving its bounds; drums stay as they are."""

    place: int
    most: int
    low: float
    high: float
    instrument: int | None = None

    def __call__(self, rows: Tensor, varied: Tensor) -> Tensor:
        """Return the column of rows (B, T, D), shape (B, T), shifted in the windows that are varied (B,)."""
        values = rows[..., self.place]
        fixed = values.isnan()
        if self.instrument is not None:
            fixed = fixed | (rows[..., self.instrument] == DRUMS)
        lowest = values.masked_fill(fixed, torch.inf).amin(-1)
        highest = values.masked_fill(fixed, -torch.inf).amax(-1)
        steps = torch.randint(-self.most, self.most + 1, varied.shape, device=rows.device)
        steps = torch.clamp(steps, (self.low - lowest).clamp_max(0), (self.high - highest).clamp_min(0)) * varied
        return torch.where(fixed, values, values + steps[:, None])


@dataclass(frozen=True)
class Variation:
    """Shows a share of the windows transposed, louder or softer, slower or faster, and says which ones.

    Told whether a window was varied, the model learns both the music as it is and what holds for it in any key and at
    any pace; what is held out decides which of the two it plays (distribution augmentation, Jun et al. 2020,
    https://proceedings.mlr.press/v119/jun20a.html).

    Args:
        share: Share of the windows.
        shifts: Columns that are shifted.
        stretched: Places of the columns that are stretched, all by the same factor.
        stretch: How far either way, as a natural logarithm.
    """

    share: float
    shifts: Sequence[Shift]
    stretched: Sequence[int]
    stretch: float

    def __bool__(self) -> bool:
        """Whether anything is varied."""
        return self.share > 0 and (len(self.shifts) > 0 or len(self.stretched) > 0)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows, shape (B, T, D), some of them varied, and which, shape (B,)."""
        varied = torch.rand(len(rows), device=rows.device) < self.share
        rows = rows.clone()
        for shift in self.shifts:
            rows[..., shift.place] = shift(rows, varied)
        factor = (self.stretch * (2 * torch.rand(len(rows), device=rows.device) - 1) * varied).exp()
        for place in self.stretched:
            rows[..., place] *= factor[:, None]
        return rows, varied

    def names(self, columns: Sequence[Column]) -> list[str]:
        """Return the names of the columns that are varied."""
        return [columns[place].name for place in sorted([*(shift.place for shift in self.shifts), *self.stretched])]


def decide(
    columns: Sequence[Column],
    train: NDArray[np.float64],
    held: NDArray[np.float64],
    *,
    share: float,
    transpose: int,
    louder: int,
    stretch: float,
    ops: Sequence[str] | str = (),
) -> Variation | Chained:
    """Decide which columns are varied, by what training rows (N, D) say of held-out rows (M, D).

    Pitch is shifted where the step from the event before foretells about as well as the value itself: the drums of a
    kit, whose numbers are names, stay what they are. Velocity is shifted and times are stretched where they do not keep
    to a few values; a duration that hardly ever changes is not made to. Where the user says what to do, that is done.

    Args:
        columns: What the rows hold.
        train: What is learned from.
        held: What is held out.
        share: Share of the windows that are varied.
        transpose: Semitones either way.
        louder: Steps of velocity either way.
        stretch: Of times either way, as a natural logarithm.
        ops: Augmentations in place of all these; see :func:`~hachimachi.augment.apply.parse`.

    Raises:
        HachimachiError: Augmentations of features that the rows do not have.
    """
    if ops:
        return _obey(columns, share, ops)
    place = {column.name: i for i, column in enumerate(columns) if isinstance(column.grid, UniformGrid)}
    shifts, stretched = [], []
    drums = next((i for i, column in enumerate(columns) if column.name == "instrument"), None)
    if transpose and _is_whole(columns, place.get("pitch")):
        part, whole = (_values(rows, place["pitch"], drums) for rows in (train, held))
        if _is_smooth(part, whole):
            shifts.append(_shift(columns, place["pitch"], transpose, drums))
    if louder and _is_whole(columns, place.get("velocity")) and not _is_gridded(train[:, place["velocity"]]):
        shifts.append(_shift(columns, place["velocity"], louder, None))
    if stretch and "time" in place and not _is_gridded(train[:, place["time"]]):
        times = [place[name] for name in SECONDS if name in place]
        stretched = [i for i in times if _commonest(train[:, i], 1) < CONSTANT]
    return Variation(share, shifts, stretched, stretch)


def _obey(columns: Sequence[Column], share: float, ops: Sequence[str] | str) -> Chained:
    try:
        return Chained(share, parse(ops).bind(columns))
    except ExpressionError as error:
        raise HachimachiError(f"augment.ops: {error}") from error


def _is_whole(columns: Sequence[Column], place: int | None) -> bool:
    """Return whether a column is there and holds whole numbers."""
    return place is not None and columns[place].feature.resolution == 1


def _shift(columns: Sequence[Column], place: int, most: int, instrument: int | None) -> Shift:
    grid = columns[place].grid
    assert isinstance(grid, UniformGrid)
    return Shift(place, most, max(grid.low, LOWEST), min(grid.high, HIGHEST), instrument)


def _values(rows: NDArray[np.float64], place: int, instrument: int | None) -> NDArray[np.int64]:
    kept = ~np.isnan(rows[:, place])
    if instrument is not None:
        kept &= rows[:, instrument] != DRUMS
    return np.round(rows[kept, place]).astype(np.int64)


def _is_smooth(train: NDArray[np.int64], held: NDArray[np.int64]) -> bool:
    """Return whether steps between values foretell held-out values about as well as the values do."""
    if len(train) < 2 or len(held) < 2 or _commonest(train, 1) >= CONSTANT:
        return False
    return _cost(np.diff(train), np.diff(held)) < _cost(train, held) + SMOOTH


def _cost(train: NDArray[np.int64], held: NDArray[np.int64]) -> float:
    """Return the mean cost of numbers under the histogram of others, as the marginal baseline counts it."""
    seen, counts = np.unique(train, return_counts=True)
    return float(histogram_nats(seen, counts, held, int(np.ptp(train)) + 2).mean())


def _is_gridded(values: NDArray[np.float64]) -> bool:
    """Return whether values keep to a few, those that are about zero left aside: chords stay chords."""
    moved = values[values >= 0.005]
    return len(moved) == 0 or _commonest(moved, 5) >= GRIDDED


def _commonest(values: NDArray[Any], number: int) -> float:
    """Return the share of the commonest values, in steps of 10 ms where they are no whole numbers."""
    _, counts = np.unique(np.round(values[~np.isnan(values)], 2), return_counts=True)
    return float(np.sort(counts)[::-1][:number].sum() / counts.sum())
