"""Events as a network sees them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hachimachi.columns import Categories, Column
from hachimachi.errors import HachimachiError
from hachimachi.models.scale import Scale, category_index, squash, squash_one
from hachimachi.player.numpy_backbones import Vector, as_array

EMBEDDING = 24
"""Width of the embedding of a whole number or a category."""
FEW = 256
"""A grid of at most this many whole numbers gets an embedding besides the number."""
UNKNOWN_SHARE = 0.01
"""Share of categories shown as unknown in training, so that the unknown one has a trained embedding."""


class Encoder(nn.Module):
    """Rows of raw values → vectors, column by column; masked columns are left out.

    A number becomes its distance from the training mean in standard deviations, on the column's scale; on a small grid
    of whole numbers, and for categories, an embedding is added; a time of zero (a chord) has its own flag. What is not
    known (NaN) becomes zeros. Last stands a mark: 1 where a window was varied in training, 0 where it was as it is.
    """

    mark: Tensor
    """The mark where nothing is said of it: which of the two foretells better, found on what is held out."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.parts = [encode_column(column, place) for place, column in enumerate(columns) if not column.feature.masked]
        if not self.parts:
            raise HachimachiError("every feature is masked and there is no time: nothing is left to hear")
        self.modules_of_parts = nn.ModuleList(self.parts)
        sizes = [part.size for part in self.parts]
        self.size = sum(sizes) + 1
        self.register_buffer("mark", torch.zeros(1))
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.places = {p.place: at for p, at in zip(self.parts, starts, strict=True) if isinstance(p, _Number)}
        """Where in the encoded vector each column's number stands, by column."""

    def forward(self, rows: Tensor, varied: Tensor | None = None) -> Tensor:
        """Encode raw float64 values of shape (B, ..., D) as shape (B, ..., E), marked as varied or not, shape (B,)."""
        return self.complete(torch.cat([part(rows) for part in self.parts], dim=-1), varied)

    def complete(self, encoded: Tensor, varied: Tensor | None) -> Tensor:
        """Add the mark to what is encoded, shape (B, ..., E - 1)."""
        mark = self.mark if varied is None else varied.view(-1, *[1] * (encoded.ndim - 1))
        return torch.cat([encoded, mark.to(encoded.dtype).expand(*encoded.shape[:-1], 1)], dim=-1)


class ColumnEncoder(nn.Module, ABC):
    """The encoding of one column, ``size`` numbers wide, of values at ``place`` in a row."""

    size: int
    place: int

    @abstractmethod
    def writer(self, out: Vector) -> Callable[[float], None]:
        """Return what writes the encoding of one value over a vector, shape (size,): the fast form for playing."""


class _Number(ColumnEncoder):
    def __init__(self, column: Column, place: int) -> None:
        super().__init__()
        self.place, self.scale = place, Scale.of(column)
        grid = self.scale.grid
        few = column.feature.kind == "integer" and grid.bins <= FEW
        self.embedding = nn.Embedding(grid.bins, EMBEDDING) if few else None
        self.size = 1 + grid.log + EMBEDDING * few

    def forward(self, rows: Tensor) -> Tensor:
        value = rows[..., self.place]
        unknown = value.isnan()[..., None]
        value = value.nan_to_num(0.0)
        parts = [squash(self.scale.standardise(value))[..., None]]
        if self.scale.grid.log:
            parts.append((value < self.scale.grid.resolution / 2).double()[..., None])
        if self.embedding is not None:
            embedded = self.embedding(self.scale.index(value))
            parts = [*(part.to(embedded.dtype) for part in parts), embedded]
        return torch.cat(parts, dim=-1).masked_fill(unknown, 0.0)

    def writer(self, out: Vector) -> Callable[[float], None]:
        """Return what writes the encoding of one value; see :class:`ColumnEncoder`."""
        grid, rows, embedded = self.scale.grid, _rows(self.embedding), out[1 + self.scale.grid.log :]
        # at hand, since every event that is heard or drawn comes by here
        mean, std, log, resolution = self.scale.mean, self.scale.std, grid.log, grid.resolution

        def write(value: float) -> None:
            if math.isnan(value):
                out.fill(0.0)
                return
            warped = math.log(max(value, resolution / 2)) if log else value
            out[0] = squash_one((warped - mean) / std)
            if log:
                out[1] = value < resolution / 2
            if rows:
                number = min(max(math.floor(value / resolution + 0.5), grid.low), grid.high)
                embedded[:] = rows[number - grid.low]

        return write


class _Category(ColumnEncoder):
    known: Tensor

    def __init__(self, grid: Categories, place: int) -> None:
        super().__init__()
        self.place, self.grid = place, grid
        self.embedding = nn.Embedding(grid.bins, EMBEDDING)
        self.register_buffer("known", torch.tensor(grid.values, dtype=torch.float64), persistent=False)
        self.size = EMBEDDING

    def forward(self, rows: Tensor) -> Tensor:
        value = rows[..., self.place]
        unknown = value.isnan()[..., None]
        index = category_index(self.known, value)
        if self.training:
            hidden = torch.rand(index.shape, device=index.device) < UNKNOWN_SHARE
            index = index.masked_fill(hidden, self.grid.bins - 1)
        return self.embedding(index).masked_fill(unknown, 0.0)

    def writer(self, out: Vector) -> Callable[[float], None]:
        """Return what writes the encoding of one value; see :class:`ColumnEncoder`."""
        rows = _rows(self.embedding)
        known = dict(zip(self.grid.values, rows, strict=False))

        def write(value: float) -> None:
            out[:] = 0.0 if math.isnan(value) else known.get(value, rows[-1])

        return write


def encode_column(column: Column, place: int) -> ColumnEncoder:
    """Return the encoder of a column that stands at a place in rows."""
    return _Category(column.grid, place) if isinstance(column.grid, Categories) else _Number(column, place)


def _rows(embedding: nn.Embedding | None) -> list[Vector]:
    return [] if embedding is None else list(as_array(embedding.weight))
