"""How steady `hxmx run` is: round trips, lateness, a flood, idling and starting, beside a plain UDP echo.

    make bench-live                                       everything: half an hour, most of it two times ten minutes
    make bench-live ARGS=--quick                          a first impression: two minutes
    make bench-live ARGS="--rows round-trip,flood"        some rows
    make bench-live ARGS="--quick --web"                  with the page's server, which reads the feed

Through the shipped command as its own process, the default model and size, trained on the piano performance the first
time (two minutes), without its time for the round trips; all features are sent, their values drawn from the data. The
figures are this machine's, at this moment: other programs that run meanwhile are in them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.live_rows import Line, flood, idle, round_trip, scheduled, start
from benchmarks.live_stage import Stage, set_stage
from benchmarks.tasks import BESIDE
from hachimachi.errors import HachimachiError
from hachimachi.live.loop import realtime

FOLDER = Path(__file__).resolve().parents[1] / "outputs"
ROWS: dict[str, Callable[[Stage], list[Line]]] = {
    "start": start,
    "idle": idle,
    "round-trip": round_trip,
    "round-trip-dense": partial(round_trip, gap=0.0),
    "round-trip-busy": partial(round_trip, busy=True),
    "round-trip-busy-realtime": partial(round_trip, busy=True, fifo=True),
    "flood": flood,
    "lateness": scheduled,
    "lateness-busy-realtime": partial(scheduled, hard=True),
}
HEADINGS = ("what", "reached", "to reach", "", "echo")


def measure(stage: Stage, names: Sequence[str], console: Console) -> list[Line]:
    """Measure row by row, saying how it goes; Ctrl-C leaves what there is."""
    lines: list[Line] = []
    try:
        for name in names:
            with console.status(name):
                lines += ROWS[name](stage)
    except KeyboardInterrupt:
        console.print("Stopped by Ctrl-C; this is what there is")
    return lines


def show(lines: Sequence[Line], console: Console) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(*_cells(line))
    console.print(table)


def write_markdown(lines: Sequence[Line], notes: Sequence[str], folder: Path) -> Path:
    """Write the table as Markdown into a folder, under the time of day; return where."""
    now = datetime.now()
    rows = [f"| {' | '.join(_cells(line))} |" for line in lines]
    text = [*notes, "", f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|", *rows, ""]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"live_{now:%Y-%m-%d_%H-%M-%S}.md"
    path.write_text("\n".join(text), encoding="utf-8")
    return path


def _cells(line: Line) -> tuple[str, ...]:
    return line.what, line.reached, line.wanted, "✓" if line.holds else "✗", line.echo


def _notes() -> list[str]:
    with realtime() as said:
        load = f"; load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
        return [f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{load}.", said]


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-live", description="How steady hxmx run is.")
    parser.add_argument("data", nargs="?", type=Path, default=BESIDE, help="folder of corpora (beside the checkout)")
    parser.add_argument("--rows", default="", help=f"some of {','.join(ROWS)} (all)")
    parser.add_argument("--quick", action="store_true", help="a first impression")
    parser.add_argument("--web", action="store_true", help="with the page's server beside, which reads the feed")
    parser.add_argument("--models", type=Path, default=FOLDER / "bench-live", help="folder of the trained models")
    chosen = parser.parse_args(words)
    chosen.rows = [name for name in chosen.rows.split(",") if name] or list(ROWS)
    for name in chosen.rows:
        if name not in ROWS:
            parser.error(f"--rows {name}: expected some of {','.join(ROWS)}")
    return chosen


def main(words: list[str] | None = None) -> int:
    """Measure what the words ask for, print the table, and write it to outputs/bench/."""
    chosen, console = _parse(words), Console(highlight=False, markup=False)
    notes = _notes()
    console.print("\n".join(notes))
    try:
        with console.status("training what is not there yet"):
            stage = set_stage(chosen.data, chosen.models.resolve(), chosen.quick, chosen.web)
        lines = measure(stage, chosen.rows, console)
    except HachimachiError as error:
        print(f"bench-live: {error}", file=sys.stderr)
        return 1
    show(lines, console)
    console.print(f"→ {write_markdown(lines, notes, FOLDER / 'bench')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
