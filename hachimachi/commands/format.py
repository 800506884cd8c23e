"""`hxmx format`: performers' files into a data set, and from one format into another."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hachimachi.commands.options import plugin_option
from hachimachi.commands.sampling_options import Named
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.events import EventSequence, Feature
    from hachimachi.io import Report


@click.command("format")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--only", type=Named("NAME=V,V,…"), multiple=True, help="Keep events whose column has one of the values.")
@click.option("--drop", multiple=True, metavar="NAME,…", help="Leave a column out; without time events have an order.")
@plugin_option
def command(
    inputs: tuple[str, ...], output: Path, only: tuple[dict[str, list[str]], ...], drop: tuple[str, ...]
) -> None:
    """Turn MIDI, CSV or JSON files into a data set of events.

    INPUT is a file, a folder or a pattern such as "midi/*.mid"; OUTPUT ends in .json, .csv, .mid or .wav.
    Give several files, or a folder, to learn from all of them: such a data set ends in .json.

    \b
    hxmx format file.mid data.json
    hxmx format midi/ data.json
    hxmx format data.json data.csv
    hxmx format last_night.json mine.json --only player=0 --drop player
    """
    from hachimachi.commands.describe_data import show_summary
    from hachimachi.io import Report, read, write
    from hachimachi.io.files import WRITERS, check_suffix
    from hachimachi.progress import show_reading

    check_suffix(output, WRITERS, "write")
    wanted, report = _values(only), Report()
    sequences = read(_sources(inputs, output), report, without=output, progress=show_reading)
    sequences = _select(sequences, wanted, [name.strip() for names in drop for name in names.split(",")], report)
    write(output, sequences)
    show_summary(sequences, report)
    _tell_loss(sequences[0].features, output)
    click.echo(f"→ {output}")


def _values(only: Sequence[dict[str, list[str]]]) -> dict[str, list[float]]:
    """Return the values asked for, by column; those of one column add up."""
    wanted: dict[str, list[float]] = {}
    for name, text in ((name, text) for words in only for name, texts in words.items() for text in texts):
        try:
            wanted.setdefault(name, []).append(float(text))
        except ValueError:
            raise click.UsageError(f"--only {name}: {text!r} is not a number") from None
    return wanted


def _select(
    sequences: list[EventSequence], wanted: dict[str, list[float]], without: Sequence[str], report: Report
) -> list[EventSequence]:
    from hachimachi.io.select_events import drop_columns, keep_events

    if wanted:
        sequences = keep_events(sequences, wanted, report)
    return drop_columns(sequences, without) if without else sequences


def _sources(inputs: Sequence[str], output: Path) -> list[Path]:
    """Expand patterns, which not every shell does, and keep the output out of what is read."""
    paths = [path for text in inputs for path in _expand(text)]
    if any(path.resolve() == output.resolve() for path in paths):
        raise HachimachiError(f"{output}: is an input too; name another file to write")
    return paths


def _expand(text: str) -> list[Path]:
    if Path(text).exists() or not glob.has_magic(text):
        return [Path(text)]
    found = [Path(name) for name in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207  (an absolute pattern works)
    if not found:
        raise HachimachiError(f"{text}: no file fits this pattern")
    return found


def _tell_loss(features: Sequence[Feature], output: Path) -> None:
    from hachimachi.io.csv_format import unheld

    if output.suffix.lower() == ".csv" and (names := unheld(features)):
        click.echo(f"CSV does not hold the declared kind, bounds or resolution of: {', '.join(names)}")
