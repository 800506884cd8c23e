"""The table that a benchmark of models leaves, on the screen and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from hachimachi.errors import count


class Score(NamedTuple):
    """Nats per event, and the seconds that training took."""

    nats: float
    seconds: float


@dataclass
class Row:
    """The figures of one task.

    Args:
        task: Its name.
        events: How many events were scored.
        marginal: The marginal baseline, in nats per event.
        first_order: The first-order baseline.
        scores: What is compared, by name; what failed is not there.
    """

    task: str
    events: int
    marginal: float
    first_order: float
    scores: dict[str, Score] = field(default_factory=dict)


def show(rows: Sequence[Row], parts: Sequence[str], console: Console) -> None:
    """Print the table, seconds below nats."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(_headings(parts)):
        table.add_column(heading, justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*_cells(row, parts, "\n"))
    console.print(table)


def write_markdown(rows: Sequence[Row], parts: Sequence[str], seeds: int, folder: Path, name: str = "model") -> Path:
    """Write the table as Markdown into a folder, under the time of day; return where."""
    now = datetime.now()
    headings = _headings(parts)
    lines = [
        f"Held-out nats per event, median of {count(seeds, 'seed')}, and seconds of training; {now:%Y-%m-%d %H:%M}.",
        "",
        f"| {' | '.join(headings)} |",
        f"|---|{'---:|' * (len(headings) - 1)}",
        *(f"| {' | '.join(_cells(row, parts, ', '))} |" for row in rows),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{now:%Y-%m-%d_%H-%M-%S}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _headings(parts: Sequence[str]) -> list[str]:
    return ["task", "events", "marginal", "first order", *parts]


def _cells(row: Row, parts: Sequence[str], between: str) -> list[str]:
    scores = [row.scores.get(part) for part in parts]
    told = [f"{score.nats:.2f}{between}{score.seconds:.0f} s" if score else "–" for score in scores]
    return [row.task, f"{row.events:,}", f"{row.marginal:.2f}", f"{row.first_order:.2f}", *told]
