"""What `hxmx eval --play` does: let a model play, and show how."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from hachimachi.evaluation.playing import Playing
    from hachimachi.events import EventSequence
    from hachimachi.models.event_model import EventModel
    from hachimachi.models.sampling import Sampling

LOOKS = {
    "collapsed": ("generations", ".0f"),
    "repetition": ("longest cycle, events", ".0f"),
    "silence": ("longest silence, s", ".1f"),
    "astray": ("far off in a row, events", ".0f"),
    "beyond": ("beyond training range", ".1%"),
    "share": ("8-grams of training", ".1%"),
    "longest": ("longest run, events", ".0f"),
}
"""What each figure is called and how it is written; aspects of likeness go by their own names."""


def let_play(model: EventModel, held_out: list[EventSequence], count: int, sampling: Sampling | None) -> Playing:
    """Let a model play some times, with a bar where there is a terminal, and look at how."""
    from rich.console import Console
    from rich.progress import track

    from hachimachi.evaluation.playing import examine, play

    screen = Console(stderr=True)
    hidden = not screen.is_terminal
    made = list(
        track(play(model, count, sampling=sampling), "playing", count, console=screen, transient=True, disable=hidden)
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
    if playing.worst:
        screen.print("likeness: distance from this data, beside that between its halves;")
        screen.print(f"          worst in {playing.worst.aspect}, {playing.worst.ratio:.1f} times as far")
    if playing.copying is None:
        screen.print("This model does not know its training data: no figures on copying; train it again")


def _table(playing: Playing) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "", "model", "data", "at most", ""):
        table.add_column(heading, justify="right" if heading else "left")
    group = ""
    for figure in playing.figures():
        title, form = LOOKS[figure.name] if figure.group != "likeness" else (figure.name, ".3g")
        values = (_tell(value, form) for value in (figure.generated, figure.real, figure.limit))
        first, group = "" if figure.group == group else figure.group, figure.group
        table.add_row(first, title, *values, "" if figure.held else "over")
    return table


def _tell(value: float | None, form: str) -> str:
    return "" if value is None or math.isnan(value) else format(value, form)
