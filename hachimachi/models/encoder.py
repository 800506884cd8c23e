"""Events as a network sees them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hachimachi.columns import Categories, Column
from hachimachi.errors import HachimachiError
from hachimachi.models.scale import Scale, category_index, symlog

EMBEDDING = 24
"""Width of the embedding of a whole number or a category."""
FEW = 256
"""A grid of at most this many whole numbers gets an embedding besides the number."""
UNKNOWN_SHARE = 0.01
"""Share of categories shown as unknown in training, so that the unknown one has a trained embedding."""


class Encoder(nn.Module):
    """Rows of raw values → vectors, column by column; masked columns are left out.

    A number becomes its :func:`~hachimachi.models.scale.symlog` on the column's scale; on a small grid of whole
    numbers, and for categories, an embedding is added; a time of zero (a chord) has its own flag. What is not known
    (NaN) becomes zeros. The last number says whether a window was augmented in training (1) or is as it was (0).
    """

    augmented: Tensor
    """That last number where the caller does not give it: the one that predicts held-out data better."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        parts = [encode_column(column, i) for i, column in enumerate(columns) if not column.feature.masked]
        if not parts:
            raise HachimachiError("every feature is masked and there is no time: nothing is left to hear")
        self.parts = nn.ModuleList(parts)
        self.size = sum(part.size for part in parts) + 1
        self.register_buffer("augmented", torch.zeros(1))
        starts = [sum(part.size for part in parts[:i]) for i in range(len(parts))]
        self.offsets = {p.column: at for p, at in zip(parts, starts, strict=True) if isinstance(p, NumberEncoder)}
        """Where in the encoded vector each column's number stands, by column."""

    def forward(self, rows: Tensor, augmented: Tensor | None = None) -> Tensor:
        """Encode raw float64 values (B, ..., D) as (B, ..., E); ``augmented``, shape (B,), says which windows were."""
        return self.append_augmented(torch.cat([part(rows) for part in self.parts], dim=-1), augmented)

    def append_augmented(self, encoded: Tensor, augmented: Tensor | None) -> Tensor:
        """Append whether they were augmented to encoded columns, shape (B, ..., E - 1)."""
        flag = self.augmented if augmented is None else augmented.view(-1, *[1] * (encoded.ndim - 1))  # (B, 1, ...)
        return torch.cat([encoded, flag.to(encoded.dtype).expand(*encoded.shape[:-1], 1)], dim=-1)


class NumberEncoder(nn.Module):
    """The encoding, ``size`` numbers wide, of a column of numbers: its scaled value, a flag for 0 s, an embedding."""

    def __init__(self, described: Column, column: int) -> None:
        super().__init__()
        self.column, self.scale = column, Scale.of(described)
        grid = self.scale.grid
        few = described.feature.kind == "integer" and grid.bins <= FEW
        self.embedding = nn.Embedding(grid.bins, EMBEDDING) if few else None
        self.size = 1 + grid.log + EMBEDDING * few

    def forward(self, rows: Tensor) -> Tensor:
        """Encode the column of rows (..., D) as (..., size)."""
        value = rows[..., self.column]
        unknown = value.isnan()[..., None]
        value = value.nan_to_num(0.0)
        parts = [symlog(self.scale.standardise(value))[..., None]]
        if self.scale.grid.log:
            parts.append((value < self.scale.grid.resolution / 2).double()[..., None])
        if self.embedding is not None:
            embedded = self.embedding(self.scale.index(value))  # (..., EMBEDDING)
            parts = [*(part.to(embedded.dtype) for part in parts), embedded]
        return torch.cat(parts, dim=-1).masked_fill(unknown, 0.0)


class CategoryEncoder(nn.Module):
    """The encoding, ``size`` numbers wide, of a column of categories: an embedding."""

    known: Tensor

    def __init__(self, grid: Categories, column: int) -> None:
        super().__init__()
        self.column, self.bins, self.size = column, grid.bins, EMBEDDING
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
        return self.embedding(index).masked_fill(unknown, 0.0)


def encode_column(described: Column, column: int) -> NumberEncoder | CategoryEncoder:
    """Return the encoder of the column at an index in rows."""
    if isinstance(described.grid, Categories):
        return CategoryEncoder(described.grid, column)
    return NumberEncoder(described, column)
