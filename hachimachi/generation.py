"""Generating events offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, takewhile

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel
from hachimachi.models.step import Player
from hachimachi.models.threads import one_thread

DENSEST = 1000
"""Events per second at which a generation by seconds gives up."""
LONGEST = 10**9
"""Events at which every generation by seconds gives up."""


def generate(
    model: EventModel,
    n_events: int | None = None,
    *,
    seconds: float | None = None,
    primer: EventSequence | None = None,
    temperature: float | Mapping[str, float] = 1.0,
    seed: int = 0,
) -> EventSequence:
    """Let a model go on by itself; the same seed gives the same events.

    Args:
        model: The model.
        n_events: How many events, 1,000 unless seconds are given.
        seconds: How long, for models that know time; the first of both limits ends it.
        primer: What the model hears first; it is not part of what is returned.
        temperature: See :class:`~hachimachi.models.sampling.Sampling`.
        seed: Where the random numbers start.

    Returns:
        The events. Time starts at 0 with the first event, or goes on from the primer's last.

    Raises:
        HachimachiError: Limits below 1 event or 0 seconds, seconds without time or over before the first event, or
            a primer with other features.
    """
    _check_limits(model, n_events, seconds)
    if primer is not None:
        check_features(model, primer)
    player = Player(model, seed, temperature)
    heard = primer.rows() if primer is not None else []
    rows = _play(player, first=not len(heard))
    if seconds is not None:
        rows = _until(rows, seconds)
        n_events = n_events or int(min(DENSEST * seconds, LONGEST)) + 1
    with one_thread():
        for row in heard:
            player.hear(row)
        made = list(islice(rows, n_events or 1000))
    if not made:
        raise HachimachiError(f"seconds is {seconds:g}: the first event comes later than that; ask for longer")
    start = primer.time[-1] if primer is not None and primer.time is not None and len(primer) else 0.0
    return _as_sequence(model, made, start)


def check_features(model: EventModel, data: EventSequence) -> None:
    """Check that data has the columns a model was trained on.

    Raises:
        HachimachiError: Other names, or time in one and not in the other.
    """
    expected = [feature.name for feature in model.features]
    found = [feature.name for feature in data.features]
    where = data.name or "the data"
    if found != expected:
        raise HachimachiError(f"{where}: features are {', '.join(found)}; the model expects {', '.join(expected)}")
    if data.temporal != model.temporal:
        raise HachimachiError(
            f"{where}: {_time(data.temporal)}, but the model was trained on data that {_time(model.temporal)}"
        )


def _time(temporal: bool) -> str:
    return "has time" if temporal else "has no time"


def _check_limits(model: EventModel, n_events: int | None, seconds: float | None) -> None:
    if n_events is not None and n_events < 1:
        raise HachimachiError(f"number of events is {n_events}; expected 1 or more")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise HachimachiError(f"seconds is {seconds}; expected a number above 0")
    if seconds is not None and not model.temporal:
        raise HachimachiError("seconds: this model knows no time; give a number of events instead")


def _play(player: Player, *, first: bool) -> Iterator[NDArray[np.float64]]:
    while True:
        row = player.sample()
        if first and player.temporal:
            row[0], first = np.nan, False  # nothing came before it
        player.hear(row)
        yield row


def _until(rows: Iterator[NDArray[np.float64]], seconds: float) -> Iterator[NDArray[np.float64]]:
    elapsed = 0.0

    def early(row: NDArray[np.float64]) -> bool:
        nonlocal elapsed
        elapsed += float(np.nan_to_num(row[0]))
        return elapsed <= seconds

    return takewhile(early, rows)


def _as_sequence(model: EventModel, rows: list[NDArray[np.float64]], start: float) -> EventSequence:
    table = np.array(rows).reshape(len(rows), len(model.columns))
    if not model.temporal:
        return EventSequence(model.features, table, name="generated")
    return EventSequence(model.features, table[:, 1:], start + np.nancumsum(table[:, 0]), name="generated")
