"""`hxmx format`: performers' files into a data set, and from one format into another."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.events import Feature


@click.command("format")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.argument("output", type=click.Path(path_type=Path))
def command(inputs: tuple[str, ...], output: Path) -> None:
    """Turn MIDI, CSV or JSON files into a data set of events.

    INPUT is a file, a folder or a pattern such as "midi/*.mid"; OUTPUT ends in .json, .csv, .mid or .wav.
    Give several files, or a folder, to learn from all of them: such a data set ends in .json.

    \b
    hxmx format file.mid data.json
    hxmx format midi/ data.json
    hxmx format data.json data.csv
    """
    from hachimachi.commands.describe_data import show_summary
    from hachimachi.io import Report, read, write
    from hachimachi.io.files import WRITERS, check_suffix
    from hachimachi.progress import show_reading

    check_suffix(output, WRITERS, "write")
    report = Report()
    sequences = read(_sources(inputs, output), report, without=output, progress=show_reading)
    write(output, sequences)
    show_summary(sequences, report)
    _tell_loss(sequences[0].features, output)
    click.echo(f"→ {output}")


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
