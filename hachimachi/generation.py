"""Generating events offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence
from hachimachi.io import read
from hachimachi.models.event_model import EventModel
from hachimachi.player.engine import Player, one_thread
from hachimachi.sampling import Sampling, choose_sampling

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
    sampling: Sampling | None = None,
    seed: int = 0,
) -> EventSequence:
    """Let a model go on by itself; the same seed gives the same events.

    Args:
        model: The model.
        n_events: How many events, 1,000 unless seconds are given.
        seconds: How long, for models that know time; the first of both limits ends it.
        primer: What the model hears first; it is not part of what is returned.
        temperature: See :class:`~hachimachi.sampling.Sampling`.
        sampling: All there is to say of how to draw, in place of a temperature alone.
        seed: Where the random numbers start.

    Returns:
        The events. Time starts at 0 with the first event, or goes on from the primer's last.

    Raises:
        HachimachiError: Limits below 1 event or 0 seconds, seconds without time or over before the first event, a
            primer with other features, or a sampling that the model cannot play.

    >>> from hachimachi import Constraint, Sampling, build_model
    >>> from hachimachi.events import make_sequence
    >>> data = make_sequence([[60.0], [64.0], [67.0]] * 20, [0.25 * i for i in range(60)], ["pitch"])
    >>> calm = Sampling(temperature=0.9, constraints={"pitch": Constraint.scale("C pentatonic")})
    >>> sorted(set(generate(build_model([data]), 20, sampling=calm).column("pitch") % 12) - {0, 2, 4, 7, 9})
    []
    """
    how = choose_sampling(temperature, sampling)
    return generate_many(model, 1, n_events, seconds=seconds, primer=primer, sampling=how, seed=seed)[0]


def generate_many(
    model: EventModel,
    count: int,
    n_events: int | None = None,
    *,
    seconds: float | None = None,
    primer: EventSequence | None = None,
    sampling: Sampling | None = None,
    seed: int = 0,
) -> list[EventSequence]:
    """Generate several sequences; the one at position i is what :func:`generate` gives for the seed ``seed`` + i.

    The primer is heard once. See :func:`generate` for the arguments and errors.
    """
    _check_limits(model, n_events, seconds)
    if count < 1:
        raise HachimachiError(f"number of sequences is {count}; expected 1 or more")
    if primer is not None:
        check_features(model, primer)
    player = Player(model, seed, sampling=sampling or Sampling())
    heard = primer.rows() if primer is not None else []
    with one_thread():
        for row in heard:
            player.observe(row)
        takes = (_take(player.fork(seed + i), not len(heard), n_events, seconds) for i in range(count))
        start = primer.time[-1] if primer is not None and primer.time is not None and len(primer) else 0.0
        return [_as_sequence(model, made, start) for made in takes]


def _take(player: Player, first: bool, n_events: int | None, seconds: float | None) -> list[NDArray[np.float64]]:
    rows = _play(player, first=first)
    if seconds is not None:
        rows = _until(rows, seconds)
        n_events = n_events or int(min(DENSEST * seconds, LONGEST)) + 1
    made = list(islice(rows, n_events or 1000))
    if not made:
        raise HachimachiError(f"seconds is {seconds:g}: the first event comes later than that; ask for longer")
    return made


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


def read_primer(path: str | Path, model: EventModel) -> EventSequence:
    """Read what a model is to hear first, with the columns that it knows.

    Raises:
        HachimachiError: It cannot be read, holds several sequences, or has other features than the model.
    """
    # a MIDI file says which instrument plays even if only one does; a model of one instrument does not ask
    all_columns = any(feature.name == "instrument" for feature in model.features)
    sequences = read(path, all_columns=all_columns)
    if len(sequences) > 1:
        raise HachimachiError(f"{path}: holds {len(sequences)} sequences; a primer is one")
    check_features(model, sequences[0])
    return sequences[0]


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
        yield row
        player.observe(row)


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
