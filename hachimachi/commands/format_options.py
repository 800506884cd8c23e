"""The options of `hxmx format`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import FiniteRange
from hachimachi.commands.sampling_options import Named
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.io.midi_options import MidiOptions

OPTIONS = (
    click.option(
        "--columns",
        metavar="NAME,…",
        help="Columns of notes, from pitch, velocity, duration, instrument, channel, track and pedal.",
    ),
    click.option("--split-tracks", is_flag=True, help="A sequence for each track of a MIDI file."),
    click.option(
        "--time",
        type=click.Choice(["seconds", "beats"]),
        default="seconds",
        show_default=True,
        help="Unit of time and duration of MIDI files; a beat is a quarter note.",
    ),
    click.option("--controls", metavar="N,…", help="Controllers whose changes are the events, instead of notes."),
    click.option(
        "--only", type=Named("NAME=V,V,…"), multiple=True, help="Keep events whose column has one of the values."
    ),
    click.option(
        "--drop", multiple=True, metavar="NAME,…", help="Leave a column out; without time events have an order."
    ),
    click.option(
        "--max-gap",
        type=FiniteRange(0, min_open=True),
        metavar="SECONDS",
        help="Cut sequences where nothing happens for longer (in beats with --time beats).",
    ),
    click.option("--min-length", type=click.IntRange(1), metavar="N", help="Leave out sequences of fewer events."),
    click.option("--drop-duplicates", is_flag=True, help="Leave out sequences that tell the same as others."),
    click.option("--report", type=click.Path(path_type=Path), help="Write all that happened into this .csv or .json."),
    click.option("--strict", is_flag=True, help="Fail, and write no data, if anything was mended or left out unasked."),
)


@dataclass(frozen=True)
class Wanted:
    """The options of the command line.

    Args:
        midi: What to read of MIDI files.
        only: Values to keep, by column.
        drop: Columns to leave out.
        max_gap: Longest time between two events of a sequence.
        min_length: Fewest events of a sequence.
        drop_duplicates: Whether of sequences that tell the same one is kept.
        report: Where to write the whole report.
        strict: Whether anything out of the ordinary is an error.
    """

    midi: MidiOptions
    only: dict[str, list[float]] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)
    max_gap: float | None = None
    min_length: int | None = None
    drop_duplicates: bool = False
    report: Path | None = None
    strict: bool = False


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it is called with them as ``wanted``."""

    @functools.wraps(command)
    def called(
        *,
        columns: str | None,
        split_tracks: bool,
        time: str,
        controls: str | None,
        only: tuple[dict[str, list[str]], ...],
        drop: tuple[str, ...],
        **others: Any,
    ) -> Any:
        rest = {name: others.pop(name) for name in ("max_gap", "min_length", "drop_duplicates", "report", "strict")}
        wanted = Wanted(
            midi=_midi(columns, split_tracks, time == "beats", controls),
            only=_values(only),
            drop=[name for text in drop for name in _names(text)],
            **rest,
        )
        return command(wanted=wanted, **others)

    for option in reversed(OPTIONS):
        called = option(called)
    return called


def _midi(columns: str | None, split_tracks: bool, beats: bool, controls: str | None) -> MidiOptions:
    from hachimachi.io.midi_options import MidiOptions

    try:
        numbers = tuple(int(text) for text in _names(controls or ""))
    except ValueError:
        raise click.UsageError(f"--controls {controls}: expected numbers of controllers, such as 1,7,64") from None
    if controls is not None and not numbers:
        raise click.UsageError("--controls: name at least one controller, such as 1 or 64")
    try:
        return MidiOptions(None if columns is None else tuple(_names(columns)), split_tracks, beats, numbers)
    except HachimachiError as error:
        raise click.UsageError(str(error)) from error


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _values(only: tuple[dict[str, list[str]], ...]) -> dict[str, list[float]]:
    """Return the values asked for, by column; those of one column add up."""
    wanted: dict[str, list[float]] = {}
    for name, text in ((name, text) for words in only for name, texts in words.items() for text in texts):
        try:
            wanted.setdefault(name, []).append(float(text))
        except ValueError:
            raise click.UsageError(f"--only {name}: {text!r} is not a number") from None
    return wanted
