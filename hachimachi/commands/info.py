"""`hxmx info`: what is in a model or a data set."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi import text
from hachimachi.commands.options import plugin_option

if TYPE_CHECKING:
    from hachimachi.models.event_model import EventModel

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
        from hachimachi.commands.describe_data import show_data

        show_data(path, as_json=as_json, picture=picture)


def _show_model(path: Path) -> None:
    from hachimachi.checkpoint import load_model
    from hachimachi.screen import column_table, make_console

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
    from hachimachi.models import parts

    home = parts.plugin(kind, name)
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
    events = text.count(data["events"], "event")
    lines.append(f"trained on {events}{sequences} of {data['name']} ({data['fingerprint']})")
    lines.append(f"{summary['date']}, {text.count(summary['epochs'], 'epoch')}, seed {summary['config']['seed']}")
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
            events = text.count(score["fresh_events"], "fresh event")
            lines.append(f"          {score['fresh']:.2f} over {events}, after steps that training never had")
    if "refit" in summary:
        events = text.count(summary["refit"]["events"], "event")
        lines.append(f"refit: then learned from all {events}; the score is from before it")
    playing = summary.get("playing", {})
    lines += filter(None, (playing.get("sentence"), playing.get("warning")))
    return lines
