"""What `hxmx eval --play` does: let a model play, and show how."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from hachimachi.evaluation.playing import Figure, Playing
    from hachimachi.events import EventSequence
    from hachimachi.models.event_model import EventModel

UNITS = {"longest silence": ".1f", "share of 8-grams": ".1%", "beyond the range": ".1%"}
"""How figures are shown that are not counted; distances of likeness have three digits."""


def let_play(model: EventModel, held_out: list[EventSequence], count: int) -> Playing:
    """Let a model play some times, with a bar where there is a terminal, and look at how."""
    from rich.console import Console
    from rich.progress import track

    from hachimachi.evaluation.playing import examine, play

    screen = Console(stderr=True)
    made = list(
        track(play(model, count), "playing", count, console=screen, transient=True, disable=not screen.is_terminal)
    )
    return examine(model, held_out, made)


def show_playing(playing: Playing) -> None:
    """Print how a model plays, beside unheard music and the limits."""
    from hachimachi.screen import make_console

    screen = make_console()
    count = len(playing.generated)
    plural = "s" if count > 1 else ""
    screen.print(f"\n{count} generation{plural} of {playing.events // count:,} events, from nothing:")
    screen.print(_table(playing))
    screen.print("collapse: the same 1 to 8 events, silence, or away from the training range")
    if playing.likeness:
        screen.print("likeness: distance from this data, beside that between its halves")
    if playing.copying is None:
        screen.print("This model does not know its training data: no figures on copying; train it again")


def _table(playing: Playing) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "", "model", "data", "at most", ""):
        table.add_column(heading, justify="right" if heading else "left")
    group = ""
    for figure in playing.figures():
        values = (_tell(figure, value) for value in (figure.generated, figure.real, figure.limit))
        table.add_row(
            figure.group if figure.group != group else "", figure.name, *values, "" if figure.held else "over"
        )
        group = figure.group
    return table


def _tell(figure: Figure, value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    return format(value, UNITS.get(figure.name, ".0f") if figure.group != "likeness" else ".3g")
