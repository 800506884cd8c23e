"""`hxmx eval`: how well a model foretells events it has not heard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hachimachi.commands.options import GRID_RANGE, GRID_STEP
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.evaluation.likelihood import Evaluation
    from hachimachi.events import EventSequence
    from hachimachi.io import Report
    from hachimachi.models.event_model import EventModel

Steps = tuple[tuple[str, float], ...]
Ranges = tuple[tuple[str, tuple[float, float]], ...]


@click.command("eval")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option("--split", type=click.Path(path_type=Path), help="A file that lists names under train, valid and test.")
@click.option("--part", type=click.Choice(["train", "valid", "test"]), help="The part of the split.  [default: test]")
@click.option("--resolution", type=GRID_STEP, multiple=True, help="Score a feature in steps of Q.")
@click.option("--support", type=GRID_RANGE, multiple=True, help="Score a feature between two values.")
@click.option(
    "--surprise", type=click.Path(path_type=Path), help="Write −ln P of every column of every event to a CSV."
)
@click.option(
    "--table",
    type=(str, click.Path(path_type=Path)),
    metavar="SEQ:EVENT FILE",
    help="Write the whole probability table of one event to a CSV.",
)
def command(
    model: Path,
    data: Path,
    as_json: bool,
    split: Path | None,
    part: str | None,
    resolution: Steps,
    support: Ranges,
    surprise: Path | None,
    table: tuple[str, Path] | None,
) -> None:
    """Measure how well MODEL foretells the events of DATA: nats per event, the fewer the better.

    Every event but each sequence's first is scored, given all before it. The marginal baseline knows how often each
    value occurred in training and nothing else; a model that is not below it has learned nothing. Fresh are events
    whose last seven steps never occur in the training data.

    \b
    hxmx eval model.pt data.json
    hxmx eval model.pt corpus/ --split corpus/split.json --part test
    hxmx eval model.pt data.json --resolution time=0.02 --support pitch=21:108
    """
    if part and not split:
        raise click.UsageError("--part needs --split FILE")
    from hachimachi.checkpoint import load_model
    from hachimachi.commands.eval_figures import figures, show
    from hachimachi.commands.eval_files import find_event, write_surprise, write_table
    from hachimachi.io import Report

    for output in filter(None, [surprise, table and table[1]]):
        if output.resolve() in {path.resolve() for path in (model, data, split) if path}:
            raise HachimachiError(f"{output}: is what is to be read; name another file to write")
    judged, report = load_model(model), Report()
    sequences = _read(data, judged, report, split, part or "test")
    wanted = find_event(table[0], sequences) if table else None
    result = _evaluate(judged, sequences, dict(resolution), dict(support))
    if not len(result.surprise):
        raise HachimachiError(f"{data}: nothing to score; expected a sequence of two events or more")
    if surprise:
        write_surprise(surprise, result, sequences)
    if table and wanted:
        write_table(table[1], judged, *wanted, resolution=dict(resolution), support=dict(support))
    if as_json:
        click.echo(json.dumps(figures(result, judged, sequences, report.lines()), indent=2))
    else:
        show(data, result, judged, sequences, report.lines())


def _read(data: Path, model: EventModel, report: Report, split: Path | None, part: str) -> list[EventSequence]:
    from hachimachi.io import read
    from hachimachi.io.split import read_split, select

    wanted = read_split(split) if split else None
    # a MIDI file says which instrument plays even if only one does; a model of one instrument does not ask
    every = any(feature.name == "instrument" for feature in model.features)
    sequences = read(data, report, all_columns=every, without=split)
    return select(sequences, wanted, part, report) if wanted else sequences


def _evaluate(
    model: EventModel,
    sequences: list[EventSequence],
    resolution: dict[str, float],
    support: dict[str, tuple[float, float]],
) -> Evaluation:
    """Evaluate, with a bar on a terminal where it takes more than a moment."""
    from rich.console import Console
    from rich.progress import Progress

    from hachimachi.evaluation.likelihood import evaluate

    events = sum(map(len, sequences))
    with Progress(console=Console(stderr=True), transient=True, disable=not Console(stderr=True).is_terminal) as bar:
        task = bar.add_task(f"{events:,} events", total=events)
        return evaluate(
            model, sequences, resolution=resolution, support=support, done=lambda heard: bar.advance(task, heard)
        )
