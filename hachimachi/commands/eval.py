"""`hxmx eval`: how well a model foretells events it has not heard."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.describe_playing import let_play, show_playing
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.evaluation.likelihood import Evaluation
    from hachimachi.events import EventSequence
    from hachimachi.models.event_model import EventModel


@click.command("eval")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option(
    "--surprise", type=click.Path(path_type=Path), help="Write −ln P of every column of every event to a CSV."
)
@click.option(
    "--table",
    type=(str, click.Path(path_type=Path)),
    metavar="SEQ:EVENT FILE",
    help="Write the whole probability table of one event to a CSV.",
)
@click.option(
    "--play",
    type=click.IntRange(1),
    metavar="N",
    help="Let it play N times 1,000 events too: does it collapse, copy, sound like DATA?",
)
def command(
    model: Path, data: Path, as_json: bool, surprise: Path | None, table: tuple[str, Path] | None, play: int | None
) -> None:
    """Measure how well MODEL foretells the events of DATA: nats per event, the fewer the better.

    Every event but each sequence's first is scored, given all before it. The marginal baseline knows how often each
    value occurred in training and nothing else; a model that is not below it has learned nothing.
    """
    from hachimachi.checkpoint import load_model
    from hachimachi.evaluation.likelihood import evaluate
    from hachimachi.io import Report, read

    for output in filter(None, [surprise, table and table[1]]):
        if output.resolve() in (model.resolve(), data.resolve()):
            raise HachimachiError(f"{output}: is what is to be read; name another file to write")
    judged = load_model(model)
    report = Report()
    sequences = read(data, report, all_columns=any(feature.name == "instrument" for feature in judged.features))
    wanted = _find_event(table[0], sequences) if table else None
    result = evaluate(judged, sequences)
    if not len(result.surprise):
        raise HachimachiError(f"{data}: nothing to score; expected a sequence of two events or more")
    if surprise:
        _write_csv(surprise, *_surprise_rows(result, judged, sequences))
    if table and wanted:
        _write_csv(table[1], *_table_rows(judged, *wanted))
    playing = let_play(judged, sequences, play) if play else None
    if as_json:
        played = {"playing": playing.to_json()} if playing else {}
        click.echo(json.dumps(_figures(result, judged) | played, indent=2))
        return
    _show(data, result, judged, report.lines())
    if playing:
        show_playing(playing)


def _figures(result: Evaluation, model: EventModel) -> dict[str, Any]:
    from hachimachi.models.emission import FLOOR

    features = {}
    for column, (name, nats) in zip(model.columns, result.by_feature().items(), strict=True):
        features[name] = {**nats, **column.describe(), "floor": FLOOR / column.grid.bins}
    return {
        "nats_per_event": result.nats_per_event,
        "stderr": result.stderr if math.isfinite(result.stderr) else None,
        "marginal": result.marginal_nats_per_event,
        "events": result.events,
        "scored": len(result.surprise),
        "sequences": result.sequences,
        "outside": result.outside,
        "order": list(result.names),
        "features": features,
    }


def _show(data: Path, result: Evaluation, model: EventModel, remarks: list[str]) -> None:
    from hachimachi.screen import column_table, make_console

    screen = make_console()
    for remark in remarks:
        screen.print(remark)
    sequences = f"{result.sequences:,} sequences" if result.sequences > 1 else "one sequence"
    screen.print(f"{data}: {len(result.surprise):,} events scored in {sequences}")
    screen.print(column_table(model, result.by_feature()))
    gain = result.marginal_nats_per_event - result.nats_per_event
    error = f" ± {result.stderr:.2f}" if math.isfinite(result.stderr) else ""
    screen.print(f"total: {result.nats_per_event:.2f}{error} nats per event")
    way = "below" if gain > 0 else "above"
    screen.print(f"{abs(gain):.2f} {way} the marginal baseline of {result.marginal_nats_per_event:.2f}")
    if gain <= 0:
        screen.print("This model foretells these events no better than a histogram of each feature would")
    if result.outside:
        screen.print(f"{result.outside:,} values lie outside the model's support")


def _surprise_rows(
    result: Evaluation, model: EventModel, sequences: list[EventSequence]
) -> tuple[list[str], list[list[Any]]]:
    places = [(s, e) for s, sequence in enumerate(sequences) for e in range(1, len(sequence))]
    costs = zip(places, result.surprise.tolist(), strict=True)
    names = [column.name for column in model.columns]
    return ["sequence", "event", *names, "total"], [[*place, *cost, math.fsum(cost)] for place, cost in costs]


def _find_event(text: str, sequences: list[EventSequence]) -> tuple[EventSequence, int]:
    lengths = {f"{number}": len(sequence) for number, sequence in enumerate(sequences)}
    number, _, event = text.partition(":")
    if not (event.isdecimal() and 0 < int(event) < lengths.get(number, 0)):
        last = f"the data ends at {len(sequences) - 1}:{len(sequences[-1]) - 1}"
        raise HachimachiError(f"--table {text}: expected SEQUENCE:EVENT, from 0 and from 1, such as 0:12; {last}")
    return sequences[int(number)], int(event)


def _table_rows(model: EventModel, sequence: EventSequence, event: int) -> tuple[list[str], list[list[Any]]]:
    import copy

    import torch

    rows = sequence.rows()
    exact, past = copy.deepcopy(model).double(), torch.from_numpy(rows[:event])
    given: dict[str, float] = {}
    lines: list[list[Any]] = []
    for name, value in zip((column.name for column in model.columns), rows[event].tolist(), strict=True):
        bins = zip(*(part.tolist() for part in exact.table(past, given)[name]), strict=True)
        lines += [[name, number, low, high, p] for number, (low, high, p) in enumerate(bins)]
        given[name] = value
    return ["feature", "bin", "low", "high", "p"], lines


def _write_csv(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    from hachimachi.io.atomic import replacing

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    with replacing(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")
