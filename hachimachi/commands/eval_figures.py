"""What `hxmx eval` says, as JSON and on the screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hachimachi.evaluation.likelihood import Evaluation
from hachimachi.evaluation.seen import seen
from hachimachi.events import EventSequence
from hachimachi.models.emission import FLOOR
from hachimachi.models.event_model import EventModel
from hachimachi.screen import column_table, make_console


def figures(
    result: Evaluation, model: EventModel, sequences: Sequence[EventSequence], remarks: Sequence[str]
) -> dict[str, Any]:
    """Return all figures under the keys of ``--json``."""
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
