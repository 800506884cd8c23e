"""`hxmx format`: files of any readable kind into a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hachimachi.commands.format_options import Wanted, format_options
from hachimachi.commands.options import plugin_option
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.events import EventSequence
    from hachimachi.io import Report


@click.command("format")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.argument("output")
@format_options
@plugin_option
def command(inputs: tuple[str, ...], output: str, wanted: Wanted) -> None:
    """Turn MIDI, CSV or JSON files into a data set of events.

    INPUT is a file, a folder with all that is below it, or a pattern such as "midi/*.mid". OUTPUT ends in .json, .csv,
    .arrow, .mid or .wav; or it is a folder and ends in /, for a CSV file for each sequence, or in .arrow/. Many
    sequences go into a .json, an .arrow or a folder.

    \b
    hxmx format file.mid data.json
    hxmx format midi/ more/*.mid data.json --max-gap 5 --min-length 16
    hxmx format midi/ tables/ --columns pitch,velocity,duration,channel
    hxmx format midi/ knobs.json --controls 1,7,64
    hxmx format last_night.json mine.json --only player=0 --drop player

    One file that cannot be read, or that has other columns than most, does not end it: it is left out, and it is said
    why. --strict makes an error of that, and of every note that had to be mended.
    """
    if not inputs:
        raise click.UsageError(f"{output}: one name only; expected hxmx format INPUT… OUTPUT")
    from hachimachi.commands.format_summary import show_summary
    from hachimachi.io import Report, write
    from hachimachi.io.files import check_output
    from hachimachi.io.report_file import check_report_path, write_report
    from hachimachi.progress import show_work

    check_output(output)
    if wanted.report:
        check_report_path(wanted.report)
        if os.path.realpath(wanted.report) == os.path.realpath(output):
            raise click.UsageError(f"--report {wanted.report}: is the output too; name another file")
    report = Report(strict=wanted.strict)
    try:
        sequences = _shape(_read(inputs, output, wanted, report), wanted, report)
        with show_work(f"writing {output}", report.events):
            write(output, sequences, report)
    finally:
        if wanted.report and (report.files or report.refused):
            write_report(wanted.report, report)
    show_summary(sequences, report, in_beats=wanted.midi.beats)
    _tell_loss(sequences, output)
    click.echo(f"→ {output}")


def _read(inputs: Sequence[str], output: str, wanted: Wanted, report: Report) -> list[EventSequence]:
    from hachimachi.io import read
    from hachimachi.progress import show_reading

    written = [path for path in (Path(output), wanted.report) if path]
    for path in written:
        if any(Path(text).resolve() == path.resolve() for text in inputs):
            raise HachimachiError(f"{path}: is an input too; name another file to write")
    sources = [Path(text) for text in inputs]
    return read(sources, report, midi=wanted.midi, without=written, progress=show_reading)


def _shape(sequences: list[EventSequence], wanted: Wanted, report: Report) -> list[EventSequence]:
    """Do what the options ask for, in the order in which they build on each other."""
    from hachimachi.duplicates import drop_duplicates, find_duplicates
    from hachimachi.io.cut import cut_at_gaps, keep_long
    from hachimachi.io.select_events import drop_columns, keep_events
    from hachimachi.progress import show_work

    if wanted.only:
        sequences = keep_events(sequences, wanted.only, report)
    if wanted.max_gap:
        sequences = cut_at_gaps(sequences, wanted.max_gap, report)
    if wanted.drop:
        sequences = drop_columns(sequences, wanted.drop)
    if wanted.min_length:
        sequences = keep_long(sequences, wanted.min_length, report)
    with show_work("looking for near duplicates", sum(map(len, sequences))):
        report.duplicates = find_duplicates(sequences)
    if wanted.drop_duplicates:
        sequences = drop_duplicates(sequences, report)
    report.measure(sequences)
    return sequences


def _tell_loss(sequences: Sequence[EventSequence], output: str) -> None:
    from hachimachi.io.csv_format import unheld
    from hachimachi.io.files import is_csv_folder

    names = unheld(sequences[0].features)
    if names and (is_csv_folder(output) or Path(output).suffix.lower() == ".csv"):
        click.echo(f"CSV does not hold the declared kind, bounds or resolution of: {', '.join(names)}")
