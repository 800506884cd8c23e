"""The grid on which models that have different ones can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.regrid import find_column
from hachimachi.events import EventSequence
from hachimachi.grid import Categories, Lattice
from hachimachi.models.event_model import EventModel


@dataclass(frozen=True)
class CommonGrid:
    """What every model is to be judged on, by the name of the column, where it is not its own grid.

    Args:
        resolution: Width of the bins.
        support: Lowest and highest value.
        remarks: What to say of it.
    """

    resolution: dict[str, float]
    support: dict[str, tuple[float, float]]
    remarks: tuple[str, ...]


def find_common_grid(
    models: Mapping[str, EventModel],
    sequences: Sequence[EventSequence],
    resolution: Mapping[str, float],
    support: Mapping[str, tuple[float, float]],
) -> CommonGrid:
    """Return a grid that is the same for all models.

    Args:
        models: The models, by name; their columns have the same names.
        sequences: What they are judged by.
        resolution: What the user says of it, by the column's name or the feature's number.
        support: Likewise.

    Raises:
        HachimachiError: No resolution is a multiple of all others and none was named; or categories that some of the
            models know and others do not, in data that holds them.
    """
    parts = {name: model.columns for name, model in models.items()}
    columns = next(iter(parts.values()))
    widths = {columns[find_column(columns, name)].name: width for name, width in resolution.items()}
    ranges = {columns[find_column(columns, name)].name: ends for name, ends in support.items()}
    remarks = []
    for place, column in enumerate(columns):
        each = {name: part[place] for name, part in parts.items()}
        if len({one.grid for one in each.values()}) == 1:
            continue
        if any(isinstance(one.grid, Categories) for one in each.values()):
            _check_categories(each, sequences)
            continue
        grids = {name: one.grid for name, one in each.items() if isinstance(one.grid, Lattice)}
        if column.name not in widths:
            widths[column.name] = _coarsest(column.name, grids)
            if len({grid.resolution for grid in grids.values()}) > 1:
                remarks.append(
                    f"{column.name}: judged in steps of {widths[column.name]:g}, the coarsest of the models'"
                )
        ranges.setdefault(column.name, _widest(grids))
    return CommonGrid(widths, ranges, tuple(remarks))


def _coarsest(name: str, grids: Mapping[str, Lattice]) -> float:
    """Return the resolution that all others divide."""
    most = max(grid.resolution for grid in grids.values())
    for grid in grids.values():
        times = most / grid.resolution
        if not math.isclose(times, round(times), rel_tol=1e-9):
            found = ", ".join(f"{label}: {grid.resolution:g}" for label, grid in grids.items())
            raise HachimachiError(
                f"the models judge {name!r} in steps that do not fit into each other ({found}); name one for all, "
                f"such as --resolution {name}={most:g}"
            )
    return most


def _widest(grids: Mapping[str, Lattice]) -> tuple[float, float]:
    low = min(grid.low * grid.resolution for grid in grids.values())
    return low, max(grid.high * grid.resolution for grid in grids.values())


def _check_categories(each: Mapping[str, Column], sequences: Sequence[EventSequence]) -> None:
    """Refuse categories that some models know and others do not: an unknown one stands for all that are unknown."""
    known = {name: set(one.grid.values) for name, one in each.items() if isinstance(one.grid, Categories)}
    column = next(iter(each.values())).name
    if len(known) < len(each):
        odd = next(name for name in each if name not in known)
        raise HachimachiError(f"{column!r} is a category in some of the models and a number in {odd}; train them alike")
    there = {value for sequence in sequences for value in sequence.column(column).tolist()}
    for name, values in known.items():
        lost = sorted(there & set.union(*known.values()) - values)
        if lost:
            raise HachimachiError(
                f"{name} does not know {column} {lost[0]:g}, another of the models does: on data that holds it they do "
                "not compare; train them on the same categories"
            )
