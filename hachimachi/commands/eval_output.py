"""What `hxmx eval` says, as JSON and on the screen."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hachimachi.console import column_table, make_console
from hachimachi.errors import HachimachiError, count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from hachimachi.evaluation.compare import Comparison, Difference
    from hachimachi.evaluation.likelihood import Evaluation
    from hachimachi.events import EventSequence
    from hachimachi.models.event_model import EventModel
    from hachimachi.sampling import Sampling


def figures(
    result: Evaluation, model: EventModel, sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> dict[str, Any]:
    """Return all figures under the keys of ``--json``."""
    from hachimachi.columns import FLOOR
    from hachimachi.evaluation.likelihood import seen

    features = {}
    for column, (name, nats) in zip(result.columns, result.by_feature().items(), strict=True):
        features[name] = {**_finite(nats), **column.describe(), "floor": FLOOR / column.grid.bins}
    totals = {
        "nats_per_event": result.nats_per_event,
        "stderr": result.stderr,
        "fresh": result.fresh_nats_per_event,
        "marginal": result.marginal_nats_per_event,
    }
    return {
        **_finite(totals),
        "excluded": result.excluded,
        "events": result.events,
        "scored": len(result.surprise),
        "sequences": result.sequences,
        "fresh_events": result.fresh_events,
        "outside": result.outside,
        "seen_in_training": len(seen(model, sequences)),
        "remarks": list(remarks),
        "order": list(result.names),
        "features": features,
    }


def _finite(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return figures as JSON can hold them: what is not finite becomes null."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}


def show(
    data: Path, result: Evaluation, model: EventModel, sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> None:
    """Print the figures for people."""
    from hachimachi.evaluation.likelihood import seen

    screen = make_console()
    for remark in remarks:
        screen.print(remark)
    many = f"{result.sequences:,} sequences" if result.sequences > 1 else "one sequence"
    screen.print(f"{data}: {len(result.surprise):,} events scored in {many}")
    screen.print(column_table(model, result.by_feature()))
    gain = result.marginal_nats_per_event - result.nats_per_event
    error = f" ± {result.stderr:.2f}" if math.isfinite(result.stderr) else ""
    screen.print(f"total: {result.nats_per_event:.2f}{error} nats per event")
    way = "below" if gain > 0 else "above"
    screen.print(f"{abs(gain):.2f} {way} the marginal baseline of {result.marginal_nats_per_event:.2f}")
    if result.fresh_nats_per_event is not None:
        count = f"{result.fresh_events:,} fresh events"
        screen.print(f"{result.fresh_nats_per_event:.2f} over {count}, after steps that training never had")
    if result.excluded:
        screen.print(f"{result.excluded:,} events are never played with these options: they cost infinity")
    elif gain <= 0:
        screen.print("This model foretells these events no better than a histogram of each feature would")
    if result.outside:
        screen.print(f"{result.outside:,} values lie outside the support")
    if heard := seen(model, sequences):
        which = f"{len(heard):,} of these {result.sequences:,} sequences were" if len(sequences) > 1 else "This was"
        screen.print(f"Warning: {which} part of the training data, so these figures flatter the model")


def write_surprise(path: Path, result: Evaluation, sequences: Sequence[EventSequence]) -> None:
    """Write −ln P of every column of every scored event."""
    places = [(s, e) for s, sequence in enumerate(sequences) for e in range(1, len(sequence))]
    costs = zip(places, result.surprise.tolist(), strict=True)
    header = ["sequence", "event", *result.names, "total"]
    _write_csv(path, header, ([*place, *cost, math.fsum(cost)] for place, cost in costs))


def find_event(text: str, sequences: Sequence[EventSequence]) -> tuple[EventSequence, int]:
    """Return the event that ``SEQUENCE:EVENT`` names."""
    lengths = {f"{number}": len(sequence) for number, sequence in enumerate(sequences)}
    number, _, event = text.partition(":")
    if not (event.isdecimal() and 0 < int(event) < lengths.get(number, 0)):
        last = f"the data ends at {len(sequences) - 1}:{len(sequences[-1]) - 1}"
        raise HachimachiError(f"--table {text}: expected SEQUENCE:EVENT, from 0 and from 1, such as 0:12; {last}")
    return sequences[int(number)], int(event)


def write_table(
    path: Path,
    model: EventModel,
    sequence: EventSequence,
    event: int,
    *,
    resolution: Mapping[str, float],
    support: Mapping[str, tuple[float, float]],
    sampling: Sampling | None = None,
) -> None:
    """Write P of every bin of every column of one event, given those before it, as foretold or as drawn."""
    import torch

    from hachimachi.evaluation.grids import regrids

    rows, restated = sequence.rows(), regrids(model.columns, resolution, support)
    given = dict(zip((column.name for column in model.columns), rows[event].tolist(), strict=True))
    tables = model.table(torch.from_numpy(rows[:event]), given, sampling)
    for regrid in restated.values():
        name = regrid.column.name
        tables[name] = (*regrid.column.bounds(), regrid.table(tables[name][2]))
    lines = (
        [name, number, low, high, p]
        for name, bins in tables.items()
        for number, (low, high, p) in enumerate(zip(*(part.tolist() for part in bins), strict=True))
    )
    _write_csv(path, ["feature", "bin", "low", "high", "p"], lines)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from hachimachi.io.atomic import replacing

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    with replacing(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")


BESIDE = 3
"""Models that fit beside the best one on 80 columns."""


def compared_figures(
    result: Comparison, models: Mapping[str, EventModel], sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> dict[str, Any]:
    """Return all figures under the keys of ``--json``: of each model, and how far it is from the best one."""
    from hachimachi.evaluation.likelihood import BLOCK

    best = result.ranking[0]
    told = [
        {
            "model": name,
            **figures(evaluation, models[name], sequences, []),
            "from_best": _difference(result.difference(place, best))
            | {"features": {f: _difference(result.difference(place, best, f)) for f in _features(result)}},
        }
        for place, (name, evaluation) in enumerate(zip(result.names, result.evaluations, strict=True))
    ]
    return {
        "best": result.names[best],
        "blocks": {"by": "sequence" if result.by_sequence else f"{BLOCK} events", "count": result.blocks},
        "remarks": [*remarks, *result.remarks],
        "models": told,
    }


def show_compared(
    data: Path,
    result: Comparison,
    models: Mapping[str, EventModel],
    sequences: Sequence[EventSequence],
    remarks: Sequence[str],
) -> None:
    """Print a comparison for people, the best model first."""
    from hachimachi.evaluation.likelihood import seen

    screen, ranking = make_console(), result.ranking
    for remark in (*remarks, *result.remarks):
        screen.print(remark)
    one = result.evaluations[0]
    screen.print(f"{data}: {len(one.surprise):,} events scored in {count(one.sequences, 'sequence')}")
    for rank, place in enumerate(ranking, 1):
        screen.print(f"{rank}  {result.names[place]}")
    for begun in range(1, len(ranking), BESIDE):
        screen.print()
        screen.print(_table(result, ranking, range(begun, min(begun + BESIDE, len(ranking)))))
    screen.print(f"* more than noise, at 95 %; ± standard error over {_blocks(result)}")
    if not result.features_compare:
        screen.print("The models take features in different orders, so that only their totals compare")
    _judge(screen, result)
    for name, model in models.items():
        if heard := seen(model, sequences):
            screen.print(f"Warning: {name} was trained on {len(heard):,} of these sequences, which flatters it")


def _judge(screen: Console, result: Comparison) -> None:
    """Say which is better in a sentence, and where none is of use."""
    best, second = result.ranking[:2]
    gap = result.difference(second, best)
    told = f"{result.names[best]} is better than {result.names[second]}"
    if gap.nats == 0:
        screen.print(f"{result.names[best]} and {result.names[second]} cost the same")
    elif gap.sure:
        screen.print(f"{told}, by {_tell(gap, sign=False)} nats per event")
    else:
        screen.print(f"That {told} by {_tell(gap, sign=False)} may be noise")
    for name, evaluation in zip(result.names, result.evaluations, strict=True):
        if evaluation.nats_per_event >= evaluation.marginal_nats_per_event:
            screen.print(f"{name} foretells these events no better than a histogram of each feature would")


def _table(result: Comparison, ranking: Sequence[int], ranks: range) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    best = ranking[0]
    for title in ("nats per event", "1", *(f"{rank + 1} − 1" for rank in ranks)):
        table.add_column(title, justify="left" if title == "nats per event" else "right")
    for feature in (*_features(result), None):
        nats = result.evaluations[best].by_feature()
        cells = [result.difference(ranking[rank], best, feature) for rank in ranks]
        own = nats[feature]["nats"] if feature else result.evaluations[best].nats_per_event
        told = [Text(f"{_tell(gap)} {'*' if gap.sure else ' '}") for gap in cells]
        table.add_row(Text(feature or "total"), f"{own:.2f}", *told, style=None if feature else "bold")
    return table


def _features(result: Comparison) -> tuple[str, ...]:
    return result.evaluations[0].names if result.features_compare else ()


def _tell(gap: Difference, sign: bool = True) -> str:
    error = f" ± {gap.stderr:.2f}" if math.isfinite(gap.stderr) else ""
    return f"{gap.nats:{'+' if sign else ''}.2f}{error}"


def _blocks(result: Comparison) -> str:
    from hachimachi.evaluation.likelihood import BLOCK

    if result.by_sequence:
        return count(result.blocks, "sequence")
    return f"{count(result.blocks, 'block')} of {BLOCK} events"


def _difference(gap: Difference) -> dict[str, Any]:
    return {"nats": gap.nats, "stderr": gap.stderr if math.isfinite(gap.stderr) else None, "sure": gap.sure}
