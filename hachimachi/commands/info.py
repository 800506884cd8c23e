"""`hxmx info`: what is in a model or a data set."""

from __future__ import annotations

import json
import os
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.bases import find_base
from hachimachi.commands.options import plugin_option
from hachimachi.console import column_table, make_console, make_table, print_filled, report_table, show_reading
from hachimachi.errors import count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hachimachi.description.describe import Description

MODELS = (".pt", ".ckpt")
COLUMNS = 40  # columns that are shown on a screen
ALIKE = 5  # findings of a kind that are shown
BLOCKS = 16  # blocks of a small distribution


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
    hxmx info piano
    hxmx info data.json
    hxmx info midi/ --plot midi.png
    """
    if not path.suffix and path.is_file():  # as outputs/run/last
        from hachimachi.live.learning import find_version

        path = find_version(path)
    if path.suffix.lower() in MODELS or (not path.exists() and find_base(str(path))):
        if as_json or picture is not None:
            raise click.UsageError(f"{path} is a model; --json and --plot are for data sets")
        _show_model(path)
        return
    from hachimachi.description.describe import describe
    from hachimachi.io import Report
    from hachimachi.io.files import open_collection
    from hachimachi.io.midi import instrument_name
    from hachimachi.io.text import MILLISECONDS

    if picture is not None:
        from hachimachi.plot import check_picture

        check_picture(picture)
    report = Report()
    collection = open_collection(path, report, progress=show_reading)
    data = describe(collection, name=str(path))
    if any(finding.kind == "milliseconds" for finding in data.findings):
        report.remarks.pop(MILLISECONDS, None)  # the finding has the figures
    if as_json:
        reading = {"read_as": report.understood, "mended_or_odd": report.remarks, "left_out": report.refused}
        click.echo(json.dumps(data.to_json() | reading, ensure_ascii=False, indent=1))
    else:
        console = make_console(narrow=True)
        for line in _data_lines(data, console.width):
            console.print(line, soft_wrap=True) if isinstance(line, str) else console.print(line)
        for column, value in report.constants.items():
            console.print(f"{column}: {instrument_name(value)} throughout, so the column is left out")
        if table := report_table(report):
            console.print(table)
        _show_findings(console, data)
    if picture is not None:
        from hachimachi import plot

        plot.save(plot.overview(data), picture)
        click.echo(f"→ {picture}", err=as_json)


def _data_lines(data: Description, width: int) -> Iterator[str | Table]:
    from hachimachi.description.describe import ValueHistogram, sparkline
    from hachimachi.io.midi import describe_instruments

    yield f"{data.name}: {data.size()}"
    if data.sequences > 1:
        shortest, median, longest = data.lengths
        yield f"sequences: median {median:,} events"
        yield f"  shortest {shortest:,} ({data.shortest})"
        yield f"  longest {longest:,} ({data.longest})"

    headings = ("feature", "kind", "range", "step", "distinct", "distribution")
    table = make_table(headings, right=("step", "distinct"))
    for heading in table.columns:
        heading.no_wrap = heading.header in ("kind", "distribution")
    for column in data.columns[:COLUMNS]:
        kind = column.kind + "*" * ("kind" in column.declared)
        step = "" if column.resolution is None else f"{column.resolution:.4g}" + "*" * ("resolution" in column.declared)
        distinct = "many" if column.distinct is None else f"{column.distinct:,}"
        name, values = "~" * column.masked + column.name, f"{column.low:.4g}–{column.high:.4g}"
        table.add_row(name, kind, values, step, distinct, sparkline(ValueHistogram.of(column, BLOCKS)))
    yield table
    if len(data.columns) > COLUMNS:
        yield f"and {count(len(data.columns) - COLUMNS, 'more column')}: --json tells of all"
    marks = ["~ masked: known afterwards only"] if any(column.masked for column in data.columns) else []
    if any({"kind", "resolution"} & set(column.declared) for column in data.columns):
        marks.append("* declared, else derived")
    if any(ValueHistogram.of(column, BLOCKS).scale == "log" for column in data.columns):
        marks.append("seconds: log scale")
    if marks:
        yield "; ".join(marks)
    if data.sampled < data.events:
        yield f"distributions, shares and findings are of {data.sampled:,} events drawn from all"

    if data.seconds is not None and data.columns[0].events:
        time = data.columns[0]
        early, middle, late = (time.quantiles[share] for share in (0.05, 0.5, 0.95))
        yield f"between events: median {middle:.3g} s, nine of ten {early:.3g}–{late:.3g} s, longest {time.high:.4g} s;"
        yield f"  {data.at_zero:.0%} at 0 s, {data.at_once:.0%} at once (below 5 ms)"
    if data.instruments:
        yield textwrap.fill(describe_instruments(data.instruments), width, subsequent_indent="  ")


def _show_findings(console: Console, data: Description) -> None:
    if not data.findings:
        console.print("nothing looks wrong")
        return
    console.print("what looks wrong:", style="bold")
    kinds = Counter[str]()
    for finding in data.findings:
        kinds[finding.kind] += 1
        if kinds[finding.kind] <= ALIKE:
            text = textwrap.fill(f"- {finding}", console.width, subsequent_indent="  ", break_on_hyphens=False)
            console.print(text)
    more = [f"{kind} {found - ALIKE:,}" for kind, found in kinds.items() if found > ALIKE]
    if more:
        console.print(f"and more of the same: {', '.join(more)}; --json tells of all")


def _show_model(path: Path) -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: threads take memory, and there is little to do
    from hachimachi import plugins as plug_ins
    from hachimachi.checkpoint import make_player, read_model

    stored, console = read_model(path), make_console()
    model = make_player(path, stored).model
    console.print(f"{path}: {model.parameter_count:,} weights")
    if stored.version == 1:
        renew = shlex.join(["hxmx", "upgrade", str(path), "new.pt"])
        console.print("of version 1, which is read through PyTorch; one that plays without, and sooner:")
        console.print(f"  {renew}")
    for kind in ("backbone", "head"):
        options = dict(stored.parts[kind])
        name = options.pop("name")
        rest = f" ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else ""
        home = plug_ins.plugin_of(kind, name) if stored.plugins else None
        print_filled(console, f"{name}{rest}" + (f", of the plug-in {home}" if home else ""))
    if "encoder.clock" in stored.buffers:
        console.print("told how much time has passed since a sequence's first event")
    console.print(column_table(stored, stored.summary.get("held_out", {}).get("by_feature")))
    try:
        for line in _training_lines(stored.summary):
            console.print(line)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        console.print(f"more is not told: its summary lacks {error}, or was not written by hxmx train")
    if stored.summary.get("config"):
        plugins = ",".join(stored.summary["config"].get("plugins") or ())
        words = ["hxmx", "train", "again.pt", "--from", str(path), *([f"plugins=[{plugins}]"] if plugins else [])]
        console.print(f"again: {shlex.join(words)}")


def _lineage_lines(summary: dict[str, Any]) -> Iterator[str]:
    """Say what a model began with, and what that had learned, on stage or elsewhere, and under which licences."""
    if stage := summary.get("stage"):
        what = {"all": "all that was played", "mine": "what was played to it"}[stage["scope"]]
        source = "of its own data" if stage["own"] else "that it generated"
        yield f"learned on stage from {count(stage['events'], 'event')} of {what},"
        yield f"  beside {stage['rehearsed']:,} {source}:"
        yield f"  {stage['new']:.2f} nats per event on the end of that, {stage['old']:.2f} before;"
        yield f"  {stage['known_new']:.2f} on what it knew, {stage['known_old']:.2f} before"
    if card := summary.get("base"):
        yield f"a base model, licence {card['licence']}"
        yield from (textwrap.fill(f"  {text}", 80, subsequent_indent="  ") for text in card["attributions"])
    before = summary.get("init")
    while before:
        data = before.get("data", {})
        learned = f", which learned {count(data['events'], 'event')} of {data['name']}" if "events" in data else ""
        yield f"began with {before.get('name', 'a model without a name')}{learned}"
        if "licence" in before:
            yield f"  licence {before['licence']}"
            yield from (textwrap.fill(f"  {text}", 80, subsequent_indent="  ") for text in before["attributions"])
        before = before.get("init")


def _training_lines(summary: dict[str, Any]) -> Iterator[str]:
    if not summary:
        yield "not trained by hxmx train"
        return
    if data := summary.get("data"):
        several = f" in {data['sequences']:,} sequences" if data.get("sequences", 1) > 1 else ""
        mark = f" ({data['fingerprint']})" if "fingerprint" in data else ""
        yield f"trained on {count(data['events'], 'event')}{several} of {data.get('name', 'unnamed data')}{mark}"
    yield from _lineage_lines(summary)
    when = [str(summary["date"])] if "date" in summary else []
    when += [count(summary["epochs"], "epoch")] if "epochs" in summary else []
    yield ", ".join([*when, f"seed {summary.get('config', {}).get('seed', 'not known')}"])
    if summary.get("git"):
        changed = ", and changes to it" if summary["git"]["dirty"] else ""
        yield f"at commit {summary['git']['commit'][:10]}{changed}"
    if "held_out" in summary:
        score = summary["held_out"]
        gain = score["marginal"] - score["nats_per_event"]
        error = f" ± {score['stderr']:.2f}" if score["stderr"] is not None else ""
        yield f"held out: {score['nats_per_event']:.2f}{error} nats per event over {score['events']:,} events,"
        way = "below" if gain > 0 else "above"
        yield f"          {abs(gain):.2f} {way} the marginal baseline of {score['marginal']:.2f}"
        if score.get("fresh") is not None:  # None where nothing was fresh, no key in older files
            fresh = count(score["fresh_events"], "fresh event")
            yield f"          {score['fresh']:.2f} over {fresh}, after steps that training never had"
    playing = summary.get("playing", {})
    for text in filter(None, (playing.get("sentence"), playing.get("warning"))):
        yield textwrap.fill(text, 80, break_on_hyphens=False)
    if "verdict" in summary:
        yield f"Verdict: {summary['verdict']['grade']}"
