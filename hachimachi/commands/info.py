"""`hxmx info`: what is in a model or a data set."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi import errors
from hachimachi.commands.options import plugin_option
from hachimachi.console import narrow_console, report_table, show_events, show_reading
from hachimachi.errors import count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hachimachi.description.description import ColumnDescription, Description, Finding
    from hachimachi.io import Report
    from hachimachi.models.event_model import EventModel


_MANY = 40
"""Columns that are shown on a screen."""
_ALIKE = 5
"""Findings of a kind that are shown."""
_BLOCKS = 16
"""Blocks of a small distribution."""


def show_data(path: Path, *, as_json: bool = False, picture: Path | None = None) -> None:
    """Print what is in a data set and what looks wrong, or all of it as JSON, and draw it where that is asked for."""
    from hachimachi.description.describe import describe
    from hachimachi.io import Report
    from hachimachi.io.files import open_collection
    from hachimachi.io.text import MILLISECONDS

    if picture is not None:
        _check(picture)
    report = Report()
    collection = open_collection(path, report, progress=show_reading)
    with show_events(collection.events) as progress:
        data = describe(collection, name=str(path), progress=progress)
    if any(finding.kind == "milliseconds" for finding in data.findings):
        report.remarks.pop(MILLISECONDS, None)  # said there, with the figures
    if as_json:
        told = {"read_as": report.understood, "mended_or_odd": report.remarks, "left_out": report.refused}
        click.echo(json.dumps(data.to_json() | told, ensure_ascii=False, indent=1))
    else:
        console = narrow_console()
        for line in _tell(data, console.width):
            console.print(line, soft_wrap=True) if isinstance(line, str) else console.print(line)
        _print_remarks(console, report)
        _print_findings(console, data)
    if picture is not None:
        _draw(data, picture)
        click.echo(f"→ {picture}", err=as_json)


def _check(picture: Path) -> None:
    from hachimachi.plot.canvas import check_picture

    check_picture(picture)


def _draw(data: Description, picture: Path) -> None:
    from hachimachi import plot

    plot.save(plot.overview(data), picture)


def _tell(data: Description, width: int) -> Iterator[str | Table]:
    from hachimachi.io.midi import tell_instruments

    yield f"{data.name}: {data.size()}"
    if data.sequences > 1:
        shortest, median, longest = data.lengths
        yield f"sequences: median {median:,} events"
        yield f"  shortest {shortest:,} ({data.shortest})"
        yield f"  longest {longest:,} ({data.longest})"
    yield _table(data.columns[:_MANY])
    if len(data.columns) > _MANY:
        yield f"and {count(len(data.columns) - _MANY, 'more column')}: --json tells of all"
    yield from _legend(data)
    yield from _between(data)
    if data.instruments:
        yield textwrap.fill(tell_instruments(data.instruments), width, subsequent_indent="  ")


def _table(columns: Sequence[ColumnDescription]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("feature", "kind", "range", "step", "distinct", "distribution"):
        justify = "right" if head in ("step", "distinct") else "left"
        table.add_column(head, justify=justify, overflow="fold", no_wrap=head in ("kind", "distribution"))
    for column in columns:
        table.add_row(*_row(column))
    return table


def _row(column: ColumnDescription) -> list[str]:
    from hachimachi.description.description import Histogram, sparkline

    kind = column.kind + "*" * ("kind" in column.declared)
    step = "" if column.resolution is None else f"{column.resolution:.4g}" + "*" * ("resolution" in column.declared)
    distinct = "many" if column.distinct is None else f"{column.distinct:,}"
    name, values = "~" * column.masked + column.name, f"{column.low:.4g}–{column.high:.4g}"
    return [name, kind, values, step, distinct, sparkline(Histogram.of(column, _BLOCKS))]


def _legend(data: Description) -> Iterator[str]:
    from hachimachi.description.description import Histogram

    marks = ["~ masked: foretold, never heard"] if any(column.masked for column in data.columns) else []
    if any({"kind", "resolution"} & set(column.declared) for column in data.columns):
        marks.append("* declared, else derived")
    if any(Histogram.of(column, _BLOCKS).scale == "log" for column in data.columns):
        marks.append("seconds: log scale")
    if marks:
        yield "; ".join(marks)
    if data.sampled < data.events:
        yield f"distributions, quantiles and shares are of {data.sampled:,} events drawn from all"


def _between(data: Description) -> Iterator[str]:
    if data.seconds is not None and data.columns[0].events:
        time = data.columns[0]
        early, middle, late = (time.quantiles[share] for share in (0.05, 0.5, 0.95))
        yield f"between events: median {middle:.3g} s, nine of ten {early:.3g}–{late:.3g} s, longest {time.high:.4g} s;"
        yield f"  {data.at_zero:.0%} at 0 s, {data.at_once:.0%} at once (below 5 ms)"


def _print_findings(console: Console, data: Description) -> None:
    if not data.findings:
        console.print("nothing looks wrong")
        return
    console.print("what looks wrong:", style="bold")
    kinds = Counter(finding.kind for finding in data.findings)
    for finding in _first(data.findings):
        console.print(
            textwrap.fill(
                str(finding), console.width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
            )
        )
    more = [f"{kind} {found - _ALIKE:,}" for kind, found in kinds.items() if found > _ALIKE]
    if more:
        console.print(f"and more of the same: {', '.join(more)}; --json tells of all")


def _first(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Give the first few findings of each kind."""
    told = Counter[str]()
    for finding in findings:
        told[finding.kind] += 1
        if told[finding.kind] <= _ALIKE:
            yield finding


def _print_remarks(console: Console, report: Report) -> None:
    from hachimachi.io.midi import instrument_name

    for column, value in report.constants.items():
        console.print(f"{column}: {instrument_name(value)} throughout, so the column is left out")
    if table := report_table(report):
        console.print(table)


MODELS = (".pt", ".ckpt")


@click.command("info")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Everything about a data set, for machines.")
@click.option(
    "--plot", "picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw a data set: .png, .svg or .pdf."
)
@plugin_option
def command(path: Path, as_json: bool, picture: Path | None) -> None:
    """Show what is in PATH: a model (.pt, .ckpt), or a data set (a file or a folder).

    Of a data set: how much there is, each feature, the time between events, and what looks wrong, with what to do.

    \b
    hxmx info model.pt
    hxmx info data.json
    hxmx info midi/ --plot midi.png
    """
    if path.suffix.lower() in MODELS:
        if as_json or picture is not None:
            raise click.UsageError(f"{path} is a model; --json and --plot are for data sets")
        _show_model(path)
    else:
        show_data(path, as_json=as_json, picture=picture)


def _show_model(path: Path) -> None:
    from hachimachi.checkpoint import load_model
    from hachimachi.console import column_table, make_console

    model = load_model(path)
    screen = make_console()
    weights = sum(weight.numel() for weight in model.parameters())
    screen.print(f"{path}: {weights:,} weights")
    for kind in ("backbone", "head"):
        screen.print(_part(model.parts[kind]) + _where_from(kind, model.parts[kind]["name"]))
    screen.print(column_table(model, model.summary.get("held_out", {}).get("by_feature")))
    for line in _tell_training(model):
        screen.print(line)
    if model.summary.get("config"):
        screen.print(f"again: {_again(model, path)}", soft_wrap=True)


def _again(model: EventModel, path: Path) -> str:
    """Return how to train such a model again, into a file of its own."""
    plugins = ",".join(model.summary["config"].get("plugins") or ())
    words = [
        "hxmx",
        "train",
        "again.pt",
        "--from",
        str(path),
        *([f"plugins=[{plugins}]"] if plugins else []),
    ]
    return shlex.join(words)


def _where_from(kind: str, name: str) -> str:
    from hachimachi import plugins

    home = plugins.plugin_of(kind, name)
    return f", of the plug-in {home}" if home else ""


def _part(options: dict[str, Any]) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in options.items() if key != "name")
    return f"{options['name']} ({rest})" if rest else str(options["name"])


def _tell_training(model: EventModel) -> list[str]:
    summary = model.summary
    if not summary:
        return ["not trained by hxmx train"]
    data, lines = summary["data"], []
    sequences = f" in {data['sequences']:,} sequences" if data["sequences"] > 1 else ""
    events = errors.count(data["events"], "event")
    lines.append(f"trained on {events}{sequences} of {data['name']} ({data['fingerprint']})")
    lines.append(f"{summary['date']}, {errors.count(summary['epochs'], 'epoch')}, seed {summary['config']['seed']}")
    if summary.get("git"):
        changed = ", and changes to it" if summary["git"]["dirty"] else ""
        lines.append(f"at commit {summary['git']['commit'][:10]}{changed}")
    if "held_out" in summary:
        score = summary["held_out"]
        gain = score["marginal"] - score["nats_per_event"]
        error = f" ± {score['stderr']:.2f}" if score["stderr"] is not None else ""
        lines.append(f"held out: {score['nats_per_event']:.2f}{error} nats per event over {score['events']:,} events,")
        way = "below" if gain > 0 else "above"
        lines.append(f"          {abs(gain):.2f} {way} the marginal baseline of {score['marginal']:.2f}")
        if score.get("fresh") is not None:  # None where nothing was fresh, no key in older files
            events = errors.count(score["fresh_events"], "fresh event")
            lines.append(f"          {score['fresh']:.2f} over {events}, after steps that training never had")
    if "refit" in summary:
        events = errors.count(summary["refit"]["events"], "event")
        lines.append(f"refit: then learned from all {events}; the score is from before it")
    playing = summary.get("playing", {})
    lines += filter(None, (playing.get("sentence"), playing.get("warning")))
    return lines
