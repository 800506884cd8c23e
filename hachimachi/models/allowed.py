"""What is left of a column under a constraint, and why nothing is."""

from __future__ import annotations

from functools import reduce
from itertools import combinations
from operator import and_

from hachimachi.columns import Column
from hachimachi.errors import HachimachiError
from hachimachi.grid import Categories, Lattice
from hachimachi.models.constraint import SHOWN, Bins, Constraint, category_bins, number_bins

NO_NOTES = ("time", "duration", "velocity", "instrument", "channel")
"""Columns that a scale says nothing of, whatever their numbers are."""


def allowed_bins(column: Column, constraint: Constraint) -> Bins:
    """Return the bins of a column in which something may be played.

    Raises:
        HachimachiError: There are none, or a scale is asked of what are not notes.
    """
    scale = next((clause for clause in constraint.clauses if clause.kind == "scale"), None)
    if scale and not _may_be_notes(column):
        raise HachimachiError(f"{column.name}: {scale} is of notes; expected pitch, or whole numbers that may be notes")
    bins = _bins(column, constraint)
    if bins.empty:
        by = _contradiction(column, constraint)
        raise HachimachiError(f"{column.name}: nothing that it can play is allowed{by}; expected {_playable(column)}")
    return bins


def _bins(column: Column, constraint: Constraint) -> Bins:
    if isinstance(column.grid, Categories):
        return category_bins(column.grid, constraint)
    return number_bins(column.grid, column.whole, constraint)


def _may_be_notes(column: Column) -> bool:
    whole = column.whole and isinstance(column.grid, Lattice) and column.grid.resolution == 1
    return column.name == "pitch" or (whole and column.name not in NO_NOTES)


def _contradiction(column: Column, constraint: Constraint) -> str:
    """Return what is to blame, in words: the fewest clauses that leave nothing."""
    alone = [Constraint(clause.intervals, (clause,)) for clause in constraint.clauses]
    for many in (1, 2):
        for some in combinations(alone, many):
            if _bins(column, reduce(and_, some)).empty:
                return " by " + " and ".join(str(one.clauses[0]) for one in some)
    return " by " + ", ".join(map(str, constraint.clauses)) if alone else ""


def _playable(column: Column) -> str:
    grid = column.grid
    if isinstance(grid, Categories):
        few = ", ".join(f"{value:g}" for value in grid.values[: 2 * SHOWN])
        return f"one of {few}" + ", …" * (len(grid.values) > 2 * SHOWN)
    ends = f"{grid.low * grid.resolution:g} to {grid.high * grid.resolution:g}"
    return f"{ends} in steps of {grid.resolution:g}" if column.whole else f"within {ends}"
