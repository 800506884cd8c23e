"""Events as a network sees them: numbers on a scale of standard deviations, categories as embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from hachimachi.clock import Clock
from hachimachi.columns import FAR, LIMIT, NUDGE, ROUNDING, Categories, Column, UniformGrid
from hachimachi.errors import HachimachiError

EMBEDDING = 24  # width of the embedding of a whole number or a category
UNKNOWN_SHARE = 0.01
"""Share of categories shown as unknown in training, so that the unknown one has a trained embedding."""


class Encoder(nn.Module):
    """Rows of raw values → vectors, column by column; masked columns are left out, or flagged where they are known.

    A number becomes its :func:`symlog` on the column's scale; for whole numbers of a small range and for categories an
    embedding is added; a time of zero (a chord) has its own flag. What is not known (NaN) becomes zeros. Then comes
    what the clock shows, if there is one. The last K numbers say how a window was augmented in training, 0 for not.
    """

    augmented: Tensor  # those last numbers where the caller does not give them, shape (K,)
    clock: Tensor | None  # the numbers of a :class:`~hachimachi.clock.Clock`, pace, offset, spread and periods
    masked: Tensor | None  # which columns are masked, shape (D,), where their values are encoded; ``None`` where not

    def __init__(
        self,
        columns: Sequence[Column],
        augmentation: int = 1,
        clock: Sequence[float] | None = None,
        *,
        hear_masked: bool = False,
    ) -> None:
        super().__init__()
        masked = [column.feature.masked for column in columns]
        parts = [encode_column(c, i, flag=masked[i]) for i, c in enumerate(columns) if hear_masked or not masked[i]]
        if not parts:
            raise HachimachiError("every feature is masked and there is no time: nothing is left to hear")
        self.parts = nn.ModuleList(parts)
        self.register_buffer("clock", None if clock is None else torch.tensor(clock, dtype=torch.float64))
        self.register_buffer("masked", torch.tensor(masked) if hear_masked and any(masked) else None)
        self.register_buffer("augmented", torch.zeros(augmentation))
        *starts, size = accumulate((part.size for part in parts), initial=0)
        self.size = size + (0 if clock is None else Clock.of(clock).size) + augmentation
        numbers = [(part, at) for part, at in zip(parts, starts, strict=True) if isinstance(part, NumberEncoder)]
        self.offsets = {part.column: at for part, at in numbers if not part.flag}
        """Where in the encoded vector the number of each column that is always known stands, by column."""

    def forward(self, rows: Tensor, augmented: Tensor | None = None, moments: Tensor | None = None) -> Tensor:
        """Encode rows as vectors, shape (B, ..., E).

        Args:
            rows: Raw float64 values, shape (B, ..., D).
            augmented: How windows were augmented, shape (B, K).
            moments: Seconds and events since the first one, shape (B, ..., 2), where there is a clock.
        """
        parts = [part(rows) for part in self.parts]
        if self.clock is not None and moments is not None:
            (elapsed, index), (pace, offset, spread) = moments.unbind(-1), self.clock[:3]
            drift = ((elapsed - offset - pace * index) / spread).asinh()
            turns = 2 * torch.pi * elapsed[..., None] / self.clock[3:]  # (B, ..., periods)
            shown = torch.stack([turns.sin(), turns.cos()], dim=-1).flatten(-2)  # (B, ..., 2 * periods)
            parts += [drift[..., None], shown]
        return self.append_augmented(torch.cat(parts, dim=-1), augmented)

    def append_augmented(self, encoded: Tensor, augmented: Tensor | None) -> Tensor:
        """Append how they were augmented to encoded columns, shape (B, ..., E - K)."""
        numbers = self.augmented
        if augmented is not None:
            numbers = augmented.view(len(augmented), *[1] * (encoded.ndim - 2), -1)  # (B, 1, ..., K)
        return torch.cat([encoded, numbers.to(encoded.dtype).expand(*encoded.shape[:-1], -1)], dim=-1)


class NumberEncoder(nn.Module):
    """The encoding of a column of numbers, ``size`` wide: scaled value, flag for 0 s, embedding, flag for known."""

    def __init__(self, described: Column, column: int, *, flag: bool = False) -> None:
        super().__init__()
        self.column, self.scale, self.flag = column, Scale.of(described), flag
        grid = self.scale.grid
        self.first, count = described.embedded
        self.embedding = nn.Embedding(count, EMBEDDING) if count else None
        self.size = 1 + grid.log + EMBEDDING * bool(count) + flag

    def forward(self, rows: Tensor) -> Tensor:
        """Encode the column of rows (..., D) as (..., size)."""
        value = rows[..., self.column]
        unknown = value.isnan()[..., None]
        value = value.nan_to_num(0.0)
        parts = [symlog(self.scale.standardise(value))[..., None]]
        if self.scale.grid.log:
            parts.append((value < self.scale.grid.resolution / 2).double()[..., None])
        if self.embedding is not None:
            index = (self.scale.index(value) - self.first).clamp(0, self.embedding.num_embeddings - 1)
            embedded = self.embedding(index)  # (..., EMBEDDING)
            parts = [*(part.to(embedded.dtype) for part in parts), embedded]
        parts += [torch.ones_like(parts[0])] if self.flag else []
        return torch.cat(parts, dim=-1).masked_fill(unknown, 0.0)


class CategoryEncoder(nn.Module):
    """The encoding of a column of categories, ``size`` wide: an embedding, and where wanted a flag for known."""

    known: Tensor

    def __init__(self, grid: Categories, column: int, *, flag: bool = False) -> None:
        super().__init__()
        self.column, self.bins, self.size, self.flag = column, grid.bins, EMBEDDING + flag, flag
        self.embedding = nn.Embedding(grid.bins, EMBEDDING)
        self.register_buffer("known", torch.tensor(grid.values, dtype=torch.float64), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Encode the column of rows (..., D) as (..., size)."""
        value = rows[..., self.column]
        unknown = value.isnan()[..., None]
        index = category_index(self.known, value)
        if self.training:
            hidden = torch.rand(index.shape, device=index.device) < UNKNOWN_SHARE
            index = index.masked_fill(hidden, self.bins - 1)
        encoded = self.embedding(index)
        encoded = torch.cat([encoded, torch.ones_like(encoded[..., :1])], dim=-1) if self.flag else encoded
        return encoded.masked_fill(unknown, 0.0)


def encode_column(described: Column, column: int, *, flag: bool = False) -> NumberEncoder | CategoryEncoder:
    """Return the encoder of the column at an index in rows; ``flag`` for one that tells whether its value is known."""
    if isinstance(described.grid, Categories):
        return CategoryEncoder(described.grid, column, flag=flag)
    return NumberEncoder(described, column, flag=flag)


@dataclass(frozen=True)
class Scale:
    """Raw values ↔ distance from the training mean in standard deviations, on a log scale where the grid says so."""

    grid: UniformGrid  # the column's bins
    mean: float  # mean of the warped training values
    std: float  # their standard deviation, at least a quarter of the first bin above the mean

    @staticmethod
    def of(column: Column) -> Scale:
        """Return the scale of a column of numbers, from its training histogram."""
        assert isinstance(column.grid, UniformGrid)
        return Scale(column.grid, *column.moments)

    def standardise(self, values: Tensor) -> Tensor:
        """Return raw values on the scale."""
        warped = values.clamp_min(self.grid.resolution / 2).log() if self.grid.log else values
        return (warped - self.mean) / self.std

    def raw(self, scaled: Tensor) -> Tensor:
        """Return the raw values of numbers on the scale, float64, kept within the grid.

        A number may have been rounded to float32. The foot of a log scale, where zero stands, lies right between two
        bins, and has to fall into the first all the same.
        """
        values = scaled.double() * self.std + self.mean
        if self.grid.log:
            values = values.exp()
            values = values.masked_fill(values < self.grid.resolution / 2 * (1 + ROUNDING), 0.0)
        return values.clamp(self.grid.low * self.grid.resolution, self.grid.high * self.grid.resolution)

    def index(self, values: Tensor) -> Tensor:
        """Return the index of each raw value's bin, from 0; see :class:`~hachimachi.columns.UniformGrid`."""
        number = torch.floor(values / self.grid.resolution + 0.5)
        return (number.clamp(self.grid.low, self.grid.high) - self.grid.low).long()

    def index_of_scaled(self, scaled: Tensor) -> Tensor:
        """Return the index of the bin of numbers on the scale, which may have been rounded to float32. Many values lie
        right between two bins (a tick of 0.125 s on a grid of 0.01 s): they fall into the upper one."""
        return self.index(self.raw(scaled) + NUDGE * self.grid.resolution)

    def outside(self, values: Tensor) -> Tensor:
        """Return which raw values lie beyond a closed end of the grid."""
        number = torch.floor(values / self.grid.resolution + 0.5)
        below = (number < self.grid.low) & (not self.grid.open_low)
        return below | ((number > self.grid.high) & (not self.grid.open_high))

    def centre(self, index: Tensor) -> Tensor:
        """Return the raw value in the middle of each bin, float64."""
        return (index + self.grid.low).double() * self.grid.resolution

    def edges(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return where bins begin and end on the scale, float64; the first begins and the last ends :data:`FAR` out."""
        middle, half = self.centre(index), self.grid.resolution / 2
        lower = self.standardise(middle - half) - FAR * (index == 0)
        upper = self.standardise(middle + half) + FAR * (index == self.grid.high - self.grid.low)
        return lower, upper


def symlog(x: Tensor) -> Tensor:
    """Return numbers as they are up to :data:`~hachimachi.columns.LIMIT`, and beyond as LIMIT + ln(1 + the rest)."""
    size = x.abs()
    return torch.where(size <= LIMIT, x, x.sign() * (LIMIT + (size - LIMIT).clamp_min(0).log1p()))


def symexp(x: Tensor) -> Tensor:
    """Return the numbers that :func:`symlog` was given."""
    size = x.abs()
    return torch.where(size <= LIMIT, x, x.sign() * (LIMIT + (size - LIMIT).clamp_min(0).expm1()))


def category_index(known: Tensor, values: Tensor) -> Tensor:
    """Return the index of each value among the known categories, one past the last for unknown ones."""
    values = values.contiguous().to(known.dtype)
    index = torch.searchsorted(known, values).clamp_max(len(known) - 1)
    return torch.where(known[index] == values, index, len(known))
