"""One event as the network sees it: what :mod:`hachimachi.models.encoder` does for many, in NumPy and plain numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hachimachi.columns import LIMIT, Categories, Column
from hachimachi.player.numpy_backbones import Arrays, Vector, as_array

Write = Callable[[float, Vector], None]
"""Writes the encoding of one value of a column over a vector, shape (size,)."""


def symlog(x: float) -> float:
    """Return a number as it is up to LIMIT, and beyond as LIMIT + ln(1 + the rest)."""
    size = abs(x)
    return x if size <= LIMIT else math.copysign(LIMIT + math.log1p(size - LIMIT), x)


def symexp(x: float) -> float:
    """Return the number that :func:`symlog` was given."""
    size = abs(x)
    return x if size <= LIMIT else math.copysign(LIMIT + math.expm1(min(size - LIMIT, 700.0)), x)


def column_writer(column: Column, arrays: Mapping[str, np.ndarray], prefix: str) -> tuple[int, Write]:
    """Return the width of a column's encoding, and what writes it.

    Args:
        column: The column.
        arrays: The model's weights.
        prefix: Under which those of the column's encoder stand.
    """
    embedding = arrays.get(f"{prefix}.embedding.weight")
    rows = [] if embedding is None else list(as_array(embedding))
    grid = column.grid
    if isinstance(grid, Categories):
        known, unknown = dict(zip(grid.values, rows, strict=False)), rows[-1]

        def write_category(value: float, out: Vector) -> None:
            out[:] = 0.0 if math.isnan(value) else known.get(value, unknown)

        return len(unknown), write_category
    # at hand, since every event that is observed or drawn comes by here
    (mean, std), log, resolution, low, high = column.moments, grid.log, grid.resolution, grid.low, grid.high

    def write_number(value: float, out: Vector) -> None:
        if math.isnan(value):
            out.fill(0.0)
            return
        warped = math.log(max(value, resolution / 2)) if log else value
        out[0] = symlog((warped - mean) / std)
        if log:
            out[1] = value < resolution / 2
        if rows:
            number = min(max(math.floor(value / resolution + 0.5), low), high)
            out[1 + log :] = rows[number - low]

    return 1 + log + (len(rows[0]) if rows else 0), write_number


class RowEncoder:
    """Encodes rows, one at a time.

    Args:
        columns: The model's columns, D.
        arrays: The model's weights.
    """

    def __init__(self, columns: Sequence[Column], arrays: Arrays) -> None:
        inputs = [i for i, column in enumerate(columns) if not column.feature.masked]
        writers = [column_writer(columns[i], arrays, f"encoder.parts.{at}") for at, i in enumerate(inputs)]
        sizes = [size for size, _ in writers]
        self.encoded = np.full(sum(sizes) + 1, arrays["encoder.augmented"], np.float32)
        slots = np.split(self.encoded, np.cumsum(sizes))  # views; whether it is augmented is left over
        self.parts = [(i, write, slot) for i, (_, write), slot in zip(inputs, writers, slots, strict=False)]

    def __call__(self, values: Sequence[float]) -> Vector:
        """Encode raw values, D of them, as a new vector, shape (E,)."""
        for i, write, slot in self.parts:
            write(values[i], slot)
        return self.encoded.copy()  # a backbone may keep it
