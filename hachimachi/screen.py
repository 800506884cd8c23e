"""What several commands show of a model, on a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from hachimachi.columns import Column
from hachimachi.grid import Categories
from hachimachi.models.event_model import EventModel


def make_console(*, quiet: bool = False) -> Console:
    """Return a console that prints texts as they are and leaves the breaking of long lines to the terminal."""
    return Console(highlight=False, markup=False, soft_wrap=True, quiet=quiet)


def column_table(model: EventModel, scores: Mapping[str, Mapping[str, float]] | None = None) -> Table:
    """Return what each column is; with scores, what it costs in nats and under the marginal baseline."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("feature", "kind", "values", "step", "", *(("nats", "marginal") if scores else ())):
        table.add_column(heading, justify="right" if heading in ("step", "nats", "marginal") else "left")
    for column in model.columns:
        masked = "masked" if column.feature.masked else ""
        told = [f"{scores[column.name][key]:.2f}" for key in ("nats", "marginal")] if scores else []
        table.add_row(column.name, column.feature.kind, *_extent(column), masked, *told)
    return table


def _extent(column: Column) -> tuple[str, str]:
    """Return the range of the training values and the step of the grid."""
    if isinstance(column.grid, Categories):
        number = len(column.grid.values)
        return f"{number} categories" if number > 1 else "1 category", ""
    grid = column.grid
    low, high = ((grid.low + place) * grid.resolution for place in (column.occupied[0], column.occupied[-1]))
    return f"{low:g}–{high:g}", f"{grid.resolution:g}"
