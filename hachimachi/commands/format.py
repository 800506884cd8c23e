"""`hxmx format`: files of any readable kind into a data set."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.options import FiniteRange, NamedValues, plugin_option
from hachimachi.console import narrow_console, report_table, shorten
from hachimachi.errors import HachimachiError, count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hachimachi.events import EventSequence
    from hachimachi.io import Report
    from hachimachi.io.midi import MidiOptions


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
        "--only", type=NamedValues("NAME=V,V,…"), multiple=True, help="Keep events whose column has one of the values."
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
    from hachimachi.io.midi import MidiOptions

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


_PAIRS = 5  # near duplicates that are told


def show_summary(sequences: Sequence[EventSequence], report: Report, *, in_beats: bool = False) -> None:
    """Print what was read, and what happened to it on the way."""
    console = narrow_console()
    console.print(_size(report, sequences[0].temporal, "beats" if in_beats else "s"))
    ranges = [f"{name} {_range(values)}" for name, values in _columns(sequences).items() if name != "instrument"]
    console.print(", ".join(ranges))
    for line in _instruments(sequences, report):
        console.print(line)
    if table := report_table(report):
        console.print(table)
    for line in _duplicates(report):
        console.print(line)


def _size(report: Report, temporal: bool, unit: str) -> str:
    hours = f" ({report.seconds / 3600:,.1f} hours)" if unit == "s" and report.seconds >= 3600 else ""
    lasting = f" in {report.seconds:,.1f} {unit}{hours}" if temporal else ", without time"
    sequences = f", {report.sequences:,} sequences" if report.sequences > 1 else ""
    files = f", from {report.files:,} files" if report.files > 1 else ""
    return f"{count(report.events, 'event')}{lasting}{sequences}{files}"


def _columns(sequences: Sequence[EventSequence]) -> dict[str, NDArray[np.float64]]:
    import numpy as np

    data = np.concatenate([sequence.data for sequence in sequences])
    return {feature.name: data[:, i] for i, feature in enumerate(sequences[0].features)}


def _range(values: NDArray[np.float64]) -> str:
    return f"{values.min():.5g}–{values.max():.5g}"


def _instruments(sequences: Sequence[EventSequence], report: Report) -> Iterator[str]:
    """Name the instruments, most frequent first; a column that was left out has one."""
    import numpy as np

    from hachimachi.io.midi import instrument_name, tell_instruments

    for column, value in report.constants.items():
        yield f"{column}: {instrument_name(value)} throughout, so the column is left out"
    names = [feature.name for feature in sequences[0].features]
    if "instrument" in names and "pitch" in names:
        values, counts = np.unique(_columns(sequences)["instrument"], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        yield tell_instruments({instrument_name(float(values[i])): int(counts[i]) for i in order})


def _duplicates(report: Report) -> Iterator[str]:
    pairs = report.duplicates
    if pairs:
        higher = " (+3: three semitones higher)" if any(pair.transposed for pair in pairs) else ""
        yield f"{count(len(pairs), 'pair')} of sequences tell the same, or nearly{higher}:"
    for name, of, score, shift, _ in pairs[:_PAIRS]:
        one, other = f"  {score:.0%} of {shorten(name)}", f"is in {shorten(of)}" + (f" ({shift:+d})" if shift else "")
        yield f"{one} {other}" if len(one) + len(other) < 80 else f"{one}\n    {other}"
    if len(pairs) > _PAIRS:
        yield f"  and {len(pairs) - _PAIRS:,} more"


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
    from hachimachi.console import show_work
    from hachimachi.io import Report, write
    from hachimachi.io.files import check_output
    from hachimachi.io.report import check_report_path, write_report

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
    from hachimachi.console import show_reading
    from hachimachi.io import read

    written = [path for path in (Path(output), wanted.report) if path]
    for path in written:
        if any(Path(text).resolve() == path.resolve() for text in inputs):
            raise HachimachiError(f"{path}: is an input too; name another file to write")
    sources = [Path(text) for text in inputs]
    return read(sources, report, midi=wanted.midi, without=written, progress=show_reading)


def _shape(sequences: list[EventSequence], wanted: Wanted, report: Report) -> list[EventSequence]:
    """Do what the options ask for, in the order in which they build on each other."""
    from hachimachi.console import show_work
    from hachimachi.io.transform import cut_at_gaps, drop_columns, keep_events, keep_long
    from hachimachi.ngrams import drop_near_duplicates, find_near_duplicates

    if wanted.only:
        sequences = keep_events(sequences, wanted.only, report)
    if wanted.max_gap:
        sequences = cut_at_gaps(sequences, wanted.max_gap, report)
    if wanted.drop:
        sequences = drop_columns(sequences, wanted.drop)
    if wanted.min_length:
        sequences = keep_long(sequences, wanted.min_length, report)
    with show_work("looking for near duplicates", sum(map(len, sequences))):
        report.duplicates = find_near_duplicates(sequences)
    if wanted.drop_duplicates:
        sequences = drop_near_duplicates(sequences, report)
    report.measure(sequences)
    return sequences


def _tell_loss(sequences: Sequence[EventSequence], output: str) -> None:
    from hachimachi.io.csv_format import unheld
    from hachimachi.io.files import is_csv_folder

    names = unheld(sequences[0].features)
    if names and (is_csv_folder(output) or Path(output).suffix.lower() == ".csv"):
        click.echo(f"CSV does not hold the declared kind, bounds or resolution of: {', '.join(names)}")
