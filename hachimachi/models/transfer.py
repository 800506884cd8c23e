"""Transfer of what a model has learned to a model for other data, which is then fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hachimachi.columns import Categories, Column, UniformGrid
from hachimachi.errors import HachimachiError
from hachimachi.models.event_model import EventModel
from hachimachi.models.heads.autoregressive import AutoregressiveHead
from hachimachi.models.heads.column_distribution import NumberDistribution

PRIOR = 50.0
"""How many events a base's histogram counts for beside the data's, where the shares of a fine-tuned column begin."""


def adopt_columns(columns: Sequence[Column], base: EventModel) -> tuple[Column, ...]:
    """Return columns fitted to data as a model that begins with a base has them.

    A column of numbers keeps the grid, the scale and the histogram of the base's where the grid of the data lies in it;
    ranges and the marginal baseline stay those of the data. Others are as they were.
    """
    known = {column.name: column for column in base.columns}
    return tuple(_adopt(column, known[column.name]) if column.name in known else column for column in columns)


def _adopt(column: Column, base: Column) -> Column:
    own, other = column.grid, base.grid
    if not (isinstance(own, UniformGrid) and isinstance(other, UniformGrid)):
        return column
    alike = (own.resolution, own.log, column.feature.kind) == (other.resolution, other.log, base.feature.kind)
    low, high = (own.low + index for index in (column.occupied[0], column.occupied[-1]))
    if not (alike and other.low <= low and high <= other.high and (base.reference or base).constant is None):
        return column
    occupied = tuple(index + own.low - other.low for index in column.occupied)
    return replace(column, grid=other, occupied=occupied, reference=base.reference or replace(base))


def check_transferable(base: EventModel) -> None:
    """Raise HachimachiError for a model that no other can begin with: only what every column has for itself moves."""
    if not isinstance(base.head, AutoregressiveHead):
        found = f"its head is {base.parts['head']['name']!r}"
        raise HachimachiError(f"{found}; expected an autoregressive one, whose columns can be taken apart")


@torch.no_grad()
def transfer(base: EventModel, model: EventModel) -> None:
    """Copy the weights of a base into a model for other data, column by column.

    The model has the base's backbone and head, and the columns of :func:`adopt_columns`. What a column that the base
    lacks is encoded by and predicted with, starts as it was; the rest of the network hears nothing of it at first.

    Raises:
        HachimachiError: A backbone of a plug-in that does not say which of its weights its input meets.
    """
    names = [column.name for column in base.columns]
    pairs = {i: names.index(column.name) for i, column in enumerate(model.columns) if column.name in names}
    kept = {i: j for i, j in pairs.items() if _same_scale(model.columns[i], base.columns[j])}
    theirs, own = list[Any](base.encoder.parts), list[Any](model.encoder.parts)
    encoded, _ = _match(theirs, own, kept)
    heard = torch.tensor([*encoded, *[-1] * (model.encoder.size - len(encoded))])  # (E,)
    hidden = torch.arange(base.backbone.size)
    model.bos.copy_(_gather(base.bos, heard[: len(model.bos)], 0))
    state, entry = base.backbone.state_dict(), base.backbone.input_weight
    if entry:
        state[entry] = _gather(state[entry], heard, -1)
    elif heard[: len(model.bos)].tolist() != list(range(len(model.bos))) or len(heard) != base.encoder.size:
        name = base.parts["backbone"]["name"]
        raise HachimachiError(f"backbone {name!r} has no input_weight: it cannot begin with a model of other columns")
    model.backbone.load_state_dict(state)
    sources = {part.column: part for part in theirs}
    for part in own:
        if kept.get(part.column) in sources:
            _copy_embedding(sources[kept[part.column]], part)
    head, other = model.head, base.head
    assert isinstance(head, AutoregressiveHead) and isinstance(other, AutoregressiveHead)
    width = other.context_proj.out_features // len(base.columns)
    past = torch.cat([hidden, torch.where(heard < 0, heard, heard + len(hidden))])  # (H + E,)
    seen, size = _match(list(other.encoders), list(head.encoders), kept)
    # what columns see of one another: encodings, and which columns are known
    marks = torch.tensor([*seen, *(size + kept[i] if i in kept else -1 for i in range(len(model.columns)))])  # (G,)
    for i, j in pairs.items():
        rows, its = slice(i * width, (i + 1) * width), slice(j * width, (j + 1) * width)
        head.context_proj.weight[rows] = _gather(other.context_proj.weight[its], past, 1)
        head.context_proj.bias[rows] = other.context_proj.bias[its]
        head.cross_column[i] = _gather(other.cross_column[j], marks, 0)
        if i in kept:
            _copy_embedding(other.encoders[j], head.encoders[i])
            _copy_outputs(model.columns[i], head, i, other, j)


def _same_scale(column: Column, base: Column) -> bool:
    if isinstance(column.grid, Categories):
        return isinstance(base.grid, Categories)
    return column.reference is not None and column.reference == (base.reference or base)


def _match(theirs: Sequence[Any], own: Sequence[Any], kept: Mapping[int, int]) -> tuple[list[int], int]:
    """Return which of the base's numbers each one that encoders give is, -1 for none, and how many the base's give."""
    starts, size, match = {}, 0, []
    for part in theirs:
        starts[part.column] = size, part.size
        size += part.size
    for part in own:
        start, width = starts.get(kept.get(part.column, -1), (0, 0))
        shared = min(width, part.size)  # one alone may have a flag for what is known, at the end
        match += [*range(start, start + shared), *[-1] * (part.size - shared)]
    return match, size


def _gather(weight: Tensor, index: Tensor, dim: int) -> Tensor:
    """Return a weight with its rows or columns as an index has them, 0 for -1."""
    shape = [1] * weight.ndim
    shape[dim] = -1
    return weight.index_select(dim, index.clamp_min(0)).masked_fill((index < 0).view(shape), 0.0)


def _copy_embedding(source: Any, part: Any) -> None:
    if part.embedding is None:
        return
    if not hasattr(part, "known"):
        part.embedding.weight.copy_(source.embedding.weight)
        return
    for row, value in enumerate(part.known.tolist()):  # categories that the base does not know begin as its unknown one
        found = (source.known == value).nonzero()
        part.embedding.weight[row] = source.embedding.weight[int(found[0]) if len(found) else -1]
    part.embedding.weight[-1] = source.embedding.weight[-1]


def _copy_outputs(column: Column, head: AutoregressiveHead, i: int, base: AutoregressiveHead, j: int) -> None:
    """Copy the last layer of a column; the shares of values begin as those of the data."""
    linear, source = head.out_proj[i], base.out_proj[j]
    if isinstance(column.grid, Categories):
        known = base.get_buffer(f"distributions.{j}.known").tolist()
        learned = source.bias - base.get_buffer(f"marginal_bias_{j}")
        for row, value in enumerate(column.grid.values):
            if value in known:
                linear.weight[row] = source.weight[known.index(value)]
                linear.bias[row] += learned[known.index(value)]
        return
    reference = column.reference
    assert reference is not None
    theirs, own = (
        each.sizes for each in (base.distributions[j], head.distributions[i]) if isinstance(each, NumberDistribution)
    )
    tilts = slice(sum(own[:3]), sum(own[:4]))
    for name, weight in linear.named_parameters():
        pieces, before = list(getattr(source, name).split(theirs)), weight.split(own)
        if not reference.tilts:  # the histogram is the data's own
            pieces[3] = before[3]
        weight.copy_(torch.cat(pieces))
    if reference.tilts:
        share = torch.tensor(reference.counts, dtype=torch.float64) / reference.events
        counted = dict(zip(column.occupied, column.counts, strict=True))
        found = torch.tensor([counted.get(index, 0.0) for index in reference.occupied], dtype=torch.float64)
        ratio = ((found + PRIOR * share) / (found.sum() + PRIOR) / share).log()
        linear.bias[tilts] += (
            ratio - base.get_buffer(f"marginal_bias_{j}")[tilts]
        )  # that of its own data, if it had any
        head.get_buffer(f"marginal_bias_{i}")[tilts] += ratio
