"""`hxmx eval`: how well a model foretells events it has not heard."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hachimachi.commands.sampling_options import sampling_options
from hachimachi.errors import HachimachiError

if TYPE_CHECKING:
    from hachimachi.evaluation.likelihood import Evaluation
    from hachimachi.events import EventSequence
    from hachimachi.models.event_model import EventModel
    from hachimachi.models.sampling import Sampling


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
@sampling_options
def command(
    model: Path,
    data: Path,
    as_json: bool,
    surprise: Path | None,
    table: tuple[str, Path] | None,
    sampling: Sampling,
) -> None:
    """Measure how well MODEL foretells the events of DATA: nats per event, the fewer the better.

    Every event but each sequence's first is scored, given all before it. The marginal baseline knows how often each
    value occurred in training and nothing else; a model that is not below it has learned nothing.

    With the options of `hxmx gen` that say how to draw, all figures are those of what is played, features in the order
    in which they are drawn; what is never played costs infinity.
    """
    from hachimachi.checkpoint import load_model
    from hachimachi.evaluation.likelihood import evaluate
    from hachimachi.evaluation.sampled import evaluate_sampled
    from hachimachi.io import Report, read
    from hachimachi.models.sampling import Sampling

    for output in filter(None, [surprise, table and table[1]]):
        if output.resolve() in (model.resolve(), data.resolve()):
            raise HachimachiError(f"{output}: is what is to be read; name another file to write")
    judged = load_model(model)
    report = Report()
    sequences = read(data, report, all_columns=any(feature.name == "instrument" for feature in judged.features))
    wanted = _find_event(table[0], sequences) if table else None
    drawn = None if sampling == Sampling() else sampling
    result = evaluate_sampled(judged, sequences, drawn) if drawn else evaluate(judged, sequences)
    if not len(result.surprise):
        raise HachimachiError(f"{data}: nothing to score; expected a sequence of two events or more")
    if surprise:
        _write_csv(surprise, *_surprise_rows(result, sequences))
    if table and wanted:
        _write_csv(table[1], *_table_rows(judged, *wanted, drawn))
    if as_json:
        click.echo(json.dumps(_figures(result, judged), indent=2))
    else:
        _show(data, result, judged, report.lines())


def _figures(result: Evaluation, model: EventModel) -> dict[str, Any]:
    from hachimachi.models.emission import FLOOR

    features, columns = {}, {column.name: column for column in model.columns}
    for name, nats in result.by_feature().items():
        column = columns[name]
        told = {"nats": _finite(nats["nats"]), "marginal": nats["marginal"]}
        features[name] = {**told, **column.describe(), "floor": FLOOR / column.grid.bins}
    return {
        "nats_per_event": _finite(result.nats_per_event),
        "stderr": _finite(result.stderr),
        "marginal": result.marginal_nats_per_event,
        "events": result.events,
        "scored": len(result.surprise),
        "sequences": result.sequences,
        "outside": result.outside,
        "excluded": result.excluded,
        "order": list(result.names),
        "features": features,
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


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
    if result.excluded:
        screen.print(f"{result.excluded:,} events are never played with these options: they cost infinity")
    elif gain <= 0:
        screen.print("This model foretells these events no better than a histogram of each feature would")
    if result.outside:
        screen.print(f"{result.outside:,} values lie outside the model's support")


def _surprise_rows(result: Evaluation, sequences: list[EventSequence]) -> tuple[list[str], list[list[Any]]]:
    places = [(s, e) for s, sequence in enumerate(sequences) for e in range(1, len(sequence))]
    costs = zip(places, result.surprise.tolist(), strict=True)
    return ["sequence", "event", *result.names, "total"], [[*place, *cost, math.fsum(cost)] for place, cost in costs]


def _find_event(text: str, sequences: list[EventSequence]) -> tuple[EventSequence, int]:
    lengths = {f"{number}": len(sequence) for number, sequence in enumerate(sequences)}
    number, _, event = text.partition(":")
    if not (event.isdecimal() and 0 < int(event) < lengths.get(number, 0)):
        last = f"the data ends at {len(sequences) - 1}:{len(sequences[-1]) - 1}"
        raise HachimachiError(f"--table {text}: expected SEQUENCE:EVENT, from 0 and from 1, such as 0:12; {last}")
    return sequences[int(number)], int(event)


def _table_rows(
    model: EventModel, sequence: EventSequence, event: int, sampling: Sampling | None
) -> tuple[list[str], list[list[Any]]]:
    import copy

    import torch

    rows, names = sequence.rows(), [column.name for column in model.columns]
    exact, past = copy.deepcopy(model).double(), torch.from_numpy(rows[:event])
    actual = dict(zip(names, rows[event].tolist(), strict=True))
    if sampling:
        tables = exact.table(past, actual, sampling)
    else:
        given = ({other: actual[other] for other in names[:place]} for place in range(len(names)))
        tables = {name: exact.table(past, known)[name] for name, known in zip(names, given, strict=True)}
    lines: list[list[Any]] = []
    for name, table in tables.items():
        bins = zip(*(part.tolist() for part in table), strict=True)
        lines += [[name, number, low, high, p] for number, (low, high, p) in enumerate(bins)]
    return ["feature", "bin", "low", "high", "p"], lines


def _write_csv(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    from hachimachi.io.atomic import replacing

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    with replacing(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")
