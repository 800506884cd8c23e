"""Augmentation of the windows that a model learns from: what music allows, or the expressions of the user."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hachimachi.augment.apply import Bound, OpCounts, parse
from hachimachi.augment.augmentation import Augmentation
from hachimachi.augment.expression import ExpressionError
from hachimachi.columns import SECONDS, Column, UniformGrid, histogram_nats
from hachimachi.errors import HachimachiError
from hachimachi.io.midi import DRUMS

LOWEST, HIGHEST = 0, 127  # what MIDI can hold, whatever the data declares
SMOOTH = 0.6
"""Nats by which steps may cost more than values where shifting makes sense. Independent draws from a bell-shaped
histogram lose ln(2) / 2 = 0.35 by it; the drums of a kit lose 1 or more."""
GRIDDED = 0.98  # from this share of the events on at the five commonest values, a column keeps to a few
CONSTANT = 0.9  # from this share of the events on at one value, a column is as good as constant


class WindowAugmentation(ABC):
    """Augments some windows of a batch, and returns how, but for transposition.

    The model is given those numbers, so that it learns both the music as it is and what holds in any key and at any
    pace; it is validated and played with zeros, as the music is (distribution augmentation, Jun et al. 2020,
    https://proceedings.mlr.press/v119/jun20a.html). False where it changes nothing.
    """

    share: float  # share of the windows that are augmented
    size: int  # how many numbers say how a window was augmented, K
    ops: Sequence[Augmentation] = ()  # the user's expressions
    in_place: bool = False  # whether each event stays in its place, whatever becomes of its values
    as_data: bool = False  # whether augmented windows are data like others: the model gets no numbers, histograms stay

    @abstractmethod
    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows, shape (B, T, D), some of them augmented, and how, shape (B, K), 0 where they are not."""

    @abstractmethod
    def names(self, columns: Sequence[Column]) -> list[str]:
        """Return the names of the columns that are augmented."""

    @abstractmethod
    def __bool__(self) -> bool:
        """Whether anything is augmented."""

    def lines(self) -> list[str]:
        """Return lines to print when training is over."""
        return []


@dataclass
class OpsAugmentation(WindowAugmentation):
    """Augmentation by the user's expressions; windows to which any of them was applied count as augmented.

    ``among`` is the share of the windows that may be changed; each expression has its own probability too.
    """

    among: float
    bound: Bound
    as_data: bool = False
    counts: list[OpCounts] = field(default_factory=list)

    @property
    def size(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """One number, unless augmented windows count as data."""
        return int(not self.as_data)

    def __bool__(self) -> bool:
        return self.share > 0

    @property
    def ops(self) -> list[Augmentation]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The expressions, in order."""
        return [op for op, _ in self.bound.ops]

    @property
    def share(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Share of the windows to which any expression is applied."""
        return self.among * (1 - math.prod(1 - op.p for op, _ in self.bound.ops))

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows, shape (B, T, D), some of them augmented, and 1 for those, shape (B, 1)."""
        # drawn from torch, so that the seed of a run, and what a checkpoint keeps of it, holds for this too
        random = np.random.default_rng(int(torch.randint(2**63 - 1, ())))
        among = random.random(len(rows)) < self.among
        outcome = self.bound(rows.to("cpu", torch.float64).numpy(), random, among)
        pairs = zip(self.counts, outcome.counts, strict=True)
        self.counts = [before + now for before, now in pairs] if self.counts else outcome.counts
        applied = torch.from_numpy(outcome.applied[:, None]).to(rows)  # (B, 1)
        return torch.from_numpy(outcome.rows).to(rows), applied[:, : self.size]

    def names(self, columns: Sequence[Column]) -> list[str]:  # noqa: ARG002  (as of every augmentation)
        """Return the names of the columns that are augmented."""
        return self.bound.touched

    def lines(self) -> list[str]:
        """Return which expressions left the range of a column, and how often, one a line."""
        lines = []
        for (op, _), tally in zip(self.bound.ops, self.counts, strict=False):
            counts = zip(self.bound.layout.names, tally.held.tolist(), tally.seen.tolist(), strict=True)
            if shares := [f"{held / seen:.1%} of {name}" for name, held, seen in counts if held]:
                lines.append(f"{', '.join(shares)} left their range and were held at its ends, by {op}")
        return lines


@dataclass(frozen=True)
class Shift:
    """How far a column, by its index, may be shifted either way without leaving its bounds; drums stay as they are.

    With ``told`` the model is given how far; of a transposition it is not, for histograms of pitches are shifted along.
    """

    column: int
    most: int
    low: float
    high: float
    instrument: int | None = None
    told: bool = True

    def __call__(self, rows: Tensor, augmented: Tensor) -> tuple[Tensor, Tensor]:
        """Return the column of rows (B, T, D) with some windows shifted, shape (B, T), and by how much, shape (B,)."""
        values = rows[..., self.column]
        fixed = values.isnan()
        if self.instrument is not None:
            fixed = fixed | (rows[..., self.instrument] == DRUMS)
        lowest = values.masked_fill(fixed, torch.inf).amin(-1)
        highest = values.masked_fill(fixed, -torch.inf).amax(-1)
        steps = torch.randint(-self.most, self.most + 1, augmented.shape, device=rows.device)
        steps = torch.clamp(steps, (self.low - lowest).clamp_max(0), (self.high - highest).clamp_min(0)) * augmented
        return torch.where(fixed, values, values + steps[:, None]), steps


@dataclass(frozen=True)
class MusicAugmentation(WindowAugmentation):
    """Augmentation by the recipe: windows are transposed, louder or softer, slower or faster.

    ``stretched`` are columns, all stretched by one factor, up to ``stretch`` either way, as a natural logarithm.
    """

    share: float
    shifts: Sequence[Shift]
    stretched: Sequence[int]
    stretch: float
    as_data: bool = False

    @property
    def in_place(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether histograms go along with the windows."""
        return not self.as_data

    @property
    def size(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many numbers say how a window was augmented: one for each shift that is told, and one for the stretch."""
        return 0 if self.as_data else sum(shift.told for shift in self.shifts) + 1

    def __bool__(self) -> bool:
        return self.share > 0 and (len(self.shifts) > 0 or len(self.stretched) > 0)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows, shape (B, T, D), some of them augmented, and how, shape (B, K), 0 where they are not."""
        augmented = torch.rand(len(rows), device=rows.device) < self.share
        rows, amounts = rows.clone(), []
        for shift in self.shifts:
            rows[..., shift.column], steps = shift(rows, augmented)
            amounts += [steps[:, None] / shift.most] if shift.told else []
        amount = (2 * torch.rand(len(rows), device=rows.device) - 1) * augmented * bool(self.stretched)
        factor = (self.stretch * amount).exp()
        for column in self.stretched:
            rows[..., column] *= factor[:, None]
        return rows, torch.cat([*amounts, amount[:, None].to(rows.dtype)], dim=-1)[:, : self.size]

    def names(self, columns: Sequence[Column]) -> list[str]:
        """Return the names of the columns that are augmented."""
        return [columns[i].name for i in sorted([*(shift.column for shift in self.shifts), *self.stretched])]


def decide_augmentation(  # noqa: PLR0913  (the keys of a group of the config)
    columns: Sequence[Column],
    train: NDArray[np.float64],
    held_out: NDArray[np.float64],
    *,
    share: float,
    transpose: int,
    louder: int,
    stretch: float,
    ops: Sequence[str] | str = (),
    as_data: bool = False,
) -> WindowAugmentation:
    """Decide which columns are augmented, by how training rows (N, D) predict held-out rows (M, D).

    Pitch is shifted where the step from the previous event predicts about as well as the value itself: the drums of a
    kit, whose numbers are names, stay what they are. Velocity is shifted and times are stretched where they do not keep
    to a few values; a duration that hardly ever changes is not made to. Expressions of the user replace all this.

    Args:
        share: Share of the windows that are augmented.
        transpose: Semitones either way.
        louder: Steps of velocity either way.
        stretch: Of times either way, as a natural logarithm.
        ops: Augmentations in place of all these; see :func:`~hachimachi.augment.apply.parse`. Those of features that
            the rows do not have raise `HachimachiError`.
        as_data: Whether augmented windows count as data like the others, as for a base of many pieces.
    """
    if ops:
        try:
            return OpsAugmentation(share, parse(ops).bind(columns), as_data)
        except ExpressionError as error:
            raise HachimachiError(f"augment.ops: {error}") from error
    index = {column.name: i for i, column in enumerate(columns) if isinstance(column.grid, UniformGrid)}
    whole = {name: i for name, i in index.items() if columns[i].feature.resolution == 1}
    drums = next((i for i, column in enumerate(columns) if column.name == "instrument"), None)

    def make_shift(i: int, most: int, instrument: int | None, *, told: bool = True) -> Shift:
        grid = columns[i].grid
        assert isinstance(grid, UniformGrid)
        return Shift(i, most, max(grid.low, LOWEST), min(grid.high, HIGHEST), instrument, told)

    def pitches(rows: NDArray[np.float64]) -> NDArray[np.int64]:
        kept = ~np.isnan(rows[:, whole["pitch"]])
        if drums is not None:
            kept &= rows[:, drums] != DRUMS
        return np.round(rows[kept, whole["pitch"]]).astype(np.int64)

    shifts, stretched = [], []
    if transpose and "pitch" in whole and _is_smooth(pitches(train), pitches(held_out)):
        shifts.append(make_shift(whole["pitch"], transpose, drums, told=False))
    if louder and "velocity" in whole and not _is_gridded(train[:, whole["velocity"]]):
        shifts.append(make_shift(whole["velocity"], louder, None))
    if stretch and "time" in index and not _is_gridded(train[:, index["time"]]):
        times = [index[name] for name in SECONDS if name in index]
        stretched = [i for i in times if _commonest(train[:, i], 1) < CONSTANT]
    return MusicAugmentation(share, shifts, stretched, stretch, as_data)


def _is_smooth(train: NDArray[np.int64], held_out: NDArray[np.int64]) -> bool:
    """Return whether steps between values predict held-out values about as well as the values do."""
    if min(len(train), len(held_out)) < 2 or _commonest(train, 1) >= CONSTANT:
        return False

    def nats(train: NDArray[np.int64], held_out: NDArray[np.int64]) -> float:
        values, counts = np.unique(train, return_counts=True)
        return float(histogram_nats(values, counts, held_out, int(np.ptp(train)) + 2).mean())

    return nats(np.diff(train), np.diff(held_out)) < nats(train, held_out) + SMOOTH


def _is_gridded(values: NDArray[np.float64]) -> bool:
    """Return whether values keep to a few, those that are about zero left aside: chords stay chords."""
    moved = values[values >= 0.005]
    return len(moved) == 0 or _commonest(moved, 5) >= GRIDDED


def _commonest(values: NDArray[Any], number: int) -> float:
    """Return the share of the commonest values, in steps of 10 ms where they are no whole numbers."""
    _, counts = np.unique(np.round(values[~np.isnan(values)], 2), return_counts=True)
    return float(np.sort(counts)[::-1][:number].sum() / counts.sum())
