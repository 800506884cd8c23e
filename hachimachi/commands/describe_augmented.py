"""What augmentations did to events, on a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hachimachi.augment.bound import Tally
from hachimachi.augment.sequences import Augmented
from hachimachi.commands.report_table import report_table
from hachimachi.events import TIME, EventSequence
from hachimachi.io import Report
from hachimachi.text import count


def show_augmented(before: Sequence[EventSequence], made: Augmented, report: Report) -> None:
    """Print what each operation did, and the range of each column before and after."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if table := report_table(report):
        console.print(table)
    names = ([TIME] if before[0].temporal else []) + [feature.name for feature in before[0].features]
    for op, tally in zip(made.ops.ops, made.tallies, strict=True):
        console.print(str(op), style="bold")
        for line in _tell(tally, names, made.copies):
            console.print(f"  {line}")
    console.print(_ranges(before, made.sequences, names))
    total = sum(sequence.seconds for sequence in made.sequences)
    length = f" in {total:,.1f} s" if before[0].temporal else ""
    several = f", {count(len(made.sequences), 'sequence')}" if len(made.sequences) > 1 else ""
    console.print(f"{count(sum(map(len, made.sequences)), 'event')}{length}{several}")


def _ranges(before: Sequence[EventSequence], after: Sequence[EventSequence], names: Sequence[str]) -> Table:
    """Return the range of each column that holds numbers, before and after."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("feature", "before", "after"):
        table.add_column(heading, overflow="fold")
    old, new = (np.concatenate([sequence.rows() for sequence in each]) for each in (before, after))
    categories = [feature.name for feature in before[0].features if feature.kind == "categorical"]
    for place, name in enumerate(names):
        if name not in categories:
            table.add_row(name, _range(old[:, place]), _range(new[:, place]))
    return table


def _tell(tally: Tally, names: Sequence[str], copies: int) -> list[str]:
    where = "" if copies == 1 and tally.windows else f" in {tally.windows:,} of {count(copies, 'sequence')}"
    lines = [f"changed {tally.changed.sum():,} of {count(int(tally.seen.sum()), 'value')}{where}"]
    if tally.held.any():
        held = ", ".join(
            f"{name} {number:,}" for name, number in zip(names, tally.held.tolist(), strict=True) if number
        )
        lines.append(f"held {tally.held.sum():,} that would have left their range: {held}")
    return lines


def _range(values: NDArray[np.float64]) -> str:
    values = values[~np.isnan(values)]
    return f"{values.min():.5g}–{values.max():.5g}" if values.size else "none"
