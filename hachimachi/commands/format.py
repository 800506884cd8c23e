"""`hxmx format`: files of any readable kind into a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import FiniteRange, NamedValues, check_apart, named_option, plugin_option
from hachimachi.console import make_console, report_table, shorten, show_reading
from hachimachi.errors import HachimachiError, count

if TYPE_CHECKING:
    from hachimachi.events import EventSequence
    from hachimachi.io import Report
    from hachimachi.io.midi import MidiOptions


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@click.command("format")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.argument("output")
@click.option(
    "--columns",
    metavar="NAME,…",
    help="Columns of notes, from pitch, velocity, duration, instrument, channel, track and pedal.",
)
@click.option("--split-tracks", is_flag=True, help="A sequence for each track of a MIDI file.")
@click.option(
    "--time",
    "unit",
    type=click.Choice(["seconds", "beats"]),
    default="seconds",
    show_default=True,
    help="Unit of time and duration of MIDI files; a beat is a quarter note.",
)
@click.option(
    "--sustain/--no-sustain",
    default=False,
    help="Let notes ring as the sustain pedal says, or end them with their keys, as is done by default.",
)
@click.option("--controls", metavar="N,…", help="Controllers whose changes are the events, instead of notes.")
@named_option(
    "--only", NamedValues("NAME=V,V,…", float, several=True), "Keep events whose column has one of the values."
)
@click.option("--drop", multiple=True, metavar="NAME,…", help="Leave a column out; without time events have an order.")
@click.option(
    "--max-gap",
    type=FiniteRange(0, min_open=True),
    metavar="SECONDS",
    help="Cut sequences where nothing happens for longer (in beats with --time beats).",
)
@click.option("--min-length", type=click.IntRange(1), metavar="N", help="Leave out sequences of fewer events.")
@click.option("--drop-duplicates", "distinct", is_flag=True, help="Leave out sequences that tell the same as others.")
@click.option(
    "--report", "report_path", type=click.Path(path_type=Path), help="Write all that happened into this .csv or .json."
)
@click.option("--strict", is_flag=True, help="Fail, and write no data, if anything was mended or left out unasked.")
@plugin_option
def command(inputs: tuple[str, ...], output: str, report_path: Path | None, strict: bool, **options: Any) -> None:
    """Turn MIDI, CSV or JSON files into a data set of events.

    INPUT is a file, a folder with all that is below it, or a pattern such as "midi/*.mid". OUTPUT ends in .json, .csv,
    .arrow, .mid or .wav; or it is a folder and ends in /, for a CSV file for each sequence, or in .arrow/. Many
    sequences go into a .json, an .arrow or a folder.

    \b
    hxmx format file.mid data.json
    hxmx format midi/ more/*.mid data.json --max-gap 5 --min-length 16
    hxmx format midi/ tables/ --columns pitch,velocity,duration,channel
    hxmx format midi/ knobs.json --controls 1,7,64
    hxmx format midi/ piano.json --sustain
    hxmx format last_night.json mine.json --only player=0 --drop player

    One file that cannot be read, or that has other columns than most, does not end it: it is left out, and it is said
    why. --strict makes an error of that, and of every note that had to be mended.
    """
    from hachimachi.io import Report, read, write
    from hachimachi.io.csv_format import unheld
    from hachimachi.io.files import check_output, is_csv_folder
    from hachimachi.io.report import check_report_path, write_report

    midi = _midi_options(options)
    if not inputs:
        raise click.UsageError(f"{output}: one name only; expected hxmx format INPUT… OUTPUT")
    check_output(output)
    if report_path:
        check_report_path(report_path)
        if os.path.realpath(report_path) == os.path.realpath(output):
            raise click.UsageError(f"--report {report_path}: is the output too; name another file")
    outputs = [path for path in (Path(output), report_path) if path]
    check_apart(outputs, inputs)

    report = Report(strict=strict)
    try:
        sources = [Path(text) for text in inputs]
        sequences = read(sources, report, midi=midi, without=outputs, progress=show_reading)
        sequences = _transform(sequences, report, options)
        write(output, sequences, report)
    finally:
        if report_path and (report.files or report.refused):
            write_report(report_path, report)
    _show(sequences, report, "beats" if midi.beats else "s")
    lost = unheld(sequences[0].features)
    if lost and (is_csv_folder(output) or Path(output).suffix.lower() == ".csv"):
        click.echo(f"CSV does not hold the declared kind, bounds or resolution of: {', '.join(lost)}")
    click.echo(f"→ {output}")


def _midi_options(options: dict[str, Any]) -> MidiOptions:
    from hachimachi.io.midi import MidiOptions

    columns, controls, beats = options["columns"], options["controls"], options["unit"] == "beats"
    try:
        numbers = tuple(int(text) for text in _names(controls or ""))
    except ValueError:
        raise click.UsageError(f"--controls {controls}: expected numbers of controllers, such as 1,7,64") from None
    if controls is not None and not numbers:
        raise click.UsageError("--controls: name at least one controller, such as 1 or 64")
    names = None if columns is None else tuple(_names(columns))
    try:
        return MidiOptions(names, options["split_tracks"], beats, numbers, options["sustain"])
    except HachimachiError as error:
        raise click.UsageError(str(error)) from error


def _transform(sequences: list[EventSequence], report: Report, options: dict[str, Any]) -> list[EventSequence]:
    from hachimachi.io.transform import cut_at_gaps, drop_columns, keep_events, keep_long
    from hachimachi.ngrams import drop_near_duplicates, find_near_duplicates

    if only := options["only"]:
        sequences = keep_events(sequences, only, report)
    if max_gap := options["max_gap"]:
        sequences = cut_at_gaps(sequences, max_gap, report)
    if drop := [name for text in options["drop"] for name in _names(text)]:
        sequences = drop_columns(sequences, drop)
    if min_length := options["min_length"]:
        sequences = keep_long(sequences, min_length, report)
    report.duplicates = find_near_duplicates(sequences)
    if options["distinct"]:
        sequences = drop_near_duplicates(sequences, report)
    report.measure(sequences)
    return sequences


PAIRS = 5  # near duplicates that are shown


def _show(sequences: Sequence[EventSequence], report: Report, unit: str) -> None:
    import numpy as np

    from hachimachi.io.midi import describe_instruments, instrument_name

    console = make_console(narrow=True)
    hours = f" ({report.seconds / 3600:,.1f} hours)" if unit == "s" and report.seconds >= 3600 else ""
    length = f" in {report.seconds:,.1f} {unit}{hours}" if sequences[0].temporal else ", without time"
    several = f", {report.sequences:,} sequences" if report.sequences > 1 else ""
    files = f", from {report.files:,} files" if report.files > 1 else ""
    console.print(f"{count(report.events, 'event')}{length}{several}{files}")
    data = np.concatenate([sequence.data for sequence in sequences])
    columns = {feature.name: data[:, i] for i, feature in enumerate(sequences[0].features)}
    ranges = [(name, values.min(), values.max()) for name, values in columns.items() if name != "instrument"]
    console.print(", ".join(f"{name} {low:.5g}–{high:.5g}" for name, low, high in ranges))
    for column, value in report.constants.items():
        console.print(f"{column}: {instrument_name(value)} throughout, so the column is left out")
    if "instrument" in columns and "pitch" in columns:
        values, counts = np.unique(columns["instrument"], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        console.print(describe_instruments({instrument_name(float(values[i])): int(counts[i]) for i in order}))
    if table := report_table(report):
        console.print(table)
    pairs = report.duplicates
    if pairs:
        higher = " (+3: three semitones higher)" if any(pair.transposed for pair in pairs) else ""
        console.print(f"{count(len(pairs), 'pair')} of sequences tell the same, or nearly{higher}:")
    for name, of, score, shift, _ in pairs[:PAIRS]:
        one, other = f"  {score:.0%} of {shorten(name)}", f"is in {shorten(of)}" + (f" ({shift:+d})" if shift else "")
        console.print(f"{one} {other}" if len(one) + len(other) < 80 else f"{one}\n    {other}")
    if len(pairs) > PAIRS:
        console.print(f"  and {len(pairs) - PAIRS:,} more")
