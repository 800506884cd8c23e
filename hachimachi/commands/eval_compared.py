"""What `hxmx eval` says of several models, as JSON and on the screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hachimachi.commands.eval_figures import figures
from hachimachi.evaluation.comparing import Comparison, Difference
from hachimachi.evaluation.likelihood import BLOCK
from hachimachi.evaluation.seen import seen
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel
from hachimachi.screen import make_console
from hachimachi.text import count

BESIDE = 3
"""Models that fit beside the best one on 80 columns."""


def compared_figures(
    result: Comparison, models: Mapping[str, EventModel], sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> dict[str, Any]:
    """Return all figures under the keys of ``--json``: of each model, and how far it is from the best one."""
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
    if result.by_sequence:
        return count(result.blocks, "sequence")
    return f"{count(result.blocks, 'block')} of {BLOCK} events"


def _difference(gap: Difference) -> dict[str, Any]:
    return {"nats": gap.nats, "stderr": gap.stderr if math.isfinite(gap.stderr) else None, "sure": gap.sure}
